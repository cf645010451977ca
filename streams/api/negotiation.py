"""Which of the forms that something has is asked for, by `Accept` (RFC 9110, section 12.5.1)."""

from collections.abc import Mapping

from streams.api.languages import quality

LONGEST = 1_000
"""Characters of the header that are read: a browser sends two hundred."""


def preferred(accept: str | None, forms: Mapping[str, str], usual: str) -> str:
    """The form that is liked best: `forms` has each by its media types. `usual`, where none is liked more."""
    found = []
    for place, part in enumerate((accept or "")[:LONGEST].lower().split(",")):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((one for one in parameters if one.startswith("q=")), "")
        found.append((-quality(weight), name.count("*"), place, name))
    liked = (name for weight, _, _, name in sorted(found) if weight < 0)
    return next((form for name in liked if (form := _named(name, forms, usual))), usual)


def _named(name: str, forms: Mapping[str, str], usual: str) -> str | None:
    if name == "*/*":
        return usual
    if not name.endswith("/*"):
        return forms.get(name)
    return next((form for media, form in forms.items() if media.startswith(name[:-1])), None)

"""Which languages somebody reads, by what their browser says."""

import re

from streams.catalog.texts import LANGUAGE

LONGEST = 500
"""Characters of the header that are read: a browser sends a few languages."""


def accepted(header: str | None) -> list[str]:
    """The languages of `Accept-Language`, the best first; one with `q=0` is not wanted."""
    found = []
    for place, part in enumerate((header or "")[:LONGEST].split(",")):
        tag, _, weight = part.strip().partition(";")
        if re.fullmatch(LANGUAGE, tag.strip()) and (liked := quality(weight)) > 0:
            found.append((-liked, place, tag.strip()))
    return [tag for _, _, tag in sorted(found)]


def quality(text: str) -> float:
    """A weight, `q=0.8`, as a number; 1 where there is none, 0 where it is no weight."""
    found = re.fullmatch(r"\s*q=([01](\.\d{0,3})?)\s*", text)
    return float(found[1]) if found else 1.0 if not text.strip() else 0.0

"""What there is to earn, as pages show it to everybody who has not begun it: made once, not for each page."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from streams.api.html.learner import not_begun
from streams.api.html.rendering import part
from streams.badges import Compiled
from streams.catalog import CatalogDocument

MOST = 8
"""Languages, or orders of them, whose offers are kept: of a thousand templates each takes a megabyte."""


class Offers:
    """The offers of the catalog in force, by the languages that readers want and the catalog has."""

    def __init__(self) -> None:
        self._document: CatalogDocument | None = None
        self._languages: frozenset[str] = frozenset()
        self._made: OrderedDict[tuple[str, ...], Mapping[str, Markup]] = OrderedDict()

    def of(
        self, document: CatalogDocument, active: Sequence[Compiled], language: str, wanted: Sequence[str]
    ) -> Mapping[str, Markup]:
        """Each active template as a page in `language` offers it, with texts in the languages `wanted`."""
        if document is not self._document:
            self._document, self._languages = document, _languages(document)
            self._made.clear()
        known = [tag.lower() for tag in wanted if _base(tag) in self._languages]
        key = (language, *dict.fromkeys(known))
        if key not in self._made:
            self._made[key] = {
                one.id: part("offer", language, not_begun(document, one, known)) for one in active
            }
        self._made.move_to_end(key)
        if len(self._made) > MOST:
            self._made.popitem(last=False)
        return self._made[key]


def _languages(document: CatalogDocument) -> frozenset[str]:
    """The languages of the texts of requirements, without their regions."""
    requirements = (one for template in document.templates.values() for one in template.requirements)
    return frozenset(_base(tag) for one in requirements for tag in one.text or ())


def _base(tag: str) -> str:
    return tag.lower().partition("-")[0]

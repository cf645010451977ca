"""The catalogs that were published, and what each changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from streams.api.console.shown import at
from streams.api.questions import Questions
from streams.catalog import CatalogDocument
from streams.catalog.in_force import Revision
from streams.logs import blanked
from streams.operate.catalog import differences, document_of

SHOWN = 50
"""Changes of a catalog that are shown; the others are counted."""


@dataclass(frozen=True, slots=True)
class Version:
    """A catalog that was published; `templates` is None where it is refused now.

    `changes` are None for the first, of which all is new; `more` of them are not among them.
    """

    name: str
    at: datetime
    templates: int | None
    changes: Sequence[str] | None
    more: int


class History:
    """Reads each catalog once: one of ten thousand templates takes seconds."""

    def __init__(self) -> None:
        self._known: dict[int, Version] = {}

    def page(self, questions: Questions, limit: int, offset: int) -> tuple[int, list[Version]]:
        """How many there are, and the newest but `offset`."""
        # With the one before the page's last, which shows what that changed.
        wanted = list(islice(questions.revisions(), offset, offset + limit + 1))
        documents: dict[int, CatalogDocument | None] = {}

        def read(revision: Revision) -> CatalogDocument | None:
            if revision.offset not in documents:
                documents[revision.offset] = document_of(revision)
            return documents[revision.offset]

        for place, revision in enumerate(wanted[:limit]):
            if revision.offset not in self._known:
                before = next((found for one in wanted[place + 1 :] if (found := read(one))), None)
                self._known[revision.offset] = _version(revision, read(revision), before)
        return questions.published_catalogs(), [self._known[one.offset] for one in wanted[:limit]]


def _version(revision: Revision, found: CatalogDocument | None, before: CatalogDocument | None) -> Version:
    changes = list(map(blanked, differences(before, found))) if before and found else []
    return Version(
        blanked(revision.name),
        at(revision.timestamp_ms),
        None if found is None else len(found.templates),
        changes[:SHOWN] if before is not None else None,
        max(0, len(changes) - SHOWN),
    )

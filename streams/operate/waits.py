"""What waits for the issuers, by organization: badges that they do not hold as desired."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.catalog import CatalogDocument
from streams.operate.whereabouts import lacking
from streams.relay.issuance import WITHHELD, Issuance, done


@dataclass(frozen=True, slots=True)
class Waiting:
    """The badges of an organization that its issuer does not hold as desired.

    `waits` counts those that will be tried, since `oldest`; `lacking` those of them for which something must
    be known of the learner first, `withheld` those that the issuer has made and does not publish; `refused`
    those that nobody tries any more.
    """

    organization: str
    waits: int
    oldest: str
    lacking: int
    refused: int
    withheld: int = 0


class Waits:
    """Counts by the organizations of a catalog, None where there is none."""

    def __init__(self, document: CatalogDocument | None) -> None:
        self._document = document
        templates = {} if document is None else document.templates
        self._organizations = {id: template.organization for id, template in templates.items()}
        self._waits, self._lacks, self._refused = Counter[str](), Counter[str](), Counter[str]()
        self._withheld = Counter[str]()
        self._oldest: dict[str, datetime] = {}

    def add(self, issuance: Issuance) -> None:
        """Count one badge, if it waits."""
        organization = self._organizations.get(issuance.template, "unknown")
        if issuance.refused:
            self._refused[organization] += 1
        elif not done(issuance):
            self._waits[organization] += 1
            self._lacks[organization] += bool(self._document and lacking(issuance, self._document))
            self._withheld[organization] += issuance.kind == "awarded" and issuance.state == WITHHELD
            self._oldest[organization] = min(issuance.time, self._oldest.get(organization, issuance.time))

    @property
    def by_organization(self) -> list[Waiting]:
        """Each organization of the catalog, and `unknown` for templates that it does not have."""
        names = sorted({*self._organizations.values(), *self._waits, *self._refused})
        return [
            Waiting(
                id,
                self._waits[id],
                _at(self._oldest.get(id)),
                self._lacks[id],
                self._refused[id],
                self._withheld[id],
            )
            for id in names
        ]


def _at(time: datetime | None) -> str:
    return "" if time is None else time.astimezone(UTC).isoformat(timespec="seconds")

"""From what is known to what the console's pages show. Pure: time is an argument."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.api import answers, models
from streams.api.console.workers import Pace, Worker
from streams.api.questions import Counted
from streams.api.rows import HELD, REFUSED, REVOKED, WAITING
from streams.badges import Progress, latest
from streams.catalog import CatalogDocument
from streams.operate.recent import Row
from streams.operate.waits import Waiting
from streams.operate.whereabouts import Issuances
from streams.relay.issuance import Issuance

NOBODY = Waiting("", 0, "", 0, 0)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a chart: so many, and which share of the longest row each part is, in percent."""

    label: str
    count: int
    parts: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """An organization: where its key is, how its issuer is called at present, what waits.

    `rate` is all relays' together, None where none says; `key` is a reference, never the key.
    """

    id: str
    name: str
    provider: str
    key: str
    waiting: Waiting
    held: Sequence[str]
    breaker: bool
    paused: bool
    rate: float | None
    key_expires: datetime | None
    parked: int
    seen: bool


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template: how many hold its badge, held it, have begun it, and what its issuer owes."""

    id: str
    name: str
    organization: str
    active: bool
    held: int
    revoked: int
    begun: int
    waiting: int
    refused: int

    @property
    def open(self) -> int:
        """Learners who have begun it and have no badge."""
        return self.begun - self.held - self.revoked


@dataclass(frozen=True, slots=True)
class BadgeRow:
    """A learner's badge, where it is in words, and what its issuer said last."""

    badge: models.Badge
    where: str
    error: str


def organizations(
    document: CatalogDocument, waiting: Iterable[Waiting], workers: Sequence[Worker]
) -> list[OrganizationRow]:
    """Each organization of the catalog by name; then whose templates it does not have, if badges wait."""
    waits = {one.organization: one for one in waiting}
    rows = []
    for id, declared in document.organizations.items():
        paces = [worker.organizations[id] for worker in workers if id in worker.organizations]
        key = declared.key
        where = "" if key is None else f"env {key.env}" if key.env else f"file {key.file}"
        rows.append(_organization(id, declared.name, declared.provider, where, waits.pop(id, NOBODY), paces))
    rows.sort(key=lambda one: (one.name.casefold(), one.id))
    left = [one for _, one in sorted(waits.items()) if one.waits or one.refused]
    return [*rows, *(_organization(one.organization, "", "", "", one, []) for one in left)]


def _organization(
    id: str, name: str, provider: str, key: str, waiting: Waiting, paces: Sequence[Pace]
) -> OrganizationRow:
    rates = [pace.rate for pace in paces if pace.rate is not None]
    expiries = [pace.key_expires for pace in paces if pace.key_expires]
    return OrganizationRow(
        id=id,
        name=name,
        provider=provider,
        key=key,
        waiting=waiting,
        held=sorted({pace.held for pace in paces if pace.held}),
        breaker=any(pace.breaker for pace in paces),
        paused=any(pace.paused for pace in paces),
        rate=sum(rates) if rates else None,
        key_expires=min(expiries, default=None),
        parked=sum(pace.parked for pace in paces),
        seen=bool(paces),
    )


def template_row(
    document: CatalogDocument, id: str, counted: Iterable[Counted], stages: Mapping[int, int]
) -> TemplateRow:
    """A template, also one that no catalog has any more."""
    declared = document.templates.get(id)
    badges = Counter[int]()
    for one in counted:
        badges[one.badge] += one.learners
    return TemplateRow(
        id=id,
        name=declared.name if declared else "",
        organization=document.organizations[declared.organization].name if declared else "",
        active=id in document.compiled.turns,
        held=badges[HELD],
        revoked=badges[REVOKED],
        begun=badges.total(),
        waiting=stages.get(WAITING, 0),
        refused=stages.get(REFUSED, 0),
    )


def histogram(document: CatalogDocument, id: str, counted: Sequence[Counted]) -> list[Bar]:
    """How many learners fulfil so many of a template's groups, with its badge and without."""
    turn = document.compiled.turns.get(id)
    if turn is None:
        return []
    groups = document.compiled.active[turn].groups
    by_groups = [Counter[str]() for _ in range(len(groups) + 1)]
    for one in counted:
        kind = {HELD: "held", REVOKED: "revoked"}.get(one.badge, "open")
        by_groups[sum(answers.is_met(group, one.fulfilled) for group in groups)][kind] += one.learners
    most = max(map(Counter.total, by_groups)) or 1
    return [
        Bar(
            f"{n}/{len(groups)}", row.total(), [(kind, 100 * row[kind] / most) for kind in PARTS if row[kind]]
        )
        for n, row in enumerate(by_groups)
    ]


PARTS = ("held", "open", "revoked")
"""Of a bar, in their order."""


def of_template(row: TemplateRow) -> list[tuple[str, float]]:
    """A template's learners as parts of a bar, in percent."""
    of = row.begun or 1
    return [(kind, 100 * getattr(row, kind) / of) for kind in PARTS if getattr(row, kind)]


def by_reason(letters: Iterable[Row]) -> list[Bar]:
    """How many letters of each reason, most first."""
    counts = Counter(letter.reason for letter in letters).most_common()
    most = counts[0][1] if counts else 1
    return [Bar(reason, count, [("letters", 100 * count / most)]) for reason, count in counts]


def badges(
    document: CatalogDocument,
    learner: int,
    known: Progress,
    issued: Mapping[str, Issuance],
    now: int,
    *,
    relay: bool,
) -> list[BadgeRow]:
    """A learner's badges, the newest award first."""
    table = Issuances(issued, relay)
    return [
        BadgeRow(
            one,
            table.where(
                one.id, document, str(latest(known.badges[one.template.id], one.template.id, learner).id)
            ),
            _error(issued.get(one.id)),
        )
        for one in answers.badges(document, learner, known, issued, now)
    ]


def _error(issuance: Issuance | None) -> str:
    return "" if issuance is None else issuance.refused or issuance.answer


def blocks(lines: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """What `explain` says, piece by piece: its first line, and the others.

    What is not begun is one piece, without a first line.
    """
    block: list[str] = []
    for line in [*lines, ""]:
        if line:
            block.append(line)
        elif block:
            yield ("", block) if block[0].startswith("not begun") else (block[0], block[1:])
            block = []


def at(milliseconds: float) -> datetime:
    """A record's time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)

"""What Credly holds against what the relay believes that it holds.

The relay follows the bus and Credly's answers; what people do on Credly's site it does not see. This
compares its table, as of now, with Credly's own lists.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from streams.catalog.in_force import CatalogInForce
from streams.clock import Clock, Patience
from streams.errors import ConfigurationError, FatalError
from streams.issuers import credly, outcomes
from streams.issuers.client import Http
from streams.issuers.credly import HELD
from streams.issuers.outcomes import IssuedBadge
from streams.kafka.changelog import read_table
from streams.kafka.client import partitions_of, reader
from streams.kafka.topics import topics
from streams.relay.issuance import Issuance, done, load
from streams.relay.organizations import Limits, Organization, Organizations, terms
from streams.settings import Settings

TRIES = 5
PATIENCE = Patience(0.5, 5.0)

Kind = Literal["missing", "revoked_by_hand", "rejected", "issued_by_hand", "still_held"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A badge of which Credly and the relay's table say different things.

    ================= ============================================================================
    `missing`          it should be held, and Credly does not know it
    `revoked_by_hand`  it should be held, and somebody revoked it at Credly
    `rejected`         it should be held, and the earner has rejected it
    `issued_by_hand`   Credly holds it, and the bus has never asked for it
    `still_held`       it is revoked by the bus, and Credly holds one all the same
    ================= ============================================================================

    `badge` is our id, empty where there is none; `credly` is Credly's.
    """

    kind: Kind
    template: str
    learner: str
    badge: str
    credly: str

    def __str__(self) -> str:
        return "\t".join(
            (self.kind, self.template, self.learner or "-", self.badge or "-", self.credly or "-")
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared: badges of the table, badges at Credly, and what the relay is still working on."""

    organization: str
    differences: Sequence[Difference]
    believed: int
    listed: int
    pending: int

    def __str__(self) -> str:
        return (
            f"organization {self.organization}: {len(self.differences)} differences, "
            f"{self.believed} badges held by the table, {self.listed} by Credly, {self.pending} pending"
        )


def compare(table: Mapping[str, Issuance], listed: Iterable[IssuedBadge]) -> Iterator[Difference]:
    """The differences; badges on which the relay is still working are left out."""
    by_id = {badge.id: badge for badge in listed}
    settled = {badge: issuance for badge, issuance in table.items() if done(issuance)}
    working = {(i.template, str(i.learner)) for badge, i in table.items() if badge not in settled}
    claimed = {i.held for i in table.values() if i.held and i.kind == "awarded"}
    revoked: dict[tuple[str, str], str] = {}
    for badge, issuance in settled.items():
        if issuance.kind != "awarded":
            revoked[(issuance.template, str(issuance.learner))] = badge
        elif issuance.held:
            yield from _held(badge, issuance, by_id.get(issuance.held))
    for item in by_id.values():
        place = (item.template, item.earner)
        if item.state in HELD and item.id not in claimed and place not in working:
            kind: Kind = "still_held" if place in revoked else "issued_by_hand"
            yield Difference(kind, item.template, item.earner, revoked.get(place, ""), item.id)


async def reports(settings: Settings, wanted: Sequence[str]) -> AsyncIterator[Report]:
    """Compare organization by organization; all of the catalog where none is named.

    Raises `ConfigurationError` for an organization that the catalog does not have or whose key is missing,
    `FatalError` where Credly does not tell.
    """
    names = topics(settings)
    catalogs = CatalogInForce(settings, names.catalog.name)
    await catalogs.load()
    http, clock = Http(), Clock()
    limits = Limits(in_flight=settings.issuer_in_flight, rate=settings.issuer_rate)
    organizations = Organizations(limits, http, clock)
    organization_terms, templates = terms(catalogs.document)
    organizations.take(organization_terms, templates)
    try:
        for organization in _wanted(organizations, wanted):
            own = [template for template, of in templates.items() if of.organization == organization.id]
            yield await _report(settings, organization, own, clock)
    finally:
        await http.close()


def _wanted(organizations: Organizations, wanted: Sequence[str]) -> list[Organization]:
    known = {organization.id: organization for organization in organizations}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigurationError(f"the catalog has no organization {', '.join(unknown)}")
    chosen = [known[name] for name in wanted or known]
    for organization in chosen:
        if not organization.has_key:
            raise ConfigurationError(f"organization {organization.id}: nothing stands at its key's reference")
    return chosen


async def _report(
    settings: Settings, organization: Organization, templates: Sequence[str], clock: Clock
) -> Report:
    before = await _table(settings, templates)
    listed = [badge for template in templates for badge in await _listed(organization, template, clock)]
    after = await _table(settings, templates)
    # What the relay did meanwhile is no difference.
    differences = set(compare(before, listed)) & set(compare(after, listed))
    return Report(
        organization.id,
        sorted(differences, key=str),
        believed=sum(issuance.held is not None for issuance in after.values()),
        listed=sum(badge.state in HELD for badge in listed),
        pending=sum(not done(issuance) for issuance in after.values()),
    )


def _held(badge: str, issuance: Issuance, seen: IssuedBadge | None) -> Iterator[Difference]:
    learner, held = str(issuance.learner), issuance.held or ""
    if seen is None:
        yield Difference("missing", issuance.template, learner, badge, held)
    elif seen.state == "rejected":
        yield Difference("rejected", issuance.template, learner, badge, held)
    elif seen.state not in HELD:
        yield Difference("revoked_by_hand", issuance.template, learner, badge, held)


async def _listed(organization: Organization, template: str, clock: Clock) -> list[IssuedBadge]:
    """All badges of a template at Credly, in every state."""
    badges: list[IssuedBadge] = []
    page: int | None = 1
    while page is not None:
        found = await _page(organization, template, page, clock)
        badges += found.badges
        page = found.next
    return badges


async def _page(organization: Organization, template: str, page: int, clock: Clock) -> outcomes.Page:
    request = credly.issued_badges(organization.id, [template], page)
    for attempt in range(1, TRIES + 1):
        async with organization.turn() as turn:
            answer = await turn.call(request)
            turn.outcome = outcome = credly.read_page(request, answer, clock.wall(), turn.key)
        if isinstance(outcome, outcomes.Page):
            return outcome
        if isinstance(outcome, outcomes.KeyRefused | outcomes.Refused) or attempt == TRIES:
            raise FatalError(f"organization {organization.id}: no list of its badges: {outcome.why}")
        await clock.sleep(PATIENCE.seconds(attempt, clock.random()))
    raise AssertionError("the last attempt ends the loop")


async def _table(settings: Settings, templates: Sequence[str]) -> dict[str, Issuance]:
    changelog = topics(settings).issuances.name
    async with reader(settings) as consumer:
        places = await partitions_of(consumer, changelog)
    if not places:
        raise FatalError(f"topic {changelog} does not exist")
    table: dict[str, Issuance] = {}
    for place in places:
        raw = await read_table(settings, changelog, place.partition)
        table |= {badge.decode(): load(orjson.loads(value)) for badge, value in raw.items()}
    return {badge: issuance for badge, issuance in table.items() if issuance.template in templates}

"""Compare what the issuers hold with what the relay believes that they hold.

The relay follows the bus, the issuers' answers and what an issuer says has happened, which is not all that
people do on its site. This compares its table, as of now, with each issuer's own lists.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import orjson

from streams.catalog import CatalogDocument, Duration
from streams.clock import Clock
from streams.errors import FatalError
from streams.issuers.client import Http
from streams.issuers.issuer import drive
from streams.issuers.outcomes import TAKEN_BACK, IssuedBadge
from streams.logs import blanked
from streams.operate.asking import asked, limits_of
from streams.operate.asking import wanted as chosen
from streams.operate.site import Site, site
from streams.operate.whereabouts import lacking
from streams.relay.issuance import KEPT, Issuance, done
from streams.relay.keys import reach
from streams.relay.organizations import Organization, Organizations
from streams.relay.ownership import BARE, Ownership
from streams.relay.rows import is_issuance, load
from streams.relay.terms import TemplateTerms, terms
from streams.settings import Settings

Kind = Literal[
    "missing",
    "revoked_by_hand",
    "expired",
    "rejected",
    "issued_by_hand",
    "still_held",
    "kept",
    "refused",
    "lacking",
    "late",
]

LATE = timedelta(hours=1)
"""As the alert BadgeIssuanceLate has it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A badge of which its issuer and the relay's table say different things.

    ================= ============================================================================
    `missing`          it should be held, and the issuer does not know it
    `revoked_by_hand`  it should be held, and somebody revoked it at the issuer
    `expired`          it should be held, and has expired at the issuer before the catalog says
    `rejected`         it should be held, and the earner has rejected it
    `issued_by_hand`   the issuer holds it, and the bus has never asked for it
    `still_held`       it is revoked by the bus, and the issuer holds one all the same
    `kept`             it is revoked by the bus, and kept because the relay adopted it
    `refused`          the issuer has refused to issue, to revoke or to delete it
    `lacking`          it waits for the learner's e-mail address or name
    `late`             it waits for something else, and was decided more than an hour ago
    ================= ============================================================================

    `badge` is our id, `issued` the issuer's; each is empty if there is none.
    """

    kind: Kind
    template: str
    learner: str
    badge: str
    issued: str

    def __str__(self) -> str:
        parts = (self.kind, self.template, self.learner, self.badge, self.issued)
        return "\t".join(blanked(part) or "-" for part in parts)


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared: badges of the table, badges at the issuer, and what the relay still works on.

    `foreign` counts badges that are held at the issuer under earner ids of other sites. `asked` is false
    where the issuer cannot be asked what it holds: then the differences are what the table itself knows.
    """

    organization: str
    differences: Sequence[Difference]
    believed: int
    listed: int
    pending: int
    foreign: int = 0
    asked: bool = True

    def __str__(self) -> str:
        if not self.asked:
            return (
                f"organization {self.organization}: its issuer cannot be asked what it holds; "
                f"{len(self.differences)} stuck or late, {self.believed} badges held by the table, "
                f"{self.pending} pending"
            )
        return (
            f"organization {self.organization}: {len(self.differences)} differences, "
            f"{self.believed} badges held by the table, {self.listed} by the issuer, {self.pending} pending"
            + (f", {self.foreign} of other sites" if self.foreign else "")
        )


def compare(
    table: Mapping[str, Issuance],
    listed: Iterable[IssuedBadge],
    held: Collection[str],
    ownership: Ownership = BARE,
) -> Iterator[Difference]:
    """The differences; badges on which the relay is still working, and other sites', are left out.

    `held` are the states of a badge that its earner has.
    """
    # Ids are UUIDs, numbers or codes, and the same in any case.
    by_id = {badge.id.casefold(): badge for badge in listed}
    settled = {badge: issuance for badge, issuance in table.items() if done(issuance)}
    working = {p for badge, i in table.items() if badge not in settled for p in _places(i, ownership)}
    claimed = {i.held.casefold() for i in table.values() if i.held and i.kind == "awarded"}
    kept = {i.held.casefold(): badge for badge, i in settled.items() if i.held and i.state == KEPT}
    revoked: dict[tuple[str, str], str] = {}
    for badge, issuance in settled.items():
        if issuance.kind != "awarded":
            revoked |= dict.fromkeys(_places(issuance, ownership), badge)
        elif issuance.held:
            yield from _believed(badge, issuance, by_id.get(issuance.held.casefold()), held)
    for id, item in by_id.items():
        place = (item.template, item.earner)
        if item.state not in held or id in claimed or place in working:
            continue
        learner = ownership.learner(item.earner)
        if id in kept:
            own = kept[id]
            yield Difference("kept", item.template, str(table[own].learner), own, item.id)
        elif learner is not None:
            kind: Kind = "still_held" if place in revoked else "issued_by_hand"
            yield Difference(kind, item.template, learner, revoked.get(place, ""), item.id)


def open_ends(
    table: Mapping[str, Issuance], document: CatalogDocument, now: datetime
) -> Iterator[Difference]:
    """The badges that the issuer does not hold as desired, as the relay knows, and that are in no hurry."""
    for badge, issuance in table.items():
        kind: Kind = "refused" if issuance.refused else "late"
        if kind == "late" and lacking(issuance, document):
            kind = "lacking"
        if kind != "late" or (not done(issuance) and now - issuance.time > LATE):
            yield Difference(kind, issuance.template, str(issuance.learner), badge, issuance.held or "")


async def listed(organization: Organization, template: TemplateTerms, clock: Clock) -> list[IssuedBadge]:
    """All badges of a template at its issuer, in every state, with the catalog's id of the template.

    Raises `FatalError` if the issuer does not answer.
    """
    steps = organization.issuer.listing(organization.id, template.external_id)
    found = await drive(steps, asked(organization, clock))
    if not isinstance(found, tuple):
        raise FatalError(f"organization {organization.id}: no list of its badges: {found.why}")
    external = template.external_id.casefold()
    return [
        replace(badge, template=template.id) if badge.template.casefold() == external else badge
        for badge in found
    ]


async def reports(settings: Settings, wanted: Sequence[str]) -> AsyncIterator[Report]:
    """Compare organization by organization; all of the catalog where none is named.

    Raises `ConfigurationError` for an organization that the catalog does not have or whose key is missing,
    `FatalError` if the issuer does not answer.
    """
    async with site(settings) as here:
        document = (await here.catalog()).document
        organization_terms, templates = terms(document)
        http, clock = Http(), Clock()
        limits = limits_of(settings)
        ownership = Ownership(settings.earner_prefix, settings.adopted)
        organizations = Organizations(limits, http, clock, reach(settings), ownership)
        organizations.take(organization_terms, templates)
        try:
            for organization in chosen(organizations, wanted):
                own = [of for of in templates.values() if of.organization == organization.id]
                yield await _report(here, organization, own, ownership, clock, document)
        finally:
            await http.close()


async def _report(
    here: Site,
    organization: Organization,
    templates: Sequence[TemplateTerms],
    ownership: Ownership,
    clock: Clock,
    document: CatalogDocument,
) -> Report:
    own = {template.id for template in templates}
    before = await _table(here, own)
    asked = templates if organization.issuer.traits.finds else ()
    held = organization.issuer.traits.held
    issued = await all_listed(organization, asked, before, held, clock)
    after = await _table(here, own)
    # What the relay did meanwhile is no difference.
    first, second = (set(compare(table, issued, held, ownership)) for table in (before, after))
    lasts = {template.id: template.expires_after for template in templates}
    over = {badge for badge, issuance in after.items() if _is_over(issuance, lasts, clock.wall())}
    differences = {one for one in first & second if one.kind != "expired" or one.badge not in over}
    differences = differences if asked else set()
    named = {difference.badge for difference in differences}
    now = clock.wall()
    waiting = set(open_ends(before, document, now)) & set(open_ends(after, document, now))
    differences |= {difference for difference in waiting if difference.badge not in named}
    return Report(
        organization.id,
        sorted(differences, key=str),
        believed=sum(bool(i.held) and i.state not in TAKEN_BACK for i in after.values()),
        listed=sum(badge.state in held for badge in issued),
        pending=sum(not done(issuance) for issuance in after.values()),
        foreign=sum(badge.state in held and ownership.learner(badge.earner) is None for badge in issued),
        asked=organization.issuer.traits.finds,
    )


async def all_listed(
    organization: Organization,
    templates: Sequence[TemplateTerms],
    table: Mapping[str, Issuance],
    held: Collection[str],
    clock: Clock,
) -> Collection[IssuedBadge]:
    """The badges at the issuer. A badge that is missing may have changed its page while a list was read."""
    issued = [badge for template in templates for badge in await listed(organization, template, clock)]
    missing = {one.template for one in compare(table, issued, held) if one.kind == "missing"}
    again = [template for template in templates if template.id in missing]
    issued += [badge for template in again for badge in await listed(organization, template, clock)]
    return {badge.id: badge for badge in issued}.values()


def _is_over(issuance: Issuance, lasts: Mapping[str, Duration | None], now: datetime) -> bool:
    """True if a badge has expired by the catalog; what is told in days may do so a day before."""
    after = lasts[issuance.template]
    try:
        return after is not None and after.after(issuance.time) <= now + timedelta(days=1)
    except OverflowError:
        return False


def _places(issuance: Issuance, ownership: Ownership) -> Iterator[tuple[str, str]]:
    """The template and each earner id under which the issuer may list the badge."""
    return ((issuance.template, earner) for earner in ownership.earners(issuance.learner))


def _believed(
    badge: str, issuance: Issuance, seen: IssuedBadge | None, held: Collection[str]
) -> Iterator[Difference]:
    """What differs of a badge that the table believes to be held."""
    learner, issued = str(issuance.learner), issuance.held or ""
    if seen is None:
        yield Difference("missing", issuance.template, learner, badge, issued)
    elif seen.state in ("rejected", "expired"):
        kind: Kind = "rejected" if seen.state == "rejected" else "expired"
        yield Difference(kind, issuance.template, learner, badge, issued)
    elif seen.state not in held:
        yield Difference("revoked_by_hand", issuance.template, learner, badge, issued)


async def _table(here: Site, templates: Collection[str]) -> dict[str, Issuance]:
    rows = here.rows(here.topics.issuances.name)
    table = {badge.decode(): load(orjson.loads(raw)) async for badge, raw in rows if is_issuance(badge)}
    return {badge: issuance for badge, issuance in table.items() if issuance.template in templates}

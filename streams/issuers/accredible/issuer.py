"""Accredible as an issuer. Templates are groups, badges are credentials; the key is the account.

It knows no revocation: a credential that expires on the day of the decision is revoked, and awarded again it
is the same credential, which expires no longer (decision 0082).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from streams.issuers.accredible import answers, requests
from streams.issuers.http import Request
from streams.issuers.issuer import (
    ENDLESS,
    Award,
    Call,
    Cause,
    Issuer,
    Revocation,
    Steps,
    T,
    Traits,
    Wanted,
    no_address_or_name,
    no_line,
    paged,
)
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    Deferred,
    Dormant,
    Erased,
    EraseOutcome,
    Found,
    IssuedBadge,
    IssueOutcome,
    KeyOutcome,
    ListOutcome,
    LookUpOutcome,
    Missing,
    Page,
    Recipient,
    Refused,
    Revoked,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplatesOutcome,
    TemplateUnavailable,
    Trouble,
    Unsaid,
)

RATE = 6.0
"""Calls a second: 2,000 in five minutes are 6.7, and of these a tenth is left to people and `reconcile`."""
SETTLES = timedelta(seconds=1)
"""A choice, as at Credly; too soon, the group refuses the second credential."""
TRAITS = Traits(frozenset({answers.HELD}), SETTLES, searches=True, rate=RATE)


@dataclass(frozen=True, slots=True)
class Accredible(Issuer):
    """Accredible's web service."""

    hosts: frozenset[str] = frozenset(base.removeprefix("https://") for base in requests.BASES.values())
    traits: Traits = TRAITS

    def base_url(self, service: str, url: str | None) -> str:
        return requests.base_url(service, url)

    def no_key(self, text: str) -> str:
        return no_line(text)

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        return {"Authorization": requests.authorization(key)}

    def lacks(self, recipient: Recipient | None) -> str:
        return no_address_or_name(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        return Call[TemplateOutcome]("template", requests.group(template), answers.group).once()

    def templates(self, organization: str) -> Steps[TemplatesOutcome]:
        return paged("templates", requests.groups, answers.groups)

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        """Renew what is there under our id, and create what is not."""
        there = yield from _there(award.wanted)
        if isinstance(there, Found):
            return (yield from _renewed(award, there.badge))
        if not isinstance(there, Absent):
            return there
        create = Call[IssueOutcome]("issue", requests.create(award), answers.issued, changes=True)
        outcome = yield from create.once()
        if not isinstance(outcome, AlreadyIssued):
            return outcome
        # A credential that expired keeps its address from having another: it has to be that one.
        others = yield from _search(partial(requests.search_address, award.wanted))
        own = (
            [badge for badge in others if answers.proof(badge, award.wanted)]
            if isinstance(others, tuple)
            else []
        )
        if own and not any(badge.state == answers.HELD for badge in own):
            return Dormant(own[0].id)
        return outcome

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        wanted = revocation.wanted
        asked = requests.expire(wanted.badge, revocation.cause)
        call = Call[RevokeOutcome | Missing | Unsaid]("revoke", asked, answers.expired, changes=True)
        outcome = yield from call.once()
        if isinstance(outcome, Unsaid):
            shown = yield from _shown(wanted.badge)
            if isinstance(shown, Found) and shown.state == answers.HELD:
                return Deferred("a revoked credential has not expired", ambiguous=True)
            outcome = Revoked() if isinstance(shown, Found) else shown
        return (yield from _surely(wanted, Revoked())) if isinstance(outcome, Missing) else outcome

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        """A deletion is believed once Accredible does not know the credential any more."""
        asked = requests.erase(wanted.badge)
        outcome = yield from Call[EraseOutcome | Missing]("erase", asked, answers.erased).once()
        if isinstance(outcome, Erased):
            shown = yield from _shown(wanted.badge)
            if isinstance(shown, Found):
                return Deferred("the credential is still there", ambiguous=False)
            outcome = outcome if isinstance(shown, Refused) else shown
        return (yield from _surely(wanted, Erased())) if isinstance(outcome, Missing) else outcome

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        """By its id; else by ours, then by address, for what another service of the same site has issued."""
        if wanted.badge:
            shown = yield from _shown(wanted.badge)
            if isinstance(shown, Missing):
                return (yield from _surely(wanted, Absent()))
            return _held(shown) if isinstance(shown, Found) else shown
        outcome = yield from _find(partial(requests.search_own, wanted), wanted)
        if not isinstance(outcome, Absent) or not any(wanted.addresses):
            return outcome
        by_address = yield from _find(partial(requests.search_address, wanted), wanted)
        if isinstance(by_address, Absent):
            return Absent(max(outcome.unproven, by_address.unproven))
        return by_address

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        found = yield from _search(partial(requests.search_own, wanted))
        if not isinstance(found, tuple):
            return found
        for badge in found:
            if by := answers.proof(badge, wanted):
                return Found(badge.id, badge.state, by)
        return (yield from _surely(wanted, Absent(len(found))))

    def listing(self, organization: str, template: str) -> Steps[ListOutcome]:
        return _search_all(template)

    def key_works(self, organization: str, key: str) -> Steps[KeyOutcome]:
        return Call[KeyOutcome]("key", requests.account(), answers.key_works).once()


ACCREDIBLE = Accredible()

_Ask = Callable[[str], Request]
"""Asks for the page at a cursor; the first without one."""


def _there(wanted: Wanted) -> Steps[Found | Absent | Trouble]:
    """The learner's credential in whatever state, by its id or by ours."""
    if wanted.badge:
        shown = yield from _shown(wanted.badge)
        if not isinstance(shown, Missing):
            return shown
    found = yield from _search(partial(requests.search_own, wanted))
    if not isinstance(found, tuple):
        return found
    own = [badge for badge in found if answers.proof(badge, wanted)]
    # Of several, one that the learner holds: to renew another would give her two.
    own.sort(key=lambda badge: badge.state != answers.HELD)
    return Found(own[0].id, own[0].state) if own else Absent()


def _renewed(award: Award, badge: str) -> Steps[IssueOutcome]:
    """A credential renewed; what a renewal is answered with is not documented, so it may be asked for."""
    asked = requests.renew(award, badge)
    renew = Call[IssueOutcome | Unsaid]("issue", asked, answers.renewed, changes=True)
    outcome = yield from renew.once()
    if not isinstance(outcome, Unsaid):
        return outcome
    shown = yield from _shown(badge)
    if not isinstance(shown, Found):
        return Deferred("a renewed credential is not known", True) if isinstance(shown, Missing) else shown
    return answers.published(shown, ends=bool(award.expires_at))


def _find(ask: _Ask, wanted: Wanted) -> Steps[LookUpOutcome]:
    """Look for what the learner holds among what a search finds."""
    found = yield from _search(ask)
    if not isinstance(found, tuple):
        return found
    held = [badge for badge in found if badge.state == answers.HELD]
    for badge in held:
        if by := answers.proof(badge, wanted):
            return Found(badge.id, badge.state, by)
    return Absent(unproven=len(held))


def _held(found: Found) -> Found | Absent:
    return found if found.state == answers.HELD else Absent()


def _shown(badge: str) -> Steps[Found | Missing | Trouble]:
    read = partial(answers.shown, badge=badge)
    return Call[Found | Missing | Trouble]("look_up", requests.credential(badge), read).once()


def _search(ask: _Ask) -> Steps[tuple[IssuedBadge, ...] | Trouble]:
    """What a search about one learner finds; a page is many times what a group has of one."""
    return _pages("look_up", ask, least=requests.PAGE, most=requests.LOOK_UP_PAGES)


def _search_all(template: str) -> Steps[tuple[IssuedBadge, ...] | Trouble]:
    return _pages("list", partial(requests.listing, template), least=1, most=math.inf)


def _pages(word: str, ask: _Ask, *, least: int, most: float) -> Steps[tuple[IssuedBadge, ...] | Trouble]:
    """The credentials of page after page, each once; one of fewer than `least` is the last."""
    badges: dict[str, IssuedBadge] = {}
    cursor, pages = "", 0
    while True:
        outcome = yield from Call[Page[IssuedBadge] | Trouble](word, ask(cursor), answers.listed).once()
        if not isinstance(outcome, Page):
            return outcome
        known, pages = len(badges), pages + 1
        badges |= {badge.id: badge for badge in outcome.items}
        cursor = outcome.cursor
        if not cursor or len(outcome.items) < least:
            return tuple(badges.values())
        if len(badges) == known:
            return Deferred(ENDLESS, ambiguous=False)
        if pages >= most:
            return Refused(f"a search lists more than {most} pages")


def _surely(wanted: Wanted, none: T) -> Steps[T | TemplateUnavailable | Trouble]:
    """`none`, that there is no such credential, if Accredible was asked where its group is."""
    there = yield from Call[TemplateOutcome](
        "template", requests.group(wanted.template), answers.group
    ).once()
    return none if isinstance(there, TemplateActive) else there

"""Credly as an issuer. An organization's id is Credly's own, templates and badges are UUIDs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from streams.issuers.credly import answers, feed, requests
from streams.issuers.http import Request
from streams.issuers.issuer import (
    Award,
    Call,
    Cause,
    Issuer,
    Known,
    Revocation,
    Steps,
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
    Erased,
    EraseOutcome,
    FeedOutcome,
    Found,
    IssuedBadge,
    IssueOutcome,
    KeyExpiryOutcome,
    KeyOutcome,
    ListOutcome,
    LookUpOutcome,
    Missing,
    Page,
    Recipient,
    Refused,
    Revoked,
    RevokeOutcome,
    RotateOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplatesOutcome,
    TemplateUnavailable,
    Trouble,
    Unsupported,
)

T = TypeVar("T")

_Ask = Callable[[str, Wanted, int], Request]

# A choice, for Credly does not say how soon its lists follow; too soon, it refuses the second issue.
TRAITS = Traits(held=frozenset(requests.HELD), settles=timedelta(seconds=1), feeds=True)


@dataclass(frozen=True, slots=True)
class Credly(Issuer):
    """Credly's web service, version 1."""

    hosts: frozenset[str] = frozenset(
        base.removeprefix("https://") for base in (*requests.BASES.values(), *requests.SITES.values())
    )
    traits: Traits = TRAITS
    scope: str = requests.SCOPE

    def base_url(self, service: str, url: str | None) -> str:
        return requests.base_url(service, url)

    def grant_url(self, service: str, url: str | None) -> str:
        return requests.grant_url(service, url)

    def no_key(self, text: str) -> str:
        return no_line(text)

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        return {"Authorization": requests.authorization(key)}

    def page(self, organization: str, service: str, url: str | None, badge: str) -> str:
        return requests.page(service, url, badge)

    def lacks(self, recipient: Recipient | None) -> str:
        return no_address_or_name(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        asked = requests.template(organization, template)
        return Call[TemplateOutcome]("template", asked, answers.template).once()

    def templates(self, organization: str) -> Steps[TemplatesOutcome]:
        return paged("templates", partial(requests.templates, organization), answers.templates)

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        """What is refused in words that are not documented is looked at before it is believed."""
        if award.renews:
            return (yield from _replaced(organization, award))
        asked = requests.issue(organization, award)
        outcome = yield from Call[IssueOutcome]("issue", asked, answers.issued, changes=True).once()
        if not isinstance(outcome, Refused):
            return outcome
        template = yield from self.template(organization, award.wanted.template)
        if not isinstance(template, TemplateActive | Refused):
            return template
        found = yield from self.look_up(organization, replace(award.wanted, badge=""))
        if isinstance(found, Found):
            return AlreadyIssued(outcome.why)
        return outcome if isinstance(found, Absent | Refused) else found

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        """How Credly refuses to revoke what nobody holds is not documented: its state is asked for."""
        template, badge = revocation.wanted.template, revocation.wanted.badge
        asked = requests.revoke(organization, badge, notify=revocation.notify, reason=revocation.reason)
        outcome = yield from Call[RevokeOutcome | Missing](
            "revoke", asked, answers.revoked, changes=True
        ).once()
        if isinstance(outcome, Missing):
            return (yield from _surely(organization, template, Revoked()))
        if not isinstance(outcome, Refused):
            return outcome
        shown = yield from _shown(organization, badge)
        if isinstance(shown, Found):
            return outcome if shown.state in self.traits.held else Revoked()
        return outcome if isinstance(shown, Refused | Missing) else shown

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        """A deletion is believed once Credly does not know the badge any more."""
        template, badge = wanted.template, wanted.badge
        asked = requests.erase(organization, badge)
        outcome = yield from Call[EraseOutcome | Missing]("erase", asked, answers.erased).once()
        if isinstance(outcome, Erased):
            shown = yield from _shown(organization, badge)
            if isinstance(shown, Found):
                return Deferred("the badge is still there", ambiguous=False)
            outcome = outcome if isinstance(shown, Refused) else shown
        if isinstance(outcome, Missing):
            return (yield from _surely(organization, template, Erased()))
        return outcome

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        """By its id; else by earner, then by e-mail, for what another service of the same site has issued."""
        if wanted.badge:
            shown = yield from _shown(organization, wanted.badge)
            if isinstance(shown, Missing):
                return (yield from _surely(organization, wanted.template, Absent()))
            if isinstance(shown, Found):
                return shown if shown.state in self.traits.held else Absent()
            if not isinstance(shown, Refused):
                return shown
        outcome = yield from _find(organization, wanted, requests.look_up_earner)
        if not isinstance(outcome, Absent) or not requests.address(wanted):
            return outcome
        by_email = yield from _find(organization, wanted, requests.look_up_email)
        if isinstance(by_email, Absent):
            return Absent(max(outcome.unproven, by_email.unproven))
        return by_email

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        outcome = yield from _find(organization, wanted, requests.trace, states=())
        if isinstance(outcome, Absent):
            return (yield from _surely(organization, wanted.template, outcome))
        return outcome

    def listing(self, organization: str, template: str) -> Steps[ListOutcome]:
        return paged("list", partial(requests.listing, organization, template), answers.listed)

    def feed(self, organization: str, known: Known | None) -> Steps[FeedOutcome]:
        return feed.happened(organization, known)

    def key_works(self, organization: str, key: str) -> Steps[KeyOutcome]:
        """By the list of keys, which says their rights; where it is not shown, by the organization."""
        read = partial(answers.rights, key=key)
        outcome = yield from Call[KeyOutcome]("key", requests.tokens(organization), read).once()
        if not isinstance(outcome, Unsupported):
            return outcome
        asked = requests.organization(organization)
        return (yield from Call[KeyOutcome]("key", asked, answers.key_works).once())

    def rotate(self, organization: str, key: str) -> Steps[RotateOutcome]:
        asked = requests.rotation(organization)
        return Call[RotateOutcome]("rotate", asked, answers.rotated, changes=True).once()

    def key_expiry(self, organization: str, key: str) -> Steps[KeyExpiryOutcome]:
        read = partial(answers.key_expiry, key=key)
        return Call[KeyExpiryOutcome]("key_expiry", requests.tokens(organization), read).once()


CREDLY = Credly()


def _replaced(organization: str, award: Award) -> Steps[IssueOutcome]:
    """The badge replaced by one that lasts longer: a second one Credly refuses while the first is held."""
    asked = requests.replacement(organization, award)
    replace_it = Call[IssueOutcome]("replace", asked, answers.replaced, changes=True)
    outcome = yield from replace_it.once()
    if not isinstance(outcome, Refused):
        return outcome
    shown = yield from _shown(organization, award.wanted.badge)
    if isinstance(shown, Found) and shown.state in requests.HELD:
        return outcome
    if isinstance(shown, Found | Missing):
        # Somebody has taken it back meanwhile: a look-up will say so, and the badge is issued as a new one.
        return Deferred(outcome.why, ambiguous=True)
    return shown


def _shown(organization: str, badge: str) -> Steps[Found | Missing | Trouble]:
    read = partial(answers.shown, what=badge)
    return Call[Found | Missing | Trouble]("look_up", requests.badge(organization, badge), read).once()


def _surely(organization: str, template: str, none: T) -> Steps[T | TemplateUnavailable | Trouble]:
    """`none`, that there is no such badge, if Credly was asked where its template is, by a working key."""
    asked = requests.template(organization, template)
    read = partial(answers.shown, what=template)
    there = yield from Call[Found | Missing | Trouble]("template", asked, read).once()
    match there:
        case Found():
            return none
        case Missing(why):
            return TemplateUnavailable(why)
    return there


def _find(
    organization: str, wanted: Wanted, ask: _Ask, *, states: Sequence[str] = requests.HELD
) -> Steps[LookUpOutcome]:
    """Look through page after page until the badge is found."""
    page = 1
    before: tuple[IssuedBadge, ...] = ()
    while True:
        accept = partial(answers.found, wanted=wanted, page=page, states=states, before=before)
        asked = ask(organization, wanted, page)
        outcome = yield from Call[LookUpOutcome | Page[IssuedBadge]]("look_up", asked, accept).once()
        if not isinstance(outcome, Page):
            return outcome
        assert outcome.next is not None
        page, before = outcome.next, outcome.items

"""Credly as an issuer. An organization's id is Credly's own, templates and badges are UUIDs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from streams.issuers.credly import answers, requests
from streams.issuers.http import Request
from streams.issuers.issuer import Award, Call, Steps, Wanted
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    EraseOutcome,
    Found,
    IssuedBadge,
    IssueOutcome,
    KeyExpiryOutcome,
    LookUpOutcome,
    Page,
    Recipient,
    Refused,
    Revoked,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
    Trouble,
)

_Ask = Callable[[str, Wanted, int], Request]
_Read = Callable[..., LookUpOutcome | Page | None]


@dataclass(frozen=True, slots=True)
class Credly:
    """Credly's web service, version 1."""

    hosts: frozenset[str] = frozenset(base.removeprefix("https://") for base in requests.BASES.values())
    held: frozenset[str] = frozenset(requests.HELD)
    settles: timedelta = timedelta(seconds=1)
    """A choice, for Credly does not say how soon its lists follow; too soon, it refuses the second issue."""

    def base_url(self, environment: str, url: str | None) -> str:
        return requests.base_url(environment, url)

    def headers(self, key: str) -> Mapping[str, str]:
        return {"Authorization": requests.authorization(key)}

    def lacks(self, recipient: Recipient | None) -> str:
        return requests.lacks(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        asked = requests.template(organization, template)
        return Call[TemplateOutcome]("template", asked, answers.template).once()

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        """What is refused in words that are not documented is looked at before it is believed."""
        asked = requests.issue(organization, award)
        outcome = yield from Call[IssueOutcome]("issue", asked, answers.issued, changes=True).once()
        if not isinstance(outcome, Refused):
            return outcome
        template = yield from self.template(organization, award.template)
        if not isinstance(template, TemplateActive | Refused):
            return template
        wanted = Wanted(award.template, award.learner, award.recipient.email)
        found = yield from self.look_up(organization, wanted)
        if isinstance(found, Found):
            return AlreadyIssued(outcome.why)
        return outcome if isinstance(found, Absent | Refused) else found

    def revoke(self, organization: str, badge: str, *, notify: bool) -> Steps[RevokeOutcome]:
        """How Credly refuses to revoke what nobody holds is not documented: its state is asked for."""
        asked = requests.revoke(organization, badge, notify=notify)
        outcome = yield from Call[RevokeOutcome]("revoke", asked, answers.revoked, changes=True).once()
        if not isinstance(outcome, Refused):
            return outcome
        asked = requests.badge(organization, badge)
        shown = yield from Call[Found | Trouble]("look_up", asked, answers.shown).once()
        if isinstance(shown, Found):
            return outcome if shown.state in self.held else Revoked()
        return outcome if isinstance(shown, Refused) else shown

    def erase(self, organization: str, badge: str) -> Steps[EraseOutcome]:
        return Call[EraseOutcome]("erase", requests.erase(organization, badge), answers.erased).once()

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        """By earner; then by e-mail, for what another service of the same site has issued."""
        outcome = yield from _find(organization, wanted, requests.look_up_earner, answers.found_by_earner)
        if isinstance(outcome, Absent) and requests.can_be_asked_for(wanted.email):
            outcome = yield from _find(organization, wanted, requests.look_up_email, answers.found_by_email)
        return outcome

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        in_any_state = partial(answers.found_by_earner, states=())
        return _find(organization, wanted, requests.trace, in_any_state)

    def listing(self, organization: str, template: str) -> Steps[tuple[IssuedBadge, ...] | Trouble]:
        badges: list[IssuedBadge] = []
        page: int | None = 1
        while page is not None:
            asked = requests.listing(organization, template, page)
            outcome = yield from Call[Page | Trouble](
                "list", asked, partial(answers.listed, page=page)
            ).once()
            if not isinstance(outcome, Page):
                return outcome
            badges += outcome.badges
            page = outcome.next
        return tuple(badges)

    def key_expiry(self, organization: str, key: str) -> Steps[KeyExpiryOutcome]:
        read = partial(answers.key_expiry, key=key)
        return Call[KeyExpiryOutcome]("key_expiry", requests.tokens(organization), read).once()


CREDLY = Credly()


def _find(organization: str, wanted: Wanted, ask: _Ask, read: _Read) -> Steps[LookUpOutcome]:
    """Look through page after page until the badge is found."""
    page = 1
    before: tuple[IssuedBadge, ...] = ()
    while True:
        accept = partial(read, wanted=wanted, page=page, before=before)
        asked = ask(organization, wanted, page)
        outcome = yield from Call[LookUpOutcome | Page]("look_up", asked, accept).once()
        if not isinstance(outcome, Page):
            return outcome
        assert outcome.next is not None
        page, before = outcome.next, outcome.badges

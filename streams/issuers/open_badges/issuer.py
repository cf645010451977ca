"""Open Badges as an issuer: it has no web service, and needs no call."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from streams.issuers.http import Request
from streams.issuers.issuer import (
    About,
    Award,
    Cause,
    Desk,
    Issuer,
    Made,
    Revocation,
    Signed,
    SigningKey,
    Steps,
    Traits,
    Wanted,
    at_once,
    no_address,
)
from streams.issuers.open_badges import HELD, did, is_of
from streams.issuers.outcomes import (
    Absent,
    EraseOutcome,
    Found,
    IssueOutcome,
    LookUpOutcome,
    Recipient,
    Refused,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
)

TRAITS = Traits(held=frozenset({HELD}))
NO_CALLS = "it makes its badges itself"
MISSING = "Open Badges need more packages: install badge-streams[open-badges]"


@dataclass(frozen=True, slots=True)
class Signing:
    """Makes credentials. What signs is imported when it is needed: no other site has to have it."""

    def key(self, text: str) -> SigningKey:
        from streams.issuers.open_badges.keys import read_key

        return read_key(text)

    def issue(self, desk: Desk, award: Award, about: About) -> Signed[Made]:
        from streams.issuers.open_badges import making

        return making.issue(desk, award, about)

    def revoke(self, desk: Desk, revocation: Revocation) -> Signed[Made]:
        from streams.issuers.open_badges import making

        return making.revoke(desk, revocation.wanted.badge, revocation.cause.time)

    def erase(self, desk: Desk, wanted: Wanted, at: datetime) -> Signed[Made]:
        from streams.issuers.open_badges import making

        return making.erase(desk, wanted.badge, at)


@dataclass(frozen=True, slots=True)
class OpenBadges(Issuer):
    """Credentials that are signed here; the relay's table alone says what there is."""

    traits: Traits = TRAITS
    maker: Signing = field(default_factory=Signing)

    def base_url(self, service: str, url: str | None) -> str:
        return (url or "").rstrip("/")

    def no_key(self, text: str) -> str:
        try:
            from streams.issuers.open_badges.keys import no_key
        except ImportError:
            return MISSING
        return no_key(text)

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        return {}

    def page(self, organization: str, service: str, url: str | None, badge: str) -> str:
        # A badge of another issuer, from where the template has moved, is none of ours.
        return did.credential_url(url, badge) if url and is_of(organization, badge) else ""

    def lacks(self, recipient: Recipient | None) -> str:
        """The address: by its hash the learner shows whose badge it is."""
        return no_address(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        return at_once(TemplateActive(allows_duplicates=False))

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        return at_once(Refused(NO_CALLS))

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        return at_once(Refused(NO_CALLS))

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        return at_once(Refused(NO_CALLS))

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        return at_once(Found(wanted.badge, HELD) if is_of(organization, wanted.badge) else Absent())

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        return at_once(Absent())


OPEN_BADGES = OpenBadges()

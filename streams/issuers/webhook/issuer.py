"""A webhook as an issuer: every badge that is awarded, revoked or forgotten is a signed message.

A receiver cannot be asked what it holds. It takes each message by its id once, however often it comes
(decision 0081).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from streams.issuers.http import Request
from streams.issuers.issuer import (
    Award,
    Call,
    Cause,
    Known,
    Revocation,
    Steps,
    Traits,
    Wanted,
    at_once,
    no_address,
)
from streams.issuers.outcomes import (
    EraseOutcome,
    FeedOutcome,
    IssueOutcome,
    KeyExpiryOutcome,
    KeyOutcome,
    ListOutcome,
    LookUpOutcome,
    Recipient,
    Refused,
    RevokeOutcome,
    RotateOutcome,
    TemplateActive,
    TemplateOutcome,
    TemplatesOutcome,
    Unsupported,
)
from streams.issuers.webhook import answers, messages
from streams.issuers.webhook.signing import no_secrets, signed

TRAITS = Traits(held=frozenset({answers.HELD}), finds=False)
CANNOT = "a webhook cannot be asked what it holds"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Any service that takes Standard Webhooks."""

    hosts: frozenset[str] = frozenset()
    traits: Traits = TRAITS
    scope: str = ""
    maker: None = None

    def base_url(self, service: str, url: str | None) -> str:
        return url or ""

    def grant_url(self, service: str, url: str | None) -> str:
        return ""

    def no_key(self, text: str) -> str:
        return no_secrets(text)

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        return signed(key, request.key, request.body or b"", now)

    def page(self, organization: str, service: str, url: str | None, badge: str) -> str:
        return ""

    def lacks(self, recipient: Recipient | None) -> str:
        """The address: most receivers could do nothing, and be told nothing more, without one."""
        return no_address(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        return at_once(TemplateActive(allows_duplicates=False))

    def templates(self, organization: str) -> Steps[TemplatesOutcome]:
        return at_once(Unsupported(CANNOT))

    def issue(self, organization: str, award: Award) -> Steps[IssueOutcome]:
        read = partial(answers.issued, own=award.wanted.own)
        return Call[IssueOutcome]("issue", messages.awarded(award), read, changes=True).once()

    def revoke(self, organization: str, revocation: Revocation) -> Steps[RevokeOutcome]:
        asked = messages.revoked(revocation)
        return Call[RevokeOutcome]("revoke", asked, answers.revoked, changes=True).once()

    def erase(self, organization: str, wanted: Wanted, cause: Cause) -> Steps[EraseOutcome]:
        return Call[EraseOutcome]("erase", messages.forgotten(wanted, cause), answers.erased).once()

    def look_up(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        return at_once(Refused(CANNOT))

    def trace(self, organization: str, wanted: Wanted) -> Steps[LookUpOutcome]:
        return at_once(Refused(CANNOT))

    def listing(self, organization: str, template: str) -> Steps[ListOutcome]:
        return at_once(Unsupported(CANNOT))

    def feed(self, organization: str, known: Known | None) -> Steps[FeedOutcome]:
        return at_once(Unsupported(CANNOT))

    def key_works(self, organization: str, key: str) -> Steps[KeyOutcome]:
        return at_once(Unsupported(CANNOT))

    def rotate(self, organization: str, key: str) -> Steps[RotateOutcome]:
        return at_once(Unsupported("its secret is not replaced by messages"))

    def key_expiry(self, organization: str, key: str) -> Steps[KeyExpiryOutcome]:
        return at_once(Unsupported("a secret does not expire"))


WEBHOOK = Webhook()

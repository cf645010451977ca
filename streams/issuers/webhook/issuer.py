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
    Issuer,
    Revocation,
    Steps,
    Traits,
    Wanted,
    at_once,
    no_address,
)
from streams.issuers.outcomes import (
    EraseOutcome,
    IssueOutcome,
    LookUpOutcome,
    Recipient,
    Refused,
    RevokeOutcome,
    TemplateActive,
    TemplateOutcome,
)
from streams.issuers.webhook import answers, messages
from streams.issuers.webhook.signing import no_secrets, signed

TRAITS = Traits(held=frozenset({answers.HELD}), finds=False)
CANNOT = "a webhook cannot be asked what it holds"


@dataclass(frozen=True, slots=True)
class Webhook(Issuer):
    """Any service that takes Standard Webhooks."""

    traits: Traits = TRAITS

    def base_url(self, service: str, url: str | None) -> str:
        return url or ""

    def no_key(self, text: str) -> str:
        return no_secrets(text)

    def headers(self, key: str, request: Request, now: datetime) -> Mapping[str, str]:
        return signed(key, request.key, request.body or b"", now)

    def lacks(self, recipient: Recipient | None) -> str:
        """The address: most receivers could do nothing, and be told nothing more, without one."""
        return no_address(recipient)

    def template(self, organization: str, template: str) -> Steps[TemplateOutcome]:
        return at_once(TemplateActive(allows_duplicates=False))

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


WEBHOOK = Webhook()

"""What an issuer's answer comes to: values that name no issuer."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    """The learner as the bus knows them."""

    username: str = field(repr=False)
    email: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedBadge:
    """A badge as the issuer lists it; `template` and `earner` may be empty."""

    id: str
    state: str
    template: str
    earner: str
    email: str = field(repr=False)
    issued_at: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """Accepted: the issuer holds the badge."""

    badge: str
    state: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """Accepted: the issuer no longer holds the badge, or never did."""


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up's answer: this badge is there."""

    badge: str
    state: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up's answer: there is none."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Accepted: the issuer has deleted the badge, or never had it."""


@dataclass(frozen=True, slots=True)
class TemplateActive:
    """Badges of the template can be issued."""

    allows_duplicates: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next` is the number of the following one."""

    badges: tuple[IssuedBadge, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class KeyExpiry:
    """When the key expires, if the issuer says."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The issuer does not do this, or not with this key: that says nothing of the key's other uses."""

    why: str


@dataclass(frozen=True, slots=True)
class AlreadyIssued:
    """The issuer refuses a second badge of the template to the same earner."""

    why: str


@dataclass(frozen=True, slots=True)
class TemplateUnavailable:
    """The template is archived or missing: this concerns all of its badges."""

    why: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The issuer does not accept the organization's key, or not for this."""

    why: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many calls; `wait` is how many seconds the issuer asks for."""

    why: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class Deferred:
    """Trouble that passes; `ambiguous` if the issuer may have done what it was asked for."""

    why: str
    ambiguous: bool
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The issuer will never do this; `why` is in its own words."""

    why: str


Trouble = KeyRefused | Throttled | Deferred | Refused
IssueOutcome = Issued | AlreadyIssued | TemplateUnavailable | Trouble
RevokeOutcome = Revoked | Trouble
EraseOutcome = Erased | Trouble
LookUpOutcome = Found | Absent | TemplateUnavailable | Trouble
TemplateOutcome = TemplateActive | TemplateUnavailable | Trouble
KeyExpiryOutcome = KeyExpiry | Unsupported | Trouble
Outcome = (
    IssueOutcome | RevokeOutcome | EraseOutcome | LookUpOutcome | TemplateOutcome | KeyExpiryOutcome | Page
)

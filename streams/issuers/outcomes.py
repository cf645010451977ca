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
    """A badge as Credly shows it."""

    id: str
    state: str
    template: str
    earner: str
    email: str = field(repr=False)
    issued_at: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """Accepted: Credly holds the badge."""

    badge: str
    state: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """Accepted: Credly holds the badge no longer, or never did."""


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
    """Accepted: Credly knows nothing of the badge any more."""


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
    """When the key expires, if Credly tells."""

    at: datetime | None


@dataclass(frozen=True, slots=True)
class AlreadyIssued:
    """Credly refuses a second badge of the template to the same earner."""

    why: str


@dataclass(frozen=True, slots=True)
class TemplateUnavailable:
    """The template is archived or missing: this concerns all of its badges."""

    why: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """Credly takes the organization's key no longer, or not for this."""

    why: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many calls; `wait` is how many seconds Credly asks for."""

    why: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class Deferred:
    """Trouble that passes; `ambiguous` where Credly may have done what it was asked for."""

    why: str
    ambiguous: bool
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Credly will never do this; `why` is in its own words."""

    why: str


Trouble = KeyRefused | Throttled | Deferred | Refused
IssueOutcome = Issued | AlreadyIssued | TemplateUnavailable | Trouble
RevokeOutcome = Revoked | Trouble
EraseOutcome = Erased | Trouble
LookUpOutcome = Found | Absent | TemplateUnavailable | Trouble
TemplateOutcome = TemplateActive | TemplateUnavailable | Trouble
Outcome = IssueOutcome | RevokeOutcome | EraseOutcome | LookUpOutcome | TemplateOutcome | Page | KeyExpiry

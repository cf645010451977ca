"""What an issuer's answer comes to: values that name no issuer.

The `word` of an outcome is its label in the metric of calls: whoever renames a class leaves it as it is.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, Literal, TypeVar

Proof = Literal["site", "earner", "address"]
Event = Literal["created", "deleted", "state_changed", "privacy_changed", "template", "other", "unreadable"]
"""What kind of thing happened: to a badge, or to its template."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The learner as the bus knows them."""

    username: str = field(repr=False)
    email: str = field(repr=False)
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedBadge:
    """A badge as the issuer lists it; `template` and `earner` may be empty, `addresses` are in lower case.

    `own` is our id of it, where the issuer knows one.
    """

    id: str
    state: str
    template: str
    earner: str
    addresses: frozenset[str] = field(repr=False)
    issued_at: str = ""
    own: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """Accepted: the issuer holds the badge."""

    word: ClassVar[str] = "issued"

    badge: str
    state: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """Accepted: the issuer no longer holds the badge, or never did."""

    word: ClassVar[str] = "revoked"


@dataclass(frozen=True, slots=True)
class Found:
    """A look-up's answer: this badge is there. `by` says what shows that it is the learner's.

    ========== ===========================================================================
    `site`      an earner id that is this site's alone, or the id of a badge that was asked for
    `earner`    the learner's earner id, which another site may use, and their address
    `address`   their address alone
    ========== ===========================================================================
    """

    word: ClassVar[str] = "found"

    badge: str
    state: str
    by: Proof = "site"


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up's answer: there is none. `unproven` counts those of which nothing shows whose they are."""

    word: ClassVar[str] = "absent"

    unproven: int = 0


@dataclass(frozen=True, slots=True)
class Missing:
    """The issuer itself says that it does not know what was asked for. It may be the wrong place to ask."""

    word: ClassVar[str] = "missing"

    why: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Accepted, without a word of what it came to: it has to be asked for."""

    word: ClassVar[str] = "unsaid"


@dataclass(frozen=True, slots=True)
class Erased:
    """Accepted: the issuer has deleted the badge, or never had it.

    `wholly`: it was told to forget the learner's badge whatever its ids, and nothing is left to look for.
    """

    word: ClassVar[str] = "erased"

    wholly: bool = False


@dataclass(frozen=True, slots=True)
class TemplateActive:
    """Badges of the template can be issued."""

    word: ClassVar[str] = "template_active"

    allows_duplicates: bool


@dataclass(frozen=True, slots=True)
class IssuerTemplate:
    """A template as its issuer describes it; what it does not say is empty."""

    id: str
    name: str
    description: str
    image_url: str
    active: bool


Listed = TypeVar("Listed", IssuedBadge, IssuerTemplate)


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    """One page of a list; the following one is known by its number, `next`, or by a `cursor`."""

    word: ClassVar[str] = "page"

    items: tuple[Listed, ...]
    next: int | None
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What happened at the issuer to a badge or a template, by the issuer's ids.

    What it does not say is empty. `state` is the badge's since then, where that may have changed; `at` is
    None if its time cannot be read.
    """

    id: str
    event: Event
    at: datetime | None
    badge: str = ""
    state: str = ""
    template: str = ""
    earner: str = ""

    @property
    def lacks(self) -> bool:
        """True if it does not say of what it is."""
        if self.event in ("state_changed", "deleted"):
            return not (self.badge and self.state)
        return self.event == "template" and not self.template


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of what happened; `next` is the number of the following one, `last` of the last, if known."""

    word: ClassVar[str] = "feed"

    occurrences: tuple[Occurrence, ...]
    next: int | None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """What was not known before, the oldest first. `joins`: nothing is missing between it and what was."""

    occurrences: tuple[Occurrence, ...]
    joins: bool


@dataclass(frozen=True, slots=True)
class KeyExpiry:
    """When the key expires, if the issuer says."""

    word: ClassVar[str] = "key_expiry"

    at: datetime | None


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The issuer does not do this, or not with this key: that says nothing of the key's other uses."""

    word: ClassVar[str] = "unsupported"

    why: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The issuer has made the badge and does not publish it: the account has nothing left to pay for it."""

    word: ClassVar[str] = "withheld"

    badge: str
    why: str


@dataclass(frozen=True, slots=True)
class AlreadyIssued:
    """The issuer refuses a second badge of the template to the same earner."""

    word: ClassVar[str] = "already_issued"

    why: str


@dataclass(frozen=True, slots=True)
class Dormant:
    """The issuer has a badge of the learner's that nobody holds; awarded again it is to be this one."""

    word: ClassVar[str] = "dormant"

    badge: str


@dataclass(frozen=True, slots=True)
class TemplateUnavailable:
    """The template is archived or missing: this concerns all of its badges."""

    word: ClassVar[str] = "template_unavailable"

    why: str


@dataclass(frozen=True, slots=True)
class KeyRefused:
    """The issuer does not accept the organization's key, or not for this."""

    word: ClassVar[str] = "key_refused"

    why: str


@dataclass(frozen=True, slots=True)
class KeyWorks:
    """The issuer accepts the organization's key."""

    word: ClassVar[str] = "key_works"


@dataclass(frozen=True, slots=True)
class Rotated:
    """The issuer has replaced the organization's key by this one."""

    word: ClassVar[str] = "rotated"

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Granted:
    """A token that calls are made with for some seconds, in exchange for the organization's key."""

    word: ClassVar[str] = "granted"

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The call is not let through: by the issuer, for its key, or by a proxy, for what is in it."""

    word: ClassVar[str] = "forbidden"

    why: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many calls; `wait` is how many seconds the issuer asks for."""

    word: ClassVar[str] = "throttled"

    why: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class Deferred:
    """Trouble that passes; `ambiguous` if the issuer may have done what it was asked for."""

    word: ClassVar[str] = "deferred"

    why: str
    ambiguous: bool
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The issuer will never do this; `why` is in its own words."""

    word: ClassVar[str] = "refused"

    why: str


TAKEN_BACK = frozenset(("rejected", "revoked", "expired", "deleted"))
"""The states, in an occurrence, of a badge that its learner does not have any more."""
DONE = Issued | Revoked | Erased | Found | Absent
"""What was asked for is done, or answered."""
Trouble = KeyRefused | Forbidden | Throttled | Deferred | Refused
IssueOutcome = Issued | Withheld | AlreadyIssued | Dormant | TemplateUnavailable | Trouble
RevokeOutcome = Revoked | TemplateUnavailable | Trouble
EraseOutcome = Erased | TemplateUnavailable | Trouble
LookUpOutcome = Found | Absent | TemplateUnavailable | Trouble
TemplateOutcome = TemplateActive | TemplateUnavailable | Trouble
ListOutcome = tuple[IssuedBadge, ...] | Unsupported | Trouble
TemplatesOutcome = tuple[IssuerTemplate, ...] | Unsupported | Trouble
FeedOutcome = Happened | Unsupported | Trouble
RotateOutcome = Rotated | Unsupported | Trouble
KeyOutcome = KeyWorks | Unsupported | Trouble
GrantOutcome = Granted | Trouble
KeyExpiryOutcome = KeyExpiry | Unsupported | Trouble
Outcome = (
    IssueOutcome
    | RevokeOutcome
    | EraseOutcome
    | LookUpOutcome
    | TemplateOutcome
    | GrantOutcome
    | KeyExpiryOutcome
    | KeyOutcome
    | Page[Any]
    | FeedPage
    | RotateOutcome
    | Unsaid
    | Missing
)

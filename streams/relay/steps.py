"""The steps by which an issuer comes to hold what is desired of a badge."""

from dataclasses import dataclass, field
from datetime import datetime

from streams.issuers.outcomes import Recipient


@dataclass(frozen=True, slots=True)
class Issue:
    """Have the badge issued."""

    recipient: Recipient
    time: datetime


@dataclass(frozen=True, slots=True)
class Revoke:
    """Have the badge revoked; without a `reason` by an operator, because it is no longer earned."""

    badge: str
    reason: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the issuer what it holds: of the badge itself if its id is known, else of the learner's badges.

    `addresses` are those that may show that a badge is the learner's.
    """

    addresses: tuple[str, ...] = field(default=(), repr=False)
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """Ask the issuer whether it still knows of the badge, in whatever state."""

    addresses: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Erase:
    """Have the badge deleted."""

    badge: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave an adopted badge as it is: it is not for the relay to revoke or to delete."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for this long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lack:
    """Nothing can be sent until more is known of the learner."""

    why: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The issuer holds what is desired, or has refused it."""


Called = Issue | Revoke | LookUp | Trace | Erase
Step = Called | Keep | Wait | Lack | Nothing

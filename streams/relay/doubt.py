"""A doubt about what an issuer holds, and from when on a look-up answers it (decision 0060)."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from streams.issuers.http import CALL_SECONDS, LONG_AGO
from streams.relay.steps import Wait

Reason = Literal["issue", "revoke", "duplicate", "unseen", "more"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Since `at` it is not known what the issuer holds: no result of an intent, or an answer against it.

    `address` is the one to which the badge was to be issued: the bus's next word may name another.
    """

    about: Reason
    at: datetime
    address: str = field(default="", repr=False)

    @property
    def of_call(self) -> bool:
        """True if it is about a call that may still arrive."""
        return self.about in ("issue", "revoke")


@dataclass(frozen=True, slots=True)
class Trust:
    """How soon a look-up is believed: an issuer may show what it has done by `lag` later.

    `since` is when this worker took the badge's partition: the former owner may have made its last call as
    late as that, however long it took to save the intent.
    """

    lag: timedelta = timedelta(seconds=30)
    since: datetime = LONG_AGO

    @property
    def surely(self) -> timedelta:
        """How long after a call it has arrived and shows, if it ever does."""
        return timedelta(seconds=CALL_SECONDS) + self.lag

    def owned(self, doubt: Doubt) -> Doubt:
        """The doubt as of when its call may have begun."""
        return replace(doubt, at=max(doubt.at, self.since)) if doubt.of_call else doubt


USUAL = Trust()
"""With the default lag, whoever had the partition before."""


def left(doubt: Doubt, now: datetime, settles: timedelta) -> float:
    """Seconds until a doubt has settled, at most all of them: another machine's clock may be wrong."""
    return max(0.0, min(settles, doubt.at + settles - now).total_seconds())


def arrives(doubt: Doubt | None, now: datetime, trust: Trust, settles: timedelta) -> Wait | None:
    """How long to wait for a call that may be on its way; None if there is none."""
    return waits(left(trust.owned(doubt), now, settles)) if doubt and doubt.of_call else None


def waits(seconds: float) -> Wait | None:
    """The step of waiting, if there is something to wait for."""
    return Wait(seconds) if seconds > 0 else None


def contrary(doubt: Doubt, kind: str) -> bool:
    """True if the doubtful call would undo what is desired: `awarded` or `revoked`."""
    return doubt.about == ("revoke" if kind == "awarded" else "issue")

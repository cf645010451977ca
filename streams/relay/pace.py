"""How fast an organization may be called, and when not at all. Pure: time, key and jitter are arguments.

A `Pace` changes by `begin` and `end` around each call, by `learn` from what the call came to, and by `renew`.
Times are monotonic seconds.

While calls are held back, one call at a time tries whether the trouble is over:

    free ── the key is refused ──▶ held for the key
    free ── five failures in a row ──▶ held for failures
    held ── the key is refused ──▶ held for the key
    held ── the trial fails otherwise ──▶ held for failures
    held for the key ── the trial is answered ──▶ free
    held for failures ── any call is answered ──▶ free
"""

import math
from dataclasses import dataclass, field, replace
from datetime import timedelta

from streams.clock import Patience
from streams.issuers import outcomes
from streams.issuers.outcomes import Outcome

FAILURES_TO_OPEN = 5
"""One lost call is an accident; so many in a row, with none answered in between, are an outage."""

KEY_LOOK_SECONDS = 1.0
"""How soon a new key in the file is noticed; to look costs one `stat`."""

BURST_SECONDS = 0.05
"""A call that begins late by at most this does not put off the next ones: delays of the event loop do not
lower the rate."""

SLOWEST_SHARE = 0.05
"""However often the issuer throttles, this share of the configured rate stays: at 5 calls a second one in 4
seconds, soon enough to notice that the issuer accepts more again."""

RECOVERY_SHARE = 0.02
"""What each answered call adds to a lowered rate, as a share of the configured one: after 25 answers a halved
rate is whole again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the workers together allow themselves for each organization, or one of them by its `share`.

    Credly publishes no limits: the numbers of calls are a careful guess, which the settings replace.
    """

    in_flight: int = 2
    rate: float = 5.0
    # Of the rate: what commands have, or what they leave to the workers.
    part: float = 1.0
    # An outage of seconds costs seconds; a longer one a call a minute, and at most a minute after its end.
    breaker: Patience = Patience(1.0, 60.0)
    # For an issuer that does not say how long to wait.
    throttled: Patience = Patience(1.0, 60.0)
    # A refused key is mended by a person. Some issuers lock an account that goes on trying: begin slower.
    key: Patience = Patience(4.0, 60.0)
    # A template is made active again by a person, too, and one call tries for all of its badges.
    template: Patience = Patience(30.0, 300.0)
    # Lists that follow after ten seconds were seen; to wait longer costs time after a lost answer only.
    lag: timedelta = timedelta(seconds=30)
    # A badge that fails while others succeed: longer than a night in which the issuer fails now and then.
    give_up: timedelta = timedelta(hours=24)

    def share(self, share: float, most: float) -> "Limits":
        """What one worker may do that has this share of the badges; `most` is the issuer's own limit."""
        in_flight = max(1, int(self.in_flight * share))
        return replace(self, rate=min(self.rate, most) * self.part * share, in_flight=in_flight)


@dataclass(frozen=True, slots=True)
class Hold:
    """No calls before `until`; then one call tries whether the trouble is over.

    `key` is the one that does not work (empty if there is none), or None if the trouble is not the key.
    `failures` counts the trials that failed, and what began it.
    """

    why: str
    until: float
    failures: int
    key: str | None = field(default=None, repr=False)

    @property
    def for_key(self) -> bool:
        """True if another key would end it."""
        return self.key is not None


@dataclass(frozen=True, slots=True)
class Pace:
    """An organization's calls at present.

    The rate allows the next call at `next_at`; `throttled` times in a row the issuer asked for quiet, last
    until `quiet_until`. `failures` counts failed calls since the last that was answered. `trial`: the one
    call of a hold is in flight.
    """

    rate: float
    next_at: float = -math.inf
    quiet_until: float = -math.inf
    throttled: int = 0
    failures: int = 0
    hold: Hold | None = None
    in_flight: int = 0
    trial: bool = False


def delay(pace: Pace, limits: Limits, key: str, now: float) -> float:
    """Seconds until the next call may begin, or until to ask again; infinite if a call must end first."""
    if pace.trial or pace.in_flight >= limits.in_flight:
        return math.inf
    if not key:
        return KEY_LOOK_SECONDS
    hold = pace.hold
    if hold is None or (hold.for_key and hold.key != key):
        return max(0.0, pace.next_at - now, pace.quiet_until - now)
    left = max(0.0, hold.until - now)
    return min(left, KEY_LOOK_SECONDS) if hold.for_key else left


def begin(pace: Pace, now: float) -> Pace:
    """Begin a call; it is a trial if calls are held back. Only once `delay` is 0."""
    return replace(
        pace,
        in_flight=pace.in_flight + 1,
        trial=pace.hold is not None,
        next_at=max(pace.next_at, now - BURST_SECONDS) + 1 / pace.rate,
    )


def end(pace: Pace, *, trial: bool) -> Pace:
    """End a call, whatever it came to."""
    return replace(pace, in_flight=pace.in_flight - 1, trial=pace.trial and not trial)


def renew(pace: Pace, limits: Limits) -> Pace:
    """Begin again for another account or key: nothing that was learned counts, but calls in flight do."""
    return Pace(limits.rate, next_at=pace.next_at, in_flight=pace.in_flight, trial=pace.trial)


def scale(pace: Pace, before: Limits, after: Limits) -> Pace:
    """Go on with other limits; what was learned counts in proportion."""
    return replace(pace, rate=pace.rate * after.rate / before.rate)


def learn(
    pace: Pace, limits: Limits, outcome: Outcome, *, trial: bool, key: str, now: float, draw: float
) -> Pace:
    """Learn from what a call with this key came to; `draw`, between 0 and 1, is the jitter of its wait."""
    match outcome:
        case outcomes.KeyRefused(why):
            return _refused(pace, limits, why, key, now, draw)
        case outcomes.Forbidden(why) if trial and pace.hold and pace.hold.for_key:
            return _refused(pace, limits, why, key, now, draw)
        case outcomes.Forbidden():
            # An answer, which says nothing of whether the key works.
            return _answered(pace, trial=False)
        case outcomes.Throttled(_, wait):
            return _throttled(_answered(pace, trial=trial), limits, wait, now, draw)
        case outcomes.Deferred(why, _, wait):
            return _failed(pace, limits, why, wait, now, draw, trial=trial)
        case outcomes.Unsupported():
            # It says nothing of whether the issuer and the key work otherwise.
            return pace
        case _:
            rate = min(limits.rate, pace.rate + limits.rate * RECOVERY_SHARE)
            return replace(_answered(pace, trial=trial), throttled=0, rate=rate)


def _answered(pace: Pace, *, trial: bool) -> Pace:
    """Any answer ends an outage. Only the trial's shows that the key works: it may be another by now."""
    over = pace.hold is None or trial or not pace.hold.for_key
    return replace(pace, failures=0, hold=None if over else pace.hold)


def _refused(pace: Pace, limits: Limits, why: str, key: str, now: float, draw: float) -> Pace:
    hold = pace.hold
    failures = hold.failures + 1 if hold and hold.for_key else 1
    return replace(pace, hold=Hold(why, now + limits.key.seconds(failures, draw), failures, key))


def _throttled(pace: Pace, limits: Limits, wait: float | None, now: float, draw: float) -> Pace:
    if now >= pace.quiet_until:
        # Calls that were in flight together are throttled together, which counts once.
        slower = max(limits.rate * SLOWEST_SHARE, pace.rate / 2)
        pace = replace(pace, throttled=pace.throttled + 1, rate=slower)
    if wait is None:
        wait = limits.throttled.seconds(pace.throttled, draw)
    return replace(pace, quiet_until=max(pace.quiet_until, now + wait))


def _failed(
    pace: Pace, limits: Limits, why: str, wait: float | None, now: float, draw: float, *, trial: bool
) -> Pace:
    pace = replace(pace, failures=pace.failures + 1)
    hold = pace.hold
    if hold is not None and not trial:
        # It was in flight as the hold began, and says nothing new.
        return pace
    if hold is None and pace.failures < FAILURES_TO_OPEN:
        return pace
    failures = hold.failures + 1 if hold else 1
    seconds = max(wait or 0.0, limits.breaker.seconds(failures, draw))
    return replace(pace, hold=Hold(why, now + seconds, failures))

"""An organization's pace: whatever its issuer answers, and whenever."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Calls
from hypothesis.stateful import RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from streams.clock import Patience
from streams.issuers.outcomes import (
    Absent,
    Deferred,
    Issued,
    KeyRefused,
    Outcome,
    Refused,
    TemplateUnavailable,
    Throttled,
    Unsupported,
)
from streams.relay.pace import (
    BURST_SECONDS,
    FAILURES_TO_OPEN,
    KEY_LOOK_SECONDS,
    RECOVERY_SHARE,
    SLOWEST_SHARE,
    Limits,
    Pace,
    begin,
    delay,
    end,
    learn,
    renew,
)

LIMITS = Limits(in_flight=2, rate=5.0)
KEY = "key"
AWAY = Deferred("503", ambiguous=True)
REFUSED_KEY = KeyRefused("401")
ISSUED = Issued("b-1", "pending")

waits = st.none() | st.floats(0, 3_600)
draws = st.floats(0, 1)
answers = st.sampled_from([ISSUED, Absent(), Refused("422"), TemplateUnavailable("404")])
troubles = st.just(REFUSED_KEY) | st.builds(Deferred, st.just("503"), st.booleans(), waits)
outcomes = answers | troubles | st.just(Unsupported("403")) | st.builds(Throttled, st.just("429"), waits)
limits = st.builds(
    Limits,
    in_flight=st.integers(1, 8),
    rate=st.floats(0.01, 1_000),
    breaker=st.builds(Patience, st.floats(0.1, 5), st.floats(5, 120)),
    throttled=st.builds(Patience, st.floats(0.1, 5), st.floats(5, 120)),
    key=st.builds(Patience, st.floats(0.1, 5), st.floats(5, 120)),
)


def after(
    outcomes: Iterable[Outcome],
    pace: Pace | None = None,
    *,
    limits: Limits = LIMITS,
    trial: bool = False,
    key: str = KEY,
    now: float = 0.0,
    draw: float = 1.0,
) -> Pace:
    """The pace after these outcomes at one time."""
    pace = pace or Pace(limits.rate)
    for outcome in outcomes:
        pace = learn(pace, limits, outcome, trial=trial, key=key, now=now, draw=draw)
    return pace


@dataclass(frozen=True)
class Call:
    trial: bool
    key: str


class AnyIssuer(RuleBasedStateMachine):
    """Calls begin as soon as they may or later, and end in any order, whatever they come to."""

    calls: Calls[Call] = Calls("calls")

    @initialize(limits=limits)
    def start(self, limits: Limits) -> None:
        self.limits = limits
        self.pace = Pace(limits.rate)
        self.now = 0.0
        self.keys = (f"key-{n}" for n in itertools.count())
        self.key = next(self.keys)
        self.in_flight: list[Call] = []

    @rule(seconds=st.floats(0, 600))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def the_time_comes(self) -> None:
        seconds = self.delay()
        if seconds < math.inf:
            self.now += seconds

    @rule()
    def the_key_is_replaced(self) -> None:
        self.key = next(self.keys)

    @precondition(lambda self: self.delay() == 0)
    @rule(target=calls)
    def a_call_begins(self) -> Call:
        held = self.pace.hold is not None
        self.pace = begin(self.pace, self.now)
        assert self.pace.trial == held
        call = Call(self.pace.trial, self.key)
        self.in_flight.append(call)
        return call

    @rule(call=consumes(calls), outcome=outcomes, draw=draws)
    def a_call_ends(self, call: Call, outcome: Outcome, draw: float) -> None:
        self.in_flight.remove(call)
        self.pace = end(self.pace, trial=call.trial)
        self.pace = learn(
            self.pace, self.limits, outcome, trial=call.trial, key=call.key, now=self.now, draw=draw
        )

    @rule(call=consumes(calls))
    def a_call_is_given_up(self, call: Call) -> None:
        self.in_flight.remove(call)
        self.pace = end(self.pace, trial=call.trial)

    @rule()
    def the_account_changes(self) -> None:
        self.pace = renew(self.pace, self.limits)

    @invariant()
    def the_rate_stays_within_its_share(self) -> None:
        assert SLOWEST_SHARE * self.limits.rate <= self.pace.rate <= self.limits.rate

    @invariant()
    def no_more_calls_are_in_flight_than_are_allowed(self) -> None:
        assert self.pace.in_flight == len(self.in_flight) <= self.limits.in_flight

    @invariant()
    def there_is_one_trial_at_a_time(self) -> None:
        assert sum(call.trial for call in self.in_flight) == self.pace.trial
        assert not (self.pace.trial and self.delay() < math.inf)

    @invariant()
    def the_delay_is_never_negative_and_endless_only_for_a_call_in_flight(self) -> None:
        assert self.delay() >= 0
        assert self.in_flight or self.delay() < math.inf

    @invariant()
    def whatever_holds_calls_back_ends(self) -> None:
        pace = replace(self.pace, in_flight=0, trial=False)
        now, waited = self.now, 0.0
        while (seconds := delay(pace, self.limits, self.key, now)) > 0:
            now, waited = now + max(seconds, 1e-3), waited + seconds
        # An hour is the longest that an issuer asks for here, and a turn of the slowest rate is what follows.
        assert waited <= 3_600 + (len(self.in_flight) + 1) / (SLOWEST_SHARE * self.limits.rate) + 1

    def delay(self) -> float:
        return delay(self.pace, self.limits, self.key, self.now)


TestAnyIssuer = AnyIssuer.TestCase


@given(limits, st.lists(st.tuples(outcomes, st.floats(0, 600)), min_size=10, max_size=60))
def test_whatever_the_answers_the_rate_stays_within_its_share(
    limits: Limits, answers: list[tuple[Outcome, float]]
) -> None:
    pace, now = Pace(limits.rate), 0.0
    for outcome, seconds in answers:
        now += seconds
        pace = after([outcome], pace, limits=limits, now=now)

        assert SLOWEST_SHARE * limits.rate <= pace.rate <= limits.rate


@given(limits, st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_calls_never_begin_faster_than_the_rate_but_for_a_short_burst(
    limits: Limits, late: list[float]
) -> None:
    pace, now, began = Pace(limits.rate), 0.0, []
    for seconds in late:
        now += delay(pace, limits, KEY, now) + seconds
        began.append(now)
        pace = end(begin(pace, now), trial=False)

    for first, last in itertools.combinations(range(len(began)), 2):
        allowed = 1 + limits.rate * (began[last] - began[first] + BURST_SECONDS)
        assert last - first <= allowed + 1e-6


@given(st.floats(0, 3_600), draws)
def test_the_wait_that_an_issuer_asks_for_is_kept(seconds: float, draw: float) -> None:
    pace = after([Throttled("429", seconds)], draw=draw)

    assert delay(pace, LIMITS, KEY, 0.0) == seconds
    assert delay(pace, LIMITS, KEY, seconds) == 0


@given(draws)
def test_an_issuer_that_asks_for_no_wait_gets_a_longer_one_each_time(draw: float) -> None:
    pace, now, waited = Pace(LIMITS.rate), 0.0, []
    for _ in range(6):
        pace = after([Throttled("429", None)], pace, now=now, draw=draw)
        waited.append(delay(pace, LIMITS, KEY, now))
        now += waited[-1]

    assert waited[0] < waited[1] < waited[2]
    assert waited == pytest.approx(sorted(waited))
    # And a short one again once a call has been answered.
    pace = after([ISSUED, Throttled("429", None)], pace, now=now, draw=draw)
    assert delay(pace, LIMITS, KEY, now) == pytest.approx(waited[0])


def test_the_longest_wait_that_was_asked_for_counts() -> None:
    pace = after([Throttled("429", 60.0), Throttled("429", 1.0)])

    assert delay(pace, LIMITS, KEY, 0.0) == 60


def test_calls_that_were_in_flight_together_are_throttled_once() -> None:
    assert after([Throttled("429", 1.0)] * 5).rate == LIMITS.rate / 2


@given(limits, st.integers(1, 20))
def test_the_configured_rate_comes_back_with_answers(limits: Limits, throttlings: int) -> None:
    pace = Pace(limits.rate)
    for n in range(throttlings):
        pace = after([Throttled("429", 1.0)], pace, limits=limits, now=float(n))
    slow = pace.rate
    assert slow >= SLOWEST_SHARE * limits.rate

    pace = after([ISSUED], pace, limits=limits)
    assert pace.rate > slow
    pace = after([ISSUED] * math.ceil(1 / RECOVERY_SHARE), pace, limits=limits)
    assert pace.rate == limits.rate


@pytest.mark.parametrize("answer", [ISSUED, Refused("422"), Throttled("429", 0.0)])
def test_failures_hold_calls_back_only_in_a_row(answer: Outcome) -> None:
    almost = [AWAY] * (FAILURES_TO_OPEN - 1)

    assert after([*almost, answer, *almost]).hold is None
    assert after([*almost, AWAY]).hold is not None


def test_a_call_from_before_the_hold_does_not_lengthen_it() -> None:
    held = after([AWAY] * FAILURES_TO_OPEN)

    assert after([AWAY] * 10, held, now=0.5).hold == held.hold


@pytest.mark.parametrize(
    ("troubles", "longest"),
    [([AWAY] * FAILURES_TO_OPEN, LIMITS.breaker.longest), ([REFUSED_KEY], LIMITS.key.longest)],
)
@given(draw=draws)
def test_trials_that_fail_come_ever_later(troubles: list[Outcome], longest: float, draw: float) -> None:
    pace = after(troubles, draw=draw)
    waited = []
    for _ in range(10):
        pace = after(troubles[:1], pace, trial=True, draw=draw)
        assert pace.hold is not None
        waited.append(pace.hold.until)

    assert waited[0] < waited[1] < waited[2]
    assert waited == sorted(waited)
    assert waited[-1] <= longest


def test_an_outage_lasts_at_least_as_long_as_its_issuer_says() -> None:
    held = after([AWAY] * FAILURES_TO_OPEN)

    pace = after([Deferred("503", ambiguous=False, wait=900.0)], held, trial=True)

    assert delay(pace, LIMITS, KEY, 0.0) == 900


def test_a_refused_key_is_not_used_until_its_time_but_another_at_once() -> None:
    pace = after([REFUSED_KEY])

    assert delay(pace, LIMITS, KEY, 0.0) == KEY_LOOK_SECONDS
    assert delay(pace, LIMITS, "another", 0.0) == 0
    assert delay(pace, LIMITS, KEY, LIMITS.key.first) == 0


def test_another_key_has_one_call_to_show_that_it_works() -> None:
    trying = begin(after([REFUSED_KEY]), 0.0)

    assert trying.trial
    assert delay(trying, LIMITS, "another", 10.0) == math.inf
    assert end(trying, trial=False).trial
    assert after([ISSUED], end(trying, trial=True), trial=True, key="another").hold is None


def test_an_answer_to_the_old_key_does_not_make_it_good_again() -> None:
    held = after([REFUSED_KEY])

    assert after([ISSUED], held).hold == held.hold
    assert after([ISSUED], held, trial=True).hold is None


def test_what_an_issuer_does_not_support_says_nothing_of_its_other_calls() -> None:
    pace = after([Throttled("429", 1.0), *[AWAY] * FAILURES_TO_OPEN])

    assert after([Unsupported("403")], pace, trial=True) == pace


def test_without_a_key_nothing_is_called_and_the_key_is_looked_at_often() -> None:
    assert delay(Pace(LIMITS.rate), LIMITS, "", 0.0) == KEY_LOOK_SECONDS


def test_another_account_begins_afresh_but_with_the_calls_in_flight() -> None:
    busy = begin(begin(after([REFUSED_KEY, Throttled("429", 60.0)]), 0.0), 0.0)

    fresh = renew(busy, LIMITS)

    assert (fresh.hold, fresh.rate, fresh.quiet_until) == (None, LIMITS.rate, -math.inf)
    assert (fresh.in_flight, fresh.trial, fresh.next_at) == (busy.in_flight, busy.trial, busy.next_at)


def test_a_hold_does_not_print_the_key() -> None:
    assert KEY not in repr(after([REFUSED_KEY])).replace("for_key", "")

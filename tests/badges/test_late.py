"""Activities that arrive late: matches and penalties are weighed by their own times."""

from datetime import timedelta

import pytest

from streams.badges import Penalty, counting
from tests.badges.builders import (
    BY_COURSE,
    PASSING,
    Learner,
    awarded,
    failing,
    passing,
    revoked,
    rules,
    said,
    template,
)

LOST = Penalty("lost", (PASSING,), (), rules(False, None), withdraws=("any",))
"""Withdraws the course that the learner is not passing any more."""


def test_a_penalty_older_than_the_newest_match_resets_nothing_that_is_fulfilled() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.passes("A", at=1)
    learner.passes("A", at=5)  # the newest match, though it fulfilled nothing

    assert learner.fails("A", at=4) == ()
    assert said(learner.fails("A", at=5)) == [revoked()]


def test_a_match_from_before_a_penalty_is_none() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.fails("A", at=5)

    assert learner.passes("A", at=4) == ()
    assert said(learner.passes("A", at=5)) == [awarded()]


def test_the_latest_penalty_counts_whatever_comes_last() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.fails("A", at=5)
    learner.fails("A", at=3)

    assert learner.passes("A", at=4) == ()


def test_of_a_count_a_penalty_takes_back_what_was_last_matched_until_then() -> None:
    learner = Learner(template(passing(count=4, distinct=BY_COURSE), penalties=(failing(),)))
    learner.passes("A", at=1)
    learner.passes("B", at=1)
    learner.passes("B", at=6, id="b again")
    learner.passes("C", at=5, id="c")
    learner.fails(at=4)

    assert learner.passes("A", at=3) == ()
    assert learner.passes("D", at=4, id="d") == ()
    (decision,) = learner.passes("E", at=4, id="e")
    assert decision.because == ("b again", "c", "d", "e")


def test_a_lost_course_no_longer_counts() -> None:
    learner = Learner(template(passing(count=3, distinct=BY_COURSE), penalties=(LOST,)))
    for course in "AB":
        learner.passes(course, at=1, id=course)
    learner.fails("A", at=2)

    assert learner.passes("C", at=3, id="C") == ()
    (decision,) = learner.passes("D", at=3, id="D")
    assert decision.because == ("B", "C", "D")


def test_a_badge_of_five_courses_survives_the_loss_of_a_sixth_and_not_of_a_fifth() -> None:
    learner = Learner(template(passing(count=5, distinct=BY_COURSE), penalties=(LOST,)))
    for course in "ABCDE":
        learner.passes(course, at=1)
    learner.passes("F", at=2)  # goes on counting

    assert learner.fails("A", at=3) == ()
    assert said(learner.fails("B", at=3)) == [revoked()]
    (decision,) = learner.passes("A", at=4, id="a again")
    assert len(decision.because) == 5
    assert decision.because[-1] == "a again"


def test_a_withdrawal_older_than_the_newest_match_takes_only_what_was_before() -> None:
    learner = Learner(template(passing(count=2, distinct=BY_COURSE), penalties=(LOST,)))
    learner.passes("A", at=1)
    learner.passes("A", at=5, id="later")
    learner.fails("A", at=3)

    assert learner.passes("A", at=2) == ()
    (decision,) = learner.passes("B", at=4, id="b")
    assert decision.because == ("later", "b")


def test_a_value_that_was_never_matched_can_be_withdrawn() -> None:
    learner = Learner(template(passing(distinct=BY_COURSE), penalties=(LOST,)))
    learner.fails("A", at=5)

    assert learner.passes("A", at=4) == ()
    assert said(learner.passes("A", at=5)) == [awarded()]


def test_what_was_fulfilled_before_anything_could_be_withdrawn_loses_nothing_until_it_is_reset() -> None:
    learner = Learner(template(passing(distinct=BY_COURSE)))
    learner.passes("A", at=1)
    learner.under(template(passing(distinct=BY_COURSE), penalties=(LOST, failing("B", resets=("any",)))))

    assert learner.fails("A", at=2) == ()
    assert said(learner.fails("B", at=3)) == [revoked()]
    assert said(learner.passes("A", at=4)) == [awarded(generation=2)]
    assert said(learner.fails("A", at=5)) == [revoked(generation=2)]


def test_a_withdrawal_is_remembered_when_nothing_withdraws_any_more() -> None:
    reset = failing("B", resets=("any",))
    learner = Learner(template(passing(distinct=BY_COURSE), penalties=(LOST,)))
    learner.fails("A", at=9)
    learner.under(template(passing(distinct=BY_COURSE), penalties=(reset,)))
    learner.passes("C", at=3)
    assert said(learner.fails("B", at=4)) == [revoked()]

    assert learner.passes("A", at=8) == ()
    assert said(learner.passes("A", at=9)) == [awarded(generation=2)]


def test_no_more_than_a_hundred_others_are_remembered_and_the_oldest_are_forgotten() -> None:
    learner = Learner(template(passing(count=2, within=timedelta(days=1))))
    for number in range(counting.SPARE + 3):
        learner.passes(at=10 * number)  # never two in one day

    state = learner.progress.requirement(template().id, "any")
    assert state is not None
    assert len(state.times) == counting.SPARE + 2
    assert learner.passes(at=0.5) == ()  # the one of day 0 is forgotten
    assert said(learner.passes(at=20.5)) == [awarded()]


@pytest.mark.parametrize(("at", "counts"), [(0.9, False), (1, True), (3, True), (3.1, False)])
def test_no_later_than_counts_from_the_moment_of_the_other(at: float, counts: bool) -> None:
    soon = passing("B", after="A", no_later_than=timedelta(days=2))
    learner = Learner(template(passing("A"), soon))
    learner.passes("A", at=1)

    assert bool(learner.passes("B", at=at)) is counts

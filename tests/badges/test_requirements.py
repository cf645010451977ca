"""When a requirement is fulfilled."""

from datetime import timedelta

import pytest

from streams.badges import Spot
from tests.badges.builders import (
    BY_COURSE,
    ONE,
    TWO,
    Learner,
    awarded,
    badge_of,
    day,
    failing,
    passing,
    said,
    template,
)


def days(number: float) -> timedelta:
    return timedelta(days=number)


def test_a_requirement_without_rules_matches_every_activity_of_its_type() -> None:
    learner = Learner(template(passing("A", count=1)), template(passing(id="all"), id=TWO))

    assert said(learner.passes("B")) == [awarded(TWO)]


def test_a_badge_is_awarded_when_all_requirements_are_fulfilled_and_not_before() -> None:
    learner = Learner(template(passing("A"), passing("B")))

    assert learner.passes("A") == ()
    assert said(learner.passes("B")) == [awarded()]


def test_of_a_group_one_requirement_is_enough() -> None:
    learner = Learner(template(passing("A", group="G"), passing("B", group="G"), passing("C")))

    assert learner.passes("B") == ()
    assert said(learner.passes("C")) == [awarded()]


def test_of_a_group_as_many_as_asked_for_are_needed() -> None:
    members = (passing(course, group="G") for course in "ABC")
    learner = Learner(template(*members, at_least={"G": 2}))

    assert learner.passes("A") == ()
    assert learner.passes("A") == ()
    assert said(learner.passes("C")) == [awarded()]


def test_count_counts_different_activities() -> None:
    learner = Learner(template(passing(count=3)))

    assert learner.passes("A", id="x") == ()
    assert learner.passes("B", id="y") == ()
    assert learner.passes("C", id="x") == ()
    assert said(learner.passes("D", id="z")) == [awarded()]


def test_count_tells_activities_apart_also_when_many_lie_between() -> None:
    # Given: a repetition that the last sixteen activities no longer remember
    learner = Learner(template(passing("A", count=2)), template(passing("B", count=100), id=TWO))
    learner.passes("A", id="x")
    for _ in range(20):
        learner.passes("B")

    assert learner.passes("A", id="x") == ()
    assert said(learner.passes("A", id="y")) == [awarded()]


def test_distinct_counts_different_values_and_the_first_match_of_each() -> None:
    learner = Learner(template(passing(count=2, distinct=BY_COURSE)))
    learner.passes("A", id="first")
    assert learner.passes("A", id="again") == ()

    (decision,) = learner.passes("B", id="other")

    assert decision.because == ("first", "other")


def test_a_match_whose_distinct_path_leads_nowhere_does_not_count_and_moves_no_window() -> None:
    learner = Learner(template(passing(count=2, distinct=Spot(("course", "start")), within=days(1))))
    nothing = {"is_passing": True, "course": {"start": None}}
    learner.passes(at=0, data={"is_passing": True, "course": {"start": "x"}})

    assert learner.passes(at=5, data=nothing) == ()
    assert learner.passes(at=5, data={"is_passing": True}) == ()
    assert said(learner.passes(at=1, data={"is_passing": True, "course": {"start": "y"}})) == [awarded()]


def test_a_boolean_is_another_value_than_a_number() -> None:
    learner = Learner(template(passing(count=2, distinct=Spot(("flag",)))))
    learner.passes(data={"is_passing": True, "flag": True})

    assert learner.passes(data={"is_passing": True, "flag": True}) == ()
    assert said(learner.passes(data={"is_passing": True, "flag": 1})) == [awarded()]


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_is_no_value(odd: float) -> None:
    learner = Learner(template(passing(distinct=Spot(("n",)))))

    assert learner.passes(data={"is_passing": True, "n": odd}) == ()
    assert said(learner.passes(data={"is_passing": True, "n": 1.0})) == [awarded()]


def test_matches_within_the_window_count_both_ends_included() -> None:
    learner = Learner(template(passing(count=2, within=days(30))))
    learner.passes(at=0)

    assert learner.passes(at=30.00001) == ()
    assert said(learner.passes(at=60.00001)) == [awarded()]


def test_a_late_match_counts_within_the_window_of_the_newest() -> None:
    learner = Learner(template(passing(count=2, within=days(30))))
    learner.passes(at=40)

    assert said(learner.passes(at=10)) == [awarded()]


def test_matches_count_that_lie_in_one_window_wherever_the_newest_is() -> None:
    learner = Learner(template(passing(count=2, within=days(10))))
    learner.passes(at=100)
    learner.passes(at=10, id="one")

    (decision,) = learner.passes(at=11, id="other")

    assert decision.because == ("one", "other")


def test_what_counts_is_all_that_lies_in_the_earliest_window_that_has_enough() -> None:
    learner = Learner(template(passing(count=3, within=days(10))))
    for at in (50, 55, 4, 14.5, 9):
        assert learner.passes(at=at, id=f"day {at}") == ()
    (decision,) = learner.passes(at=13, id="day 13")

    assert decision.because == ("day 4", "day 9", "day 13")


def test_of_a_value_the_earliest_match_stands_for_it() -> None:
    learner = Learner(template(passing(count=2, distinct=BY_COURSE, within=days(10))))
    learner.passes("A", at=9)
    learner.passes("A", at=0, id="earliest")

    assert learner.passes("B", at=15) == ()
    (decision,) = learner.passes("B", at=8, id="b")
    assert decision.because == ("earliest", "b")


def test_or_the_newest_where_it_repeats_so() -> None:
    newest = passing(count=2, distinct=BY_COURSE, within=days(10), repeats="newest")
    learner = Learner(template(newest))
    learner.passes("A", at=9, id="newest")
    learner.passes("A", at=0)

    (decision,) = learner.passes("B", at=15, id="b")

    assert decision.because == ("newest", "b")


def test_of_equal_times_the_first_to_arrive_stands() -> None:
    for repeats in ("first", "newest"):
        learner = Learner(template(passing(count=2, distinct=BY_COURSE, within=days(1), repeats=repeats)))
        learner.passes("A", at=1, id="first")
        learner.passes("A", at=1, id="second")

        (decision,) = learner.passes("B", at=1, id="b")

        assert decision.because == ("first", "b")


@pytest.mark.parametrize(("at", "counts"), [(0.99, False), (1, True), (1.99, True), (2, False)])
def test_only_activities_from_since_until_before_until_match(at: float, counts: bool) -> None:
    learner = Learner(template(passing(since=day(1), until=day(2))))

    assert bool(learner.passes(at=at)) is counts


def test_after_another_only_activities_not_earlier_than_its_moment_match() -> None:
    learner = Learner(template(passing("A"), passing("B", after="A")))
    learner.passes("B", at=9)  # nothing came before it yet
    learner.passes("A", at=5)

    assert learner.passes("B", at=4.9) == ()
    assert said(learner.passes("B", at=5)) == [awarded()]


def test_one_activity_may_meet_a_requirement_and_the_one_after_it_whatever_their_order() -> None:
    learner = Learner(template(passing("A", id="second", after="first"), passing("A", id="first")))

    assert said(learner.passes("A")) == [awarded()]


def test_the_moment_is_the_time_of_the_activity_that_fulfilled_even_if_others_are_newer() -> None:
    learner = Learner(template(passing("A", count=2), passing("B", after="A")))
    learner.passes("A", at=9)
    learner.passes("A", at=3)  # this late one fulfils the requirement

    assert said(learner.passes("B", at=4)) == [awarded()]


def test_resetting_what_comes_before_leaves_what_came_after_as_it_is() -> None:
    learner = Learner(
        template(passing("A"), passing("B", after="A"), passing("C"), penalties=(failing("A"),))
    )
    learner.passes("A", at=1)
    learner.passes("B", at=2)
    learner.fails("A", at=3)
    learner.passes("C", at=4)

    assert said(learner.passes("A", at=5)) == [awarded()]


def test_while_what_comes_before_is_reset_nothing_comes_after_it() -> None:
    learner = Learner(template(passing("A"), passing("B", after="A"), penalties=(failing("A"),)))
    learner.passes("A", at=1)
    learner.fails("A", at=2)
    learner.passes("B", at=3)

    assert learner.passes("A", at=4) == ()


def test_after_a_badge_is_met_by_the_very_activity_that_awards_it() -> None:
    learner = Learner(
        template(passing("A"), id=TWO),
        template(badge_of(TWO), passing("A", after="badge"), id=ONE),
    )

    assert said(learner.passes("A")) == [awarded(TWO), awarded(ONE)]


def test_after_a_badge_earlier_activities_do_not_match() -> None:
    learner = Learner(template(passing("A"), id=TWO), template(badge_of(TWO), passing("B", after="badge")))
    learner.passes("A", at=5)

    assert learner.passes("B", at=4) == ()
    assert said(learner.passes("B", at=5)) == [awarded(ONE)]


def test_while_the_badge_before_it_is_revoked_nothing_comes_after_it() -> None:
    learner = Learner(
        template(passing("A"), id=TWO, penalties=(failing("A"),)),
        template(badge_of(TWO), passing("B", after="badge")),
    )
    learner.passes("A", at=1)
    learner.fails("A", at=2)
    learner.passes("B", at=3)

    assert said(learner.passes("A", at=4)) == [awarded(TWO, generation=2)]
    assert said(learner.passes("B", at=4)) == [awarded(ONE)]


def test_a_fulfilled_requirement_counts_nothing_more() -> None:
    learner = Learner(template(passing("A"), passing("B")))
    learner.passes("A", id="first")
    learner.passes("A", id="second")

    (decision,) = learner.passes("B", id="b")

    assert decision.because == ("first", "b")

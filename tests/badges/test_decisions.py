"""What is decided, in which order, and why."""

from uuid import UUID, uuid5

from streams.badges import Penalty
from tests.badges.builders import (
    ONE,
    PASSING,
    THREE,
    TWO,
    Learner,
    awarded,
    badge_of,
    day,
    failing,
    passing,
    revoked,
    said,
    template,
)


def test_a_badge_is_awarded_once_however_often_its_requirements_match() -> None:
    learner = Learner(template(passing("A")))
    learner.passes("A")

    assert learner.passes("A") == ()


def test_a_penalty_revokes_and_the_badge_can_be_awarded_again() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))

    story = [learner.passes(), learner.fails(), learner.passes(), learner.fails()]

    assert [said(decisions) for decisions in story] == [
        [awarded(generation=1)],
        [revoked(generation=1)],
        [awarded(generation=2)],
        [revoked(generation=2)],
    ]


def test_a_penalty_revokes_only_when_completeness_is_lost() -> None:
    learner = Learner(
        template(passing("A", group="G"), passing("B", group="G"), penalties=(failing("A"),)),
    )
    learner.passes("A")
    learner.passes("B")

    assert learner.fails("A") == ()
    assert learner.holds()


def test_a_penalty_takes_counts_too() -> None:
    learner = Learner(template(passing("A", count=2), penalties=(failing("A"),)))
    learner.passes()
    learner.fails()

    assert learner.passes() == ()
    assert said(learner.passes()) == [awarded()]


def test_a_badge_that_was_never_complete_is_not_revoked() -> None:
    learner = Learner(template(passing("A"), passing("B"), penalties=(failing("A"),)))
    learner.passes("A")

    assert learner.fails("A") == ()


def test_an_activity_that_meets_requirement_and_penalty_is_judged_once_after_both() -> None:
    learner = Learner(template(passing("A")))
    learner.passes("A")
    whatever_happens = Penalty("p", (PASSING,), resets=("A",))
    learner.under(template(passing("A"), penalties=(whatever_happens,)))

    assert said(learner.passes("A")) == [revoked()]
    assert learner.passes("A") == ()


def test_what_is_not_revocable_stays_and_is_not_awarded_again() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),), revocable=False))
    learner.passes()

    assert learner.fails() == ()
    assert learner.holds()
    assert learner.passes() == ()


def test_an_inactive_template_decides_nothing() -> None:
    learner = Learner(template(passing("A"), active=False))

    assert learner.passes() == ()
    assert learner.progress.templates == {}


def test_a_badge_counts_for_other_badges_in_the_same_activity() -> None:
    learner = Learner(
        template(badge_of(TWO), id=ONE),
        template(badge_of(THREE), id=TWO),
        template(passing("A"), id=THREE, penalties=(failing("A"),)),
    )

    assert said(learner.passes()) == [awarded(THREE), awarded(TWO), awarded(ONE)]
    assert said(learner.fails()) == [revoked(THREE), revoked(TWO), revoked(ONE)]


def test_decisions_come_by_smallest_id_among_those_whose_required_badges_are_judged() -> None:
    learner = Learner(
        template(badge_of(THREE), id=ONE),
        template(passing("A"), id=TWO),
        template(passing("A"), id=THREE),
    )

    assert said(learner.passes()) == [awarded(TWO), awarded(THREE), awarded(ONE)]


def test_an_award_says_which_activities_counted_in_the_order_of_the_requirements_without_repeats() -> None:
    learner = Learner(template(passing("A", count=2), passing("B"), passing(id="any")))
    learner.passes("B", id="b")
    learner.passes("A", id="a1")

    (decision,) = learner.passes("A", id="a2")

    assert decision.because == ("a1", "a2", "b")


def test_an_award_does_not_name_what_counted_for_a_requirement_that_is_not_fulfilled() -> None:
    learner = Learner(template(passing("A", group="G"), passing("B", group="G", count=2)))
    learner.passes("B", id="b")

    (decision,) = learner.passes("A", id="a")

    assert decision.because == ("a",)


def test_an_award_for_a_badge_names_that_badges_award() -> None:
    learner = Learner(
        template(passing("A"), id=TWO, penalties=(failing("A"),)), template(badge_of(TWO), id=ONE)
    )
    learner.passes()
    learner.fails()

    two, one = learner.passes()

    assert one.because == (str(two.id),)
    assert two.generation == 2


def test_a_revocation_names_the_activity_that_caused_it() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.passes()

    (decision,) = learner.fails(at=3, id="lost")

    assert decision.because == ("lost",)
    assert (decision.activity, decision.time) == ("lost", day(3))


def test_badge_and_decision_have_ids_that_follow_from_template_learner_and_generation() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))

    decisions = [*learner.passes(), *learner.fails(), *learner.passes()]

    badge = uuid5(UUID(ONE), "42")
    assert {decision.badge for decision in decisions} == {badge}
    assert [decision.id for decision in decisions] == [
        uuid5(badge, "awarded:1"),
        uuid5(badge, "revoked:1"),
        uuid5(badge, "awarded:2"),
    ]

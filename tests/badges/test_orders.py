"""What an operator orders, and what is given again to catch up."""

from dataclasses import replace

from streams.badges import Order, User
from tests.badges.builders import (
    ONE,
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

ADA = User(42, True, "ada", "ada@example.com", "Ada")
OTHER = template(passing("other"), id=THREE)


def test_an_award_by_order_needs_nothing_and_is_because_of_the_order() -> None:
    learner = Learner(template(passing("A"), passing("B")))

    (decision,) = learner.ordered("award", id="o", at=3)

    assert said((decision,)) == [awarded()]
    assert (decision.because, decision.activity, decision.time) == (("o",), "o", day(3))


def test_what_is_held_is_not_awarded_again_by_order() -> None:
    learner = Learner(template(passing("A")))
    learner.passes("A")

    assert learner.ordered("award") == ()


def test_a_badge_awarded_by_order_is_not_revoked_for_lost_completeness() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.ordered("award")
    learner.passes("A", at=1)

    assert learner.fails("A", at=2) == ()
    assert said(learner.ordered("revoke", id="o", at=3)) == [revoked()]


def test_a_badge_is_revoked_by_order_revocable_or_not_and_can_be_earned_again() -> None:
    learner = Learner(template(passing("A"), revocable=False))
    learner.passes("A", at=1)

    (decision,) = learner.ordered("revoke", id="o", at=2)

    assert said((decision,)) == [revoked()]
    assert decision.because == ("o",)
    assert learner.passes("A", at=1.5) == ()  # from before the order
    assert said(learner.passes("A", at=3)) == [awarded(generation=2)]


def test_what_an_order_revoked_comes_back_only_by_what_concerns_it() -> None:
    learner = Learner(template(passing("A"), id=TWO), template(badge_of(TWO), passing("B", group="G")), OTHER)
    learner.under(template(passing("A"), id=TWO), template(badge_of(TWO)), OTHER)
    learner.passes("A", at=1)
    learner.ordered("revoke", at=2)

    learner.under(
        template(passing("A"), id=TWO), template(badge_of(TWO)), OTHER, template(passing("x"), id="4")
    )

    assert said(learner.passes("other", at=3)) == [awarded(THREE)]
    assert not learner.holds()
    assert said(learner.ordered("award", id="again", at=4)) == [awarded(generation=2)]


def test_an_order_is_recognized_when_it_comes_again() -> None:
    learner = Learner(template(passing("A")))
    learner.ordered("award", id="o")
    learner.ordered("revoke", id="p", at=1)
    before = learner.progress

    assert learner.ordered("award", id="o") == ()
    assert learner.progress is before


def test_an_order_for_a_template_that_is_not_active_changes_nothing() -> None:
    learner = Learner(template(passing("A")), template(passing("B"), id=TWO, active=False))
    before = learner.progress

    assert learner.ordered("award", template=TWO) == ()
    assert learner.ordered("award", template=THREE) == ()
    assert learner.progress is before


def test_other_templates_are_judged_by_an_order_as_by_any_activity() -> None:
    learner = Learner(template(passing("A")), template(badge_of(ONE), id=TWO))

    assert said(learner.ordered("award")) == [awarded(ONE), awarded(TWO)]
    assert said(learner.ordered("revoke", id="o", at=1)) == [revoked(ONE), revoked(TWO)]


def test_a_badge_that_an_order_found_complete_but_not_held_is_awarded_by_the_next_activity() -> None:
    learner = Learner(template(passing("A"), id=TWO), OTHER)
    learner.passes("A", at=1)
    learner.under(template(passing("A"), id=TWO), template(badge_of(TWO)), OTHER)

    assert learner.ordered("revoke", at=2) == ()
    assert said(learner.passes("other", at=3)) == [awarded(ONE), awarded(THREE)]


def test_an_order_may_say_who_the_learner_is_where_nobody_knows() -> None:
    learner = Learner(template(passing("A")))
    learner.meets(Order("award", ONE, 42, "o", day(0), ADA))
    learner.meets(Order("award", ONE, 42, "p", day(0), replace(ADA, name="Countess")))

    assert learner.progress.user == ADA


def test_a_template_catches_up_with_the_past() -> None:
    learner = Learner(OTHER)
    learner.passes("other", at=9)
    learner.under(template(passing("A"), passing("B")), OTHER)
    places, recent = learner.progress.places, learner.progress.recent
    old = [learner.activity(course, at=1, catch_up=frozenset({ONE})) for course in "AB"]

    decisions = [learner.meets(activity) for activity in old]

    assert list(map(said, decisions)) == [[], [awarded()]]
    assert (learner.progress.places, learner.progress.recent) == (places, recent)
    before = learner.progress
    assert [learner.meets(activity) for activity in old] == [(), ()]
    assert learner.progress == before


def test_only_the_named_templates_see_what_is_given_again() -> None:
    learner = Learner(template(passing("A")), template(passing("A"), id=TWO))

    assert said(learner.passes("A", at=1, catch_up=frozenset({TWO}))) == [awarded(TWO)]
    assert learner.passes("A", at=1, catch_up=frozenset({THREE})) == ()
    assert said(learner.passes("A", at=1, catch_up=True)) == [awarded(ONE)]


def test_what_newer_events_settled_stays_when_the_past_is_given_again() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    history = [learner.activity("A", at=1), learner.activity("A", at=2, passing=False)]
    for activity in history:
        learner.meets(activity)

    again = [learner.meets(replace(activity, catch_up=True)) for activity in history]

    assert again == [(), ()]
    assert not learner.holds()


def test_an_old_activity_does_not_say_who_the_learner_is_now() -> None:
    learner = Learner(template(passing("A"), passing("B")))
    learner.passes("A", at=5, user=ADA)

    learner.passes("B", at=1, user=replace(ADA, email="old@example.com"), catch_up=True)

    assert learner.progress.user == ADA

"""What comes a second time changes nothing."""

from dataclasses import replace

from streams.badges import Source, User
from tests.badges.builders import TWO, Learner, awarded, failing, passing, revoked, said, template

ADA = User(42, True, "ada", "ada@example.com", "Ada")


def test_an_activity_at_or_below_the_partitions_offset_changes_nothing() -> None:
    learner = Learner(template(passing(count=3)))
    first, second = learner.activity(), learner.activity()
    learner.meets(first)
    learner.meets(second)
    before = learner.progress

    learner.meets(first)
    learner.meets(replace(second, id="other"))

    assert learner.progress is before


def test_offsets_of_other_partitions_and_topics_do_not_matter() -> None:
    learner = Learner(template(passing(count=3)))
    learner.passes(source=Source("bus", 0, 100))
    learner.passes(source=Source("bus", 1, 5))

    assert said(learner.passes(source=Source("letters", 0, 5))) == [awarded()]


def test_a_raised_epoch_lets_offsets_begin_anew_and_the_former_ones_no_longer() -> None:
    learner = Learner(template(passing(count=4)))
    learner.passes(source=Source("bus", 0, 100))
    learner.passes(source=Source("bus", 0, 5, epoch=1))
    before = learner.progress

    learner.passes(source=Source("bus", 0, 200))
    learner.passes(source=Source("bus", 0, 5, epoch=1))

    assert learner.progress is before
    assert said(learner.passes(source=Source("bus", 0, 6, epoch=1))) == []
    assert said(learner.passes(source=Source("bus", 0, 7, epoch=1))) == [awarded()]


def test_a_redelivered_penalty_does_not_revoke_a_badge_that_was_awarded_again() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.passes()
    lost = learner.activity(passing=False)
    assert said(learner.meets(lost)) == [revoked()]
    learner.passes()

    assert learner.meets(lost) == ()
    assert learner.holds()


def test_a_repetition_under_another_offset_moves_the_offset_and_nothing_else() -> None:
    learner = Learner(template(passing(count=2)))
    learner.passes(id="x", user=ADA)
    before = learner.progress

    learner.passes(id="x", source=Source("bus", 0, 50), user=replace(ADA, name="Countess"))

    assert learner.progress == replace(before, places={"bus": {"0": [0, 50]}})


def test_sixteen_relevant_activities_are_remembered_and_a_repetition_refreshes_nothing() -> None:
    # Given: x, its repetition, and enough others that x is the seventeenth last
    learner = Learner(template(passing("A"), penalties=(failing("A"),)), template(passing("B"), id=TWO))
    learner.passes("A", id="x")
    learner.fails("A")
    for _ in range(14):
        learner.passes("B")
    assert learner.passes("A", id="x") == ()
    learner.passes("B")

    # When it comes once more, it counts as new
    assert said(learner.passes("A", id="x")) == [awarded(generation=2)]


def test_an_irrelevant_activity_leaves_no_trace() -> None:
    learner = Learner(template(passing("A")))
    before = learner.progress

    learner.passes("B", user=ADA)

    assert learner.progress is before


def test_the_last_known_user_stays_when_an_activity_brings_none() -> None:
    learner = Learner(template(passing("A")))
    learner.passes("A", user=ADA)
    learner.passes("A")

    assert learner.progress.user == ADA

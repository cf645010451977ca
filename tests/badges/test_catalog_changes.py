"""What another catalog changes, and when."""

from datetime import timedelta

from streams.badges import Spot, dump, load
from tests.badges.builders import (
    BY_COURSE,
    ONE,
    THREE,
    TWO,
    Learner,
    awarded,
    badge_of,
    failing,
    passing,
    revoked,
    said,
    template,
)

OTHER = template(passing("other"), id=THREE)
"""Makes activities relevant that match nothing else."""


def test_dropping_a_requirement_awards_those_who_now_qualify_at_their_next_relevant_activity() -> None:
    learner = Learner(template(passing("A"), passing("B")), OTHER)
    learner.passes("A", id="a")

    learner.under(template(passing("A")), OTHER)

    assert learner.passes("B") == ()  # no longer relevant
    one, _three = learner.passes("other")
    assert said((one,)) == [awarded(ONE)]
    assert (one.because, one.activity[:5]) == (("a",), "other")


def test_a_decision_says_which_catalog_it_follows_from() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    first = learner.catalog.revision
    (award,) = learner.passes("A")

    learner.under(template(passing("A"), passing("B"), penalties=(failing("A"),)))
    learner.passes("B")
    (revocation,) = learner.fails("A")

    assert (award.catalog, revocation.catalog) == (first, learner.catalog.revision)
    badge = load(dump(learner.progress)).badges[ONE]
    assert (badge.catalog, badge.revoked_catalog) == (first, learner.catalog.revision)


def test_needing_fewer_of_a_group_awards_too() -> None:
    members = (passing("A", group="G"), passing("B", group="G"))
    learner = Learner(template(*members, at_least={"G": 2}), OTHER)
    learner.passes("A")

    learner.under(template(*members), OTHER)

    assert said(learner.passes("other")) == [awarded(ONE), awarded(THREE)]


def test_adding_a_requirement_does_not_revoke_and_a_later_penalty_revokes_nothing_incomplete() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)))
    learner.passes("A")

    learner.under(template(passing("A"), passing("B"), penalties=(failing("A"),)))

    assert learner.passes("A") == ()
    assert learner.fails("A") == ()
    assert learner.holds()


def test_a_new_template_on_a_badge_already_held_is_awarded_at_the_next_relevant_activity() -> None:
    learner = Learner(template(passing("A"), id=TWO))
    (two,) = learner.passes("A")

    learner.under(template(passing("A"), id=TWO), template(badge_of(TWO), id=ONE), OTHER)
    one, _three = learner.passes("other")

    assert said((one,)) == [awarded(ONE)]
    assert one.because == (str(two.id),)


def test_requirements_keep_fulfilment_and_counts_while_their_template_is_inactive() -> None:
    both = (passing("A"), passing("B", count=2))
    learner = Learner(template(*both))
    learner.passes("A")
    learner.passes("B")

    learner.under(template(*both, active=False))
    assert learner.passes("B") == ()
    learner.under(template(*both))

    assert said(learner.passes("B")) == [awarded()]


def test_a_requirement_that_is_out_does_not_count_and_one_that_returns_is_found_as_it_was() -> None:
    learner = Learner(template(passing("A"), passing("B")))
    learner.passes("A")
    learner.under(template(passing("B"), passing("C")))
    learner.passes("A")
    assert learner.passes("B") == ()

    learner.under(template(passing("A"), passing("B")))

    assert said(learner.passes("A")) == [awarded()]


def test_a_deactivated_templates_badge_stays_held_also_for_others_and_is_never_revoked() -> None:
    two = template(passing("A"), id=TWO, penalties=(failing("A"),))
    learner = Learner(two)
    learner.passes("A")

    learner.under(
        template(passing("A"), id=TWO, penalties=(failing("A"),), active=False),
        template(badge_of(TWO), passing("B"), id=ONE),
    )

    assert learner.fails("A") == ()
    assert said(learner.passes("B")) == [awarded(ONE)]
    assert learner.holds(TWO)


def test_a_template_that_returns_knows_the_badge_it_had_awarded() -> None:
    learner = Learner(template(passing("A"), penalties=(failing("A"),)), OTHER)
    learner.passes("A")
    learner.under(OTHER)
    learner.passes("other")
    learner.under(template(passing("A"), penalties=(failing("A"),)), OTHER)

    assert learner.passes("A") == ()
    assert said(learner.fails("A")) == [revoked()]


def test_a_lower_count_applies_at_the_next_match_and_not_before() -> None:
    learner = Learner(template(passing("A", count=5)), OTHER)
    for _ in range(3):
        learner.passes("A")

    learner.under(template(passing("A", count=2)), OTHER)

    assert said(learner.passes("other")) == [awarded(THREE)]
    assert said(learner.passes("A")) == [awarded(ONE)]


def test_a_lower_count_applies_also_at_a_match_that_brings_no_new_value() -> None:
    learner = Learner(template(passing(count=5, distinct=BY_COURSE)))
    learner.passes("A")
    learner.passes("B")

    learner.under(template(passing(count=2, distinct=BY_COURSE)))

    assert said(learner.passes("A")) == [awarded()]


def test_a_higher_count_leaves_what_is_fulfilled() -> None:
    learner = Learner(template(passing("A"), passing("B")))
    learner.passes("A")

    learner.under(template(passing("A", count=9), passing("B")))

    assert said(learner.passes("B")) == [awarded()]


def test_a_changed_window_applies_at_the_next_match() -> None:
    learner = Learner(template(passing("A", count=3)))
    learner.passes("A", at=0)
    learner.passes("A", at=9)

    learner.under(template(passing("A", count=3, within=timedelta(days=5))))

    assert learner.passes("A", at=10) == ()
    assert said(learner.passes("A", at=11)) == [awarded()]


def test_a_changed_distinct_starts_the_count_anew() -> None:
    learner = Learner(template(passing("A", count=3)))
    learner.passes("A")
    learner.passes("A")

    learner.under(template(passing("A", count=2, distinct=Spot(("n",)))))

    for n, decided in (("x", []), ("x", []), ("y", [awarded()])):
        data = {"is_passing": True, "course": {"course_key": "A"}, "n": n}
        assert said(learner.passes(data=data)) == decided


def test_what_has_no_value_is_no_match_and_so_starts_nothing_anew() -> None:
    former, other = (template(passing("A", count=2, distinct=distinct)) for distinct in (None, Spot(("n",))))
    learner = Learner(former)
    learner.passes("A")

    learner.under(other)
    learner.passes("A")
    learner.under(former)

    assert said(learner.passes("A")) == [awarded()]


def test_complete_before_is_meant_by_the_catalog_in_force() -> None:
    # Given: a badge that only a former catalog made complete
    learner = Learner(template(passing("A"), passing("B"), penalties=(failing("A"),)))
    learner.passes("A")
    learner.passes("B")

    # When the activity that loses it is judged by one in which it was not complete
    learner.under(template(passing("A"), passing("C"), penalties=(failing("A"),)))

    assert learner.fails("A") == ()


def test_a_catalog_that_only_looks_different_is_the_same_revision() -> None:
    one = Learner(template(passing("A"), id=ONE), template(passing("B"), id=TWO))
    other = Learner(template(passing("B"), id=TWO), template(passing("A"), id=ONE))

    assert one.catalog.revision == other.catalog.revision

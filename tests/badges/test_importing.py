"""What another service knew of a learner, and how it goes on from there."""

from streams.badges import IMPORTED, Brought, Import, Progress, Template, User
from tests.badges.builders import (
    ONE,
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
BOTH = template(passing("A"), passing("B"), penalties=(failing("A"), failing("B")))
HELD = Brought(("A",), day(2))


def learner(brought: Brought, under: Template = BOTH) -> Learner:
    """A learner of whom this is imported, of the badge template ONE."""
    made = Learner(under)
    assert takes(made, brought)
    return made


def takes(into: Learner, brought: Brought, id: str = "import") -> bool:
    """Import it; returns whether anything was new."""
    before: Progress = into.progress
    assert into.meets(Import(42, id, day(9), {ONE: brought}, ADA)) == ()
    return into.progress is not before


def test_a_badge_that_was_held_is_held_and_is_not_awarded_again() -> None:
    one = learner(HELD)

    badge = one.progress.badge(ONE)
    assert badge is not None
    assert (badge.held, badge.generation, badge.imported, badge.catalog) == (True, 1, True, IMPORTED)
    assert one.progress.user == ADA
    assert one.passes("B", at=10) == ()


def test_what_was_fulfilled_counts_and_what_is_missing_awards() -> None:
    one = learner(Brought(("A",)))

    assert one.passes("A", at=10) == ()
    (decision,) = one.passes("B", at=11)
    assert said((decision,)) == [awarded()]
    assert decision.because[0] == "import"


def test_what_is_complete_already_is_awarded_by_the_next_activity() -> None:
    one = learner(Brought(("A", "B")))

    assert said(one.passes("A", at=10)) == [awarded()]


def test_a_badge_that_was_never_complete_is_not_revoked_for_that() -> None:
    one = learner(HELD)
    one.under(BOTH, template(passing("C"), id=TWO))

    assert one.fails("B", at=10) == ()
    assert said(one.passes("C", at=11)) == [awarded(TWO)]
    assert one.holds()


def test_it_is_revoked_when_it_loses_what_it_rests_on() -> None:
    one = learner(HELD)

    assert said(one.fails("A", at=10)) == [revoked()]
    assert one.passes("A", at=11) == ()
    assert said(one.passes("B", at=12)) == [awarded(generation=2)]


def test_it_stays_as_long_as_another_of_the_group_is_fulfilled() -> None:
    either = template(
        passing("A", group="G"), passing("B", group="G"), passing("C"), penalties=(failing("A"), failing("B"))
    )
    one = learner(Brought(("A", "B"), day(2)), under=either)

    assert one.fails("A", at=10) == ()
    assert said(one.fails("B", at=11)) == [revoked()]


def test_a_penalty_of_before_the_award_takes_nothing() -> None:
    one = learner(HELD)

    assert one.fails("A", at=1) == ()
    assert one.holds()


def test_a_badge_that_was_revoked_comes_back_as_the_next_generation() -> None:
    one = learner(Brought((), day(2), day(3), ("A",)), under=template(passing("A")))

    assert not one.holds()
    assert one.passes("A", at=2.5) == ()  # what the other service had seen, read again
    assert said(one.passes("A", at=10)) == [awarded(generation=2)]


def test_one_that_was_revoked_and_fulfilled_again_waits_for_what_concerns_it() -> None:
    one = learner(Brought(("A",), day(2), day(3)), under=template(passing("A")))
    one.under(template(passing("A")), template(passing("C"), id=TWO))

    assert said(one.passes("C", at=10)) == [awarded(TWO)]
    assert said(one.passes("A", at=11)) == [awarded(generation=2)]


def test_a_second_import_changes_nothing_also_after_much_has_happened() -> None:
    one = learner(HELD)
    assert not takes(one, HELD)
    for number in range(20):
        one.passes("B", at=10 + number)
    one.fails("A", at=40)
    before = one.progress

    assert not takes(one, HELD)
    assert one.progress is before


def test_own_state_wins() -> None:
    one = Learner(BOTH)
    one.passes("A", at=1)
    one.fails("A", at=2)

    assert takes(one, Brought(("A", "B")))
    assert one.progress.requirement(ONE, "B")
    assert said(one.passes("A", at=10)) == [awarded()]
    assert not takes(one, Brought((), day(2), day(3), ("A", "B")), id="other")
    assert one.holds()


def test_what_requires_a_badge_is_met_by_an_imported_one() -> None:
    one = Learner(BOTH, template(badge_of(ONE), passing("C"), id=TWO))
    takes(one, HELD)

    assert said(one.passes("C", at=10)) == [awarded(TWO)]
    assert said(one.fails("A", at=11)) == [revoked(ONE), revoked(TWO)]


def test_what_is_no_template_of_the_catalog_waits_for_it() -> None:
    one = Learner()
    takes(one, HELD)

    one.under(BOTH)

    assert said(one.fails("A", at=10)) == [revoked()]

"""Badges that expire and may be earned again."""

from datetime import UTC, datetime, timedelta

import pytest

from streams.badges import Duration, Template
from tests.badges.builders import (
    ONE,
    START,
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

TEN_DAYS = Duration(0, timedelta(days=10))
OTHER = template(passing("other"), id=THREE)


def renewable(*requirements: object, id: str = ONE, after: Duration = TEN_DAYS, **more: object) -> Template:
    return template(*requirements, id=id, renewed_after=after, **more)  # type: ignore[arg-type]


def test_a_badge_is_earned_again_once_it_has_expired() -> None:
    learner = Learner(renewable(passing("A")))
    learner.passes("A", at=0)

    assert learner.passes("A", at=9.9) == ()
    assert said(learner.passes("A", at=10)) == [awarded(generation=2)]
    assert learner.passes("A", at=19.9) == ()


def test_what_was_matched_before_it_expired_does_not_count_again() -> None:
    learner = Learner(renewable(passing("A"), passing("B")))
    learner.passes("A", at=0)
    learner.passes("B", at=0)

    assert learner.passes("A", at=11) == ()
    assert said(learner.passes("B", at=12)) == [awarded(generation=2)]


def test_expiry_itself_emits_nothing_and_other_activities_do_not_bring_the_badge_back() -> None:
    learner = Learner(renewable(passing("A")), OTHER)
    learner.passes("A", at=0)

    assert said(learner.passes("other", at=20)) == [awarded(THREE)]
    learner.under(renewable(passing("A")), OTHER, template(passing("new"), id=TWO))
    assert learner.passes("other", at=21) == ()


def test_an_expired_badge_is_not_revoked() -> None:
    learner = Learner(renewable(passing("A"), penalties=(failing("A"),)))
    learner.passes("A", at=0)

    assert learner.fails("A", at=11) == ()


def test_a_late_activity_sees_the_badge_as_held() -> None:
    learner = Learner(renewable(passing("A"), penalties=(failing("A"),)), OTHER)
    learner.passes("A", at=0)
    learner.passes("other", at=30)

    assert said(learner.fails("A", at=5)) == [revoked()]


def test_for_other_badges_an_expired_one_is_not_held_but_revokes_none() -> None:
    learner = Learner(renewable(passing("A"), id=TWO), template(badge_of(TWO), passing("B")), OTHER)
    learner.passes("A", at=0)
    learner.passes("B", at=20)
    assert not learner.holds(ONE)

    # A late activity for whose time the other badge was held.
    assert said(learner.passes("other", at=5)) == [awarded(ONE), awarded(THREE)]
    assert learner.passes("other", at=30) == ()
    assert learner.holds(ONE)


def test_an_order_awards_an_expired_badge() -> None:
    learner = Learner(renewable(passing("A")))
    learner.passes("A", at=0)

    assert learner.ordered("award", id="early", at=9) == ()
    assert said(learner.ordered("award", id="late", at=10)) == [awarded(generation=2)]


def test_without_renewal_a_badge_stays_held() -> None:
    learner = Learner(template(passing("A")))
    learner.passes("A", at=0)

    assert learner.passes("A", at=10_000) == ()
    assert learner.holds()


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (datetime(2024, 2, 29, tzinfo=UTC), 12, datetime(2025, 2, 28, tzinfo=UTC)),
        (datetime(2025, 1, 31, tzinfo=UTC), 1, datetime(2025, 2, 28, tzinfo=UTC)),
    ],
)
def test_a_day_that_the_month_lacks_becomes_its_last(start: datetime, months: int, end: datetime) -> None:
    def days(moment: datetime) -> float:
        return (moment - START) / timedelta(days=1)

    learner = Learner(renewable(passing("A"), after=Duration(months, timedelta())))
    learner.passes("A", at=days(start))

    assert learner.passes("A", at=days(end) - 0.001) == ()
    assert said(learner.passes("A", at=days(end))) == [awarded(generation=2)]


def test_after_the_last_year_nothing_expires() -> None:
    learner = Learner(renewable(passing("A"), after=Duration(12 * 9_000, timedelta())))
    learner.passes("A", at=0)

    assert learner.passes("A", at=10_000) == ()

"""What the first edition wrote of learners (`former/*.json`, byte for byte) is read, and they go on."""

from datetime import timedelta
from pathlib import Path

import pytest

from streams.badges import Penalty, Progress, load, texts
from streams.tracker.rows import pack, unpack
from tests.badges.builders import (
    BY_COURSE,
    PASSING,
    TWO,
    Learner,
    awarded,
    failing,
    passing,
    revoked,
    rules,
    said,
    template,
)

ROWS = Path(__file__).with_name("former")
TWO_COURSES = template(passing(count=2, distinct=BY_COURSE), penalties=(failing(resets=("any",)),))


def row(name: str) -> Progress:
    progress, forgotten = unpack((ROWS / f"{name}.json").read_bytes())
    assert forgotten is None
    assert unpack(pack(progress, None))[0] == progress
    return progress


def id(number: int) -> str:
    return f"5f1c7a2e-0000-11f1-8000-{number:012d}"


def course(number: int) -> str:
    return f"course-v1:University+Course{number}+2026"


def resumed(name: str, *templates: object) -> Learner:
    """A learner of the former edition; what happens now comes after it at the source."""
    learner = Learner(*templates)  # type: ignore[arg-type]
    learner.progress = row(name)
    for _ in range(1_000):
        learner.activity()
    return learner


def test_a_count_goes_on() -> None:
    learner = resumed("counting", TWO_COURSES)

    assert learner.passes(course(1), at=3) == ()
    (award,) = learner.passes(course(2), at=4, id="second")
    assert award.because == (id(0), "second")
    assert learner.progress.user is not None
    assert learner.progress.user.email == "ada@example.org"


def test_a_badge_stays_held_and_a_penalty_revokes_it() -> None:
    learner = resumed("awarded", TWO_COURSES)

    assert learner.passes(course(3), at=3) == ()
    assert said(learner.fails(course(2), at=4)) == [revoked()]


def test_a_fulfilled_requirement_counts_as_last_matched_when_it_was_fulfilled() -> None:
    learner = resumed("awarded", TWO_COURSES)

    assert learner.fails(course(2), at=0.5) == ()
    assert said(learner.fails(course(2), at=1)) == [revoked()]


def test_a_fulfilled_requirement_loses_nothing_by_withdrawals() -> None:
    lost = Penalty("lost", (PASSING,), (), rules(False, None), withdraws=("any",))
    learner = resumed("awarded", template(passing(count=2, distinct=BY_COURSE), penalties=(lost,)))

    assert learner.fails(course(2), at=4) == ()


def test_a_revoked_badge_is_awarded_again() -> None:
    learner = resumed("revoked", TWO_COURSES)
    learner.passes(course(1), at=3)

    assert said(learner.passes(course(2), at=4)) == [awarded(generation=2)]


def test_what_was_applied_is_still_recognized() -> None:
    learner = Learner(TWO_COURSES)
    learner.progress = row("awarded")

    assert learner.passes(course(5)) == ()  # the offsets 0 and 1 are applied
    assert learner.passes(course(5)) == ()
    before = learner.progress
    learner.passes(course(5), id=id(1))

    assert learner.progress.templates == before.templates


@pytest.mark.parametrize(("name", "known"), [("long", 18), ("packed", 257)])
def test_a_long_count_knows_its_values(name: str, known: int) -> None:
    learner = resumed(name, template(passing(count=known + 2, distinct=BY_COURSE)))

    assert learner.passes(course(0), at=400) == ()
    assert learner.passes(course(known - 1), at=400) == ()
    assert learner.passes("one more", at=400) == ()
    (award,) = learner.passes("and another", at=400, id="last")
    assert len(award.because) == known + 2
    assert award.because[3] == ("e3" if name == "long" else id(3))


def test_a_count_in_a_window_goes_on_by_the_times_that_were_kept() -> None:
    learner = resumed("long", template(passing(count=19, distinct=BY_COURSE, within=timedelta(days=18))))

    assert said(learner.passes("one more", at=18)) == [awarded()]


def test_version_1_kept_all_reasons_of_a_badge() -> None:
    ids = [id(n) for n in range(20)]
    old = {"v": 1, "c": "", "p": {}, "i": [], "r": {TWO: {"any": [ids, 5]}}, "b": {TWO: [1, 5, ids[-1], ids]}}

    progress = load(old)

    state = progress.requirement(TWO, "any")
    assert state is not None
    assert (state.moment, texts(state.counted)) == (5, tuple(ids))
    assert texts(progress.badges[TWO].because) == (*ids[:8], *ids[-8:])


def test_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 4"):
        load({"v": 4})

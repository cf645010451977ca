"""Long counts take little space, and a progress at its bound gives up what it can spare."""

from uuid import UUID

import ormsgpack
import pytest

from streams.badges import Progress, Spot, dump, ids_in, load, pruned, texts
from streams.badges.packing import LONG, pack_id
from tests.badges.builders import (
    BY_COURSE,
    ONE,
    THREE,
    TWO,
    Learner,
    awarded,
    failing,
    passing,
    revoked,
    said,
    template,
)

BOUND = 512 * 1024


def uuid(number: int) -> str:
    return str(UUID(int=number << 64 | number))


def size(progress: Progress) -> int:
    return len(ormsgpack.packb(dump(progress)))


def reread(progress: Progress) -> Progress:
    return load(ormsgpack.unpackb(ormsgpack.packb(dump(progress))))


def counting(learner: Learner, matches: int) -> None:
    for number in range(matches):
        learner.passes(f"course-v1:University+Course{number}+2026", id=uuid(number))


def test_ten_counts_of_a_thousand_fit_while_they_count_and_afterwards() -> None:
    many = [template(passing(count=1_000, distinct=BY_COURSE), id=str(UUID(int=n))) for n in range(10)]
    learner = Learner(*many)

    counting(learner, 999)
    assert size(learner.progress) < BOUND
    learner.progress = reread(learner.progress)
    [first, *others] = learner.passes("course-v1:University+Last+2026", id=uuid(1_000))

    assert len(others) == 9
    assert first.because == (*map(uuid, range(999)), uuid(1_000))
    assert size(learner.progress) < BOUND // 2


def test_templates_that_count_the_same_share_what_they_count() -> None:
    many = [template(passing(count=1_000), id=str(UUID(int=n))) for n in range(50)]
    learner = Learner(*many)

    counting(learner, 600)

    assert size(learner.progress) < 30_000
    assert reread(learner.progress) == learner.progress


def test_a_packed_count_goes_on_as_the_unpacked_one() -> None:
    learner = Learner(template(passing(count=2 * LONG, distinct=BY_COURSE)))
    counting(learner, LONG + 10)
    learner.progress = reread(learner.progress)

    for number in range(LONG + 10):
        assert learner.passes(f"course-v1:University+Course{number}+2026", id="again") == ()
    for number in range(LONG - 11):
        assert learner.passes(f"course-v1:Other+Course{number}+2026") == ()
    assert said(learner.passes("course-v1:Other+Last+2026")) == [awarded()]


def test_a_long_count_that_becomes_short_again_still_knows_its_values() -> None:
    lost = failing(resets=("any",))
    learner = Learner(template(passing(count=LONG + 2, distinct=BY_COURSE), penalties=(lost,)))
    for number in range(LONG + 1):
        learner.passes(f"course{number}", at=number)
    learner.fails(at=LONG - 1)

    assert learner.passes(f"course{LONG}", at=LONG) == ()
    for number in range(LONG):
        assert learner.passes(f"other{number}", at=LONG) == ()
    assert said(learner.passes("last", at=LONG)) == [awarded()]


@pytest.mark.parametrize(
    "values", [range(LONG + 1), [n / 2 for n in range(LONG + 1)], [f"c{n}" for n in range(LONG + 1)]]
)
def test_values_of_every_kind_are_told_apart_when_they_are_packed(values: list[str | float]) -> None:
    learner = Learner(template(passing(count=2 * LONG, distinct=Spot(("value",)))))

    def once_more() -> int:
        for number, value in enumerate(values):
            learner.meets(learner.activity(id=uuid(number), data={"is_passing": True, "value": value}))
        state = learner.progress.requirement(template(passing()).id, "any")
        assert state is not None
        return len({key for _, _, key in state.matches})

    assert once_more() == len(values)
    learner.progress = reread(learner.progress)
    assert once_more() == len(values)


def test_ids_that_are_no_uuids_are_kept_as_they_are() -> None:
    learner = Learner(template(passing(count=2 * LONG)))
    for number in range(LONG + 1):
        learner.passes(id=f"{number}")

    assert reread(learner.progress) == learner.progress


def test_a_badge_says_what_it_began_and_ended_with() -> None:
    learner = Learner(template(passing(count=100)))
    counting(learner, 100)

    [badge] = learner.progress.badges.values()
    ids = [pack_id(uuid(n)) for n in range(100)]
    assert ids_in(badge.because) == [*ids[:8], 84, *ids[-8:]]
    assert reread(learner.progress).badges == learner.progress.badges


class TestPruning:
    def learner(self) -> Learner:
        """Has a badge, counts for another template, and for one that has left the catalog."""
        one = template(passing(count=100), penalties=(failing(resets=("any",)),))
        two = template(passing(id="all", count=500), id=TWO)
        learner = Learner(one, two, template(passing(count=500), id=THREE))
        counting(learner, 200)
        return learner

    def pruned(self, progress: Progress, steps: int) -> Progress:
        """After that many steps it fits."""
        known = {ONE: ("any",), TWO: ("all",)}
        asked = iter([*[False] * (steps - 1), True])
        return pruned(progress, known, lambda _: next(asked))

    def test_first_goes_what_the_catalog_does_not_have(self) -> None:
        learner = self.learner()
        before = learner.progress

        after = self.pruned(before, 1)

        assert after.templates == {ONE: before.templates[ONE], TWO: before.templates[TWO]}
        assert after.badges == before.badges

    def test_then_the_middle_of_the_reasons_of_badges_that_are_held(self) -> None:
        learner = self.learner()
        before = learner.progress

        learner.progress = self.pruned(before, 2)

        assert learner.progress.requirement(TWO, "all") == before.requirement(TWO, "all")
        state = learner.progress.requirement(ONE, "any")
        assert state is not None
        assert texts(state.counted) == (uuid(0), uuid(99))
        assert learner.passes(id="more") == ()
        assert said(learner.fails(id="lost")) == [revoked()]

    def test_then_the_older_half_of_the_longest_count_and_the_learner_goes_on(self) -> None:
        learner = self.learner()

        learner.progress = self.pruned(learner.progress, 3)

        state = learner.progress.requirement(TWO, "all")
        assert state is not None
        assert texts(state.ids) == tuple(map(uuid, range(100, 200)))
        for number in range(200, 599):
            assert learner.passes(id=uuid(number)) == ()
        assert said(learner.passes(id=uuid(599))) == [awarded(TWO)]

    def test_what_cannot_be_made_to_fit_is_left_with_what_it_needs(self) -> None:
        after = pruned(self.learner().progress, {}, lambda _: False)

        assert [*after.states] == []
        assert after.badges[ONE].held

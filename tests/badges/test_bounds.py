"""Long counts take little space, and a progress at its bound gives up what it can spare."""

from uuid import UUID

import orjson
import pytest

from streams.badges import Badge, Count, Fulfilment, Progress, dump, load, pruned
from streams.badges.packing import LONG
from tests.badges.builders import (
    COURSE,
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
    return len(orjson.dumps(dump(progress)))


def reread(progress: Progress) -> Progress:
    return load(orjson.loads(orjson.dumps(dump(progress))))


def counting(learner: Learner, matches: int) -> None:
    for number in range(matches):
        learner.passes(f"course-v1:University+Course{number}+2026", id=uuid(number))


def test_ten_counts_of_a_thousand_fit_while_they_count_and_afterwards() -> None:
    many = [template(passing(count=1_000, distinct=COURSE), id=str(UUID(int=n))) for n in range(10)]
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


def test_a_short_progress_is_written_as_version_1() -> None:
    learner = Learner(template(passing(count=20)))
    counting(learner, 16)
    assert dump(learner.progress)["v"] == 1

    learner.passes(id=uuid(16))
    assert dump(learner.progress)["v"] == 2


def test_a_packed_count_goes_on_as_the_unpacked_one() -> None:
    learner = Learner(template(passing(count=2 * LONG, distinct=COURSE)))
    counting(learner, LONG + 10)
    before = learner.progress
    learner.progress = reread(before)

    learner.passes("course-v1:University+Course3+2026", id="again")

    assert dump(before)["v"] == 2
    assert reread(learner.progress).requirements == reread(before).requirements


@pytest.mark.parametrize(
    "values", [range(LONG + 1), [n / 2 for n in range(LONG + 1)], [f"c{n}" for n in range(LONG + 1)]]
)
def test_values_of_every_kind_are_told_apart_when_they_are_packed(values: list[str | float]) -> None:
    learner = Learner(template(passing(count=2 * LONG, distinct=("value",))))

    def once_more() -> int:
        for number, value in enumerate(values):
            learner.meets(learner.activity(id=uuid(number), data={"is_passing": True, "value": value}))
        state = learner.progress.requirement(template(passing()).id, "any")
        assert isinstance(state, Count)
        return len(state.ids)

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
    assert badge.because == (*map(uuid, range(8)), 84, *map(uuid, range(92, 100)))
    assert reread(learner.progress).badges == learner.progress.badges


def test_a_progress_of_version_1_with_all_reasons_is_read() -> None:
    ids = [uuid(n) for n in range(20)]
    old = {"v": 1, "c": "", "p": {}, "i": [], "r": {TWO: {"any": [ids, 5]}}, "b": {TWO: [1, 5, ids[-1], ids]}}

    progress = load(old)

    assert progress.requirements[TWO]["any"] == Fulfilment(5, tuple(ids))
    assert progress.badges[TWO] == Badge(1, 5, ids[-1], (*ids[:8], 4, *ids[-8:]))


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

        assert after.requirements == {ONE: before.requirements[ONE], TWO: before.requirements[TWO]}
        assert after.badges == before.badges

    def test_then_the_middle_of_the_reasons_of_badges_that_are_held(self) -> None:
        learner = self.learner()
        before = learner.progress

        learner.progress = self.pruned(before, 2)

        assert learner.progress.requirement(TWO, "all") == before.requirement(TWO, "all")
        state = learner.progress.requirement(ONE, "any")
        assert isinstance(state, Fulfilment)
        assert state.ids == (uuid(0), uuid(99))
        assert learner.passes(id="more") == ()
        assert said(learner.fails(id="lost")) == [revoked()]

    def test_then_the_older_half_of_the_longest_count_and_the_learner_goes_on(self) -> None:
        learner = self.learner()

        learner.progress = self.pruned(learner.progress, 3)

        state = learner.progress.requirement(TWO, "all")
        assert isinstance(state, Count)
        assert state.ids == tuple(map(uuid, range(100, 200)))
        for number in range(200, 599):
            assert learner.passes(id=uuid(number)) == ()
        assert said(learner.passes(id=uuid(599))) == [awarded(TWO)]

    def test_what_cannot_be_made_to_fit_is_left_with_what_it_needs(self) -> None:
        after = pruned(self.learner().progress, {}, lambda _: False)

        assert after.requirements == {}
        assert after.badges[ONE].held

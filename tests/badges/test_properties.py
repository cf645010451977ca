"""What holds for every catalog and every history."""

import json
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.badges import Activity, Catalog, Progress, counting, decide, judge, take
from streams.bus.activities import activity_of
from streams.catalog import take_catalog
from streams.operate.simulate import simulate
from streams.tracker.rows import pack, unpack
from tests.badges import naive
from tests.badges.worlds import Json, World, shuffled, worlds

thorough = settings(max_examples=400, deadline=None)
quick = settings(max_examples=150, deadline=None)


def rehearsed(catalog: Json, lines: list[Json]) -> list[Json]:
    faults: list[str] = []
    text, raw = json.dumps(catalog), [json.dumps(line).encode() for line in lines]
    found = [json.loads(decision) for decision in simulate(text, raw, faults.append, lambda _: None)]
    assert faults == []
    return found


@thorough
@given(worlds())
def test_the_engine_agrees_with_a_recomputation_of_the_whole_history(world: World) -> None:
    catalog = world.catalogs[0]

    assert rehearsed(catalog, world.lines) == naive.decisions(catalog, world.lines)


@thorough
@given(worlds(catalogs=3))
def test_it_agrees_when_the_catalog_changes_in_between(world: World) -> None:
    catalog = world.catalogs[0]

    assert rehearsed(catalog, world.changing) == naive.decisions(catalog, world.changing)


@thorough
@given(worlds(), st.integers(0, 2**32))
def test_it_agrees_with_catch_ups_in_any_place_and_twice_and_with_orders(world: World, seed: int) -> None:
    catalog, lines = world.catalogs[0], world.caught_up(seed)

    assert rehearsed(catalog, lines) == naive.decisions(catalog, lines)


@thorough
@given(worlds(catalogs=2), st.integers(0, 2**32))
def test_it_agrees_with_imports_in_any_place(world: World, seed: int) -> None:
    catalog, lines = world.catalogs[0], world.brought_along(seed)

    assert rehearsed(catalog, lines) == naive.decisions(catalog, lines)


@thorough
@given(worlds(catalogs=2), st.integers(0, 2**32))
def test_it_agrees_where_little_is_remembered(world: World, seed: int) -> None:
    catalog, lines = world.catalogs[0], world.caught_up(seed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counting, "SPARE", 1)
        found = rehearsed(catalog, lines)

    assert found == naive.decisions(catalog, lines, spare=1)


@quick
@given(worlds(), st.integers(0), st.integers(0))
def test_replaying_any_stretch_changes_nothing(world: World, one: int, other: int) -> None:
    lines, catalog = world.lines, world.catalogs[0]
    start, end = sorted((one % (len(lines) + 1), other % (len(lines) + 1)))
    replayed = [*lines[:end], *lines[start:end], *lines[end:]]

    assert rehearsed(catalog, replayed) == rehearsed(catalog, lines)


@quick
@given(worlds(), st.integers(0))
def test_the_order_of_the_templates_in_the_file_does_not_matter(world: World, seed: int) -> None:
    catalog = world.catalogs[0]

    assert rehearsed(shuffled(Random(seed), catalog), world.lines) == rehearsed(catalog, world.lines)


@quick
@given(worlds(catalogs=3))
def test_each_award_of_a_badge_raises_its_generation_and_is_revoked_once_at_most(world: World) -> None:
    decisions = rehearsed(world.catalogs[0], world.changing)

    for badge in {decision["badge"] for decision in decisions}:
        words = [(d["generation"], d["kind"]) for d in decisions if d["badge"] == badge]
        assert words == sorted(set(words))
        awards = [generation for generation, kind in words if kind == "awarded"]
        assert awards == list(range(1, len(awards) + 1))
        assert {generation for generation, _ in words} == set(awards)


@quick
@given(worlds(catalogs=2))
def test_a_progress_survives_storage(world: World) -> None:
    for catalog, before, activity in activities(world):
        after, _ = judge(catalog, before, activity)

        assert unpack(pack(after, None))[0] == after


@quick
@given(worlds(catalogs=2))
def test_a_progress_becomes_the_same_where_it_is_as_in_a_new_one(world: World) -> None:
    for catalog, before, activity in activities(world):
        row = pack(before, None)
        own, _ = unpack(row)

        after, _ = judge(catalog, before, activity)
        if (judgement := decide(catalog, own, activity)) is not None:
            take(own, judgement)

        assert own == after
        assert pack(before, None) == row


def activities(world: World) -> Iterator[tuple[Catalog, Progress, Activity]]:
    """Each activity, with the catalog that it is judged by and its learner's progress before."""
    progress: dict[int, Progress] = {}
    catalog = take_catalog(world.catalogs[0]).compiled
    for line in world.changing:
        if "catalog" in line:
            catalog = take_catalog(line["catalog"]).compiled
        elif (activity := activity_of(line, catalog.event_types)) is not None:
            before = progress.get(activity.learner, Progress.initial())
            yield catalog, before, activity
            progress[activity.learner], _ = judge(catalog, before, activity)

"""What holds for every catalog and every history."""

import functools
import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.badges import Progress, decide, dump, evolve, judge, load
from streams.bus.activities import activity_of
from streams.catalog import take_catalog
from streams.operate.simulate import simulate
from tests.badges import naive
from tests.badges.worlds import Json, World, shuffled, worlds

thorough = settings(max_examples=600, deadline=None)
quick = settings(max_examples=150, deadline=None)


def rehearsed(catalog: Json, lines: list[Json]) -> list[Json]:
    faults: list[str] = []
    text, raw = json.dumps(catalog), [json.dumps(line).encode() for line in lines]
    found = [json.loads(decision) for decision in simulate(text, raw, faults.append)]
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
def test_awards_and_revocations_of_a_badge_alternate(world: World) -> None:
    decisions = rehearsed(world.catalogs[0], world.changing)

    for badge in {decision["badge"] for decision in decisions}:
        words = [(d["kind"], d["generation"]) for d in decisions if d["badge"] == badge]
        assert words == [(("awarded", "revoked")[n % 2], n // 2 + 1) for n in range(len(words))]


@quick
@given(worlds(catalogs=2))
def test_facts_folded_are_the_progress_that_is_judged_and_survive_storage(world: World) -> None:
    progress: dict[int, Progress] = {}
    catalog = take_catalog(world.catalogs[0]).compiled
    for line in world.changing:
        if "catalog" in line:
            catalog = take_catalog(line["catalog"]).compiled
            continue
        activity = activity_of(line, catalog.event_types)
        if activity is None:
            continue
        before = progress.get(activity.learner, Progress.initial())

        folded = functools.reduce(evolve, decide(catalog, before, activity), before)
        after, _ = judge(catalog, before, activity)

        assert folded == after
        assert load(json.loads(json.dumps(dump(after)))) == after
        progress[activity.learner] = after

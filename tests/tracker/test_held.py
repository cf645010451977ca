"""What a tracker counts: held badges follow the table, and every series is there before its first count."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

from streams import metrics
from streams.badges import Badge, Judgement, Progress, evolve
from streams.kafka.dead_letters import REASONS
from streams.tracker.held import SLICE, Held
from streams.tracker.rows import pack
from tests.tracker.scene import TEMPLATE, tracker


def row(**badges: bool) -> bytes:
    """A progress with these badges, held or revoked."""
    made = {
        id: Badge(1, 1, ["a"], revoked=None if held else 2, revoked_by=None if held else "b")
        for id, held in badges.items()
    }
    return pack(evolve(Progress.initial(), Judgement(None, b"", None, "", {}, made, ())), None)


def shown(template: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("badges_held", {"template": template})


@asynccontextmanager
async def followed(held: Held, partition: int, rows: Mapping[bytes, bytes]) -> AsyncIterator[None]:
    following = asyncio.ensure_future(held.follow(partition, rows))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def until(template: str, count: float) -> None:
    async with asyncio.timeout(5):
        while shown(template) != count:
            await asyncio.sleep(0.005)


async def test_what_a_partition_holds_is_counted_and_leaves_with_it() -> None:
    template = uuid4().hex
    rows = {b"%d" % n: row(**{template: n % 2 == 0}) for n in range(3 * SLICE)}

    async with followed(Held(), 0, rows):
        await until(template, 1.5 * SLICE)

    assert shown(template) == 0


async def test_what_is_decided_while_it_counts_is_counted_once() -> None:
    template, held = uuid4().hex, Held()
    rows = {b"%d" % n: row(**{template: True}) for n in range(2 * SLICE)}

    async with followed(held, 0, rows):
        await until(template, SLICE)
        rows[b"new"] = row(**{template: True})
        held.change(0, {template: 1})

        await until(template, 2 * SLICE + 1)


async def test_a_commit_that_ends_after_its_partition_left_changes_nothing() -> None:
    template, held = uuid4().hex, Held()
    async with followed(held, 0, {b"1": row(**{template: True})}):
        await until(template, 1)

    held.change(0, {template: 1})

    assert shown(template) == 0


async def test_partitions_are_counted_apart() -> None:
    template, held = uuid4().hex, Held()
    rows = {b"1": row(**{template: True})}

    async with followed(held, 0, rows):
        async with followed(held, 1, rows):
            await until(template, 2)
        await until(template, 1)


async def test_a_series_is_there_before_its_first_count() -> None:
    here = await tracker()

    here.take_catalog()

    series = [("dead_letters", {"agent": a, "reason": r}) for a in ("rekey", "track") for r in REASONS]
    series += [("decisions", {"kind": kind, "template": TEMPLATE}) for kind in ("awarded", "revoked")]
    series += [("records_dropped", {"agent": "rekey", "reason": "no_rule"})]
    series += [("registry_errors", {"kind": kind}) for kind in ("away", "refused", "failed")]
    found = [metrics.REGISTRY.get_sample_value(f"badges_{name}_total", labels) for name, labels in series]
    assert None not in found
    assert shown(TEMPLATE) is not None

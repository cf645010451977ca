"""A unit collects what its batch causes; nothing of it is sent before its body has ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.errors import UnreadableError, WaitNeeded
from streams.kafka import inflate
from streams.kafka.client import partition_of
from streams.kafka.topics import RECORD_OVERHEAD
from streams.runtime import unit as units
from streams.runtime.unit import Batch
from streams.runtime.work import BATCH_BYTES, Outbox, batches
from tests.runtime import fetches
from tests.runtime.fetches import batch
from tests.runtime.world import CHANGELOG, INPUT, OUTPUT, World


async def test_a_unit_reads_what_it_wrote_before_what_is_committed() -> None:
    world = await World().owner()
    await world.work(world.deliver(), ana=b"1", ben=b"1")

    async with world.unit(None) as unit:
        unit.put(b"ana", b"2")
        unit.put(b"ben", None)

        assert [unit.get(key) for key in (b"ana", b"ben", b"cy")] == [b"2", None, None]


async def test_several_writes_of_a_key_are_one_record_of_the_changelog() -> None:
    world = await World().owner()

    async with world.unit(world.deliver()) as unit:
        for number in range(3):
            unit.put(b"ana", b"%d" % number)
    await world.partition.drained()

    assert [(r.topic, r.key, r.value) for r in world.broker.records] == [(CHANGELOG, b"ana", b"2")]


async def test_what_is_written_is_copied_for_its_serializer_may_keep_more_of_it_alive() -> None:
    world = await World().owner()
    value = orjson.dumps({"held": True})

    async with world.unit(None) as unit:
        unit.put(b"ana", value)

        assert unit.get(b"ana") == value
        assert unit.get(b"ana") is not value


async def test_a_record_goes_to_its_keys_partition_with_its_headers() -> None:
    world = await World().owner()
    headers = [("ce_id", b"1"), ("ce_type", b"t")]

    async with world.unit(None) as unit:
        unit.send(OUTPUT, key=b"badge", value=b"v", headers=tuple(headers))
        unit.send(OUTPUT, key=b"badge", value=None, partition=2)
    await world.partition.drained()

    first, second = sorted(world.broker.records, key=lambda r: r.value is None)
    assert first == (OUTPUT, partition_of(b"badge", 4), b"badge", b"v", tuple(headers))
    assert second == (OUTPUT, 2, b"badge", None, ())


async def test_no_transaction_is_open_while_a_unit_works() -> None:
    world = await World().owner()

    async with world.unit(world.deliver()) as unit:
        unit.send(OUTPUT, key=None, value=b"v")
        await asyncio.sleep(0)
        assert "begin" not in world.broker.did
    await world.partition.drained()

    assert "begin" in world.broker.did


async def test_units_of_a_partition_come_one_after_another() -> None:
    world = await World().owner()
    async with world.unit(None) as first:
        second = asyncio.ensure_future(world.work(None, ana=b"2"))
        await asyncio.sleep(0)
        assert first.get(b"ana") is None
        first.put(b"ana", b"1")

    await second

    assert [r.value for r in world.broker.records] == [b"1", b"2"]


class TestTooLarge:
    async def test_a_record_that_the_topic_does_not_take_is_refused_when_it_is_sent(self) -> None:
        world = await World().owner()
        largest = 10_000 - RECORD_OVERHEAD - len(b"key") - len(b"ce_id" + b"v") - 4

        async with world.unit(None) as unit:
            unit.send(OUTPUT, key=b"key", value=b"x" * largest, headers=[("ce_id", b"v")])
            with pytest.raises(UnreadableError) as refusal:
                unit.send(OUTPUT, key=b"key", value=b"x" * (largest + 1), headers=[("ce_id", b"v")])

        assert refusal.value.reason == "too_large"

    async def test_a_headers_name_counts_by_its_bytes(self) -> None:
        world = await World().owner()
        fits = 10_000 - RECORD_OVERHEAD - 4

        async with world.unit(None) as unit:
            unit.check_size(OUTPUT, None, None, [("é" * (fits // 2), b"")])
            with pytest.raises(UnreadableError):
                unit.check_size(OUTPUT, None, None, [("é" * (fits // 2 + 1), b"")])

    async def test_a_value_of_the_table_leaves_room_for_its_key(self) -> None:
        world = await World().owner()

        async with world.unit(None) as unit:
            assert unit.value_bytes == 10_000 - 2 * RECORD_OVERHEAD


class TestItsBody:
    async def test_an_exception_of_it_is_passed_on_and_nothing_committed(self) -> None:
        world = await World().owner()

        async def failing() -> None:
            async with world.unit(world.deliver()) as unit:
                unit.put(b"ana", b"1")
                raise LookupError

        with pytest.raises(LookupError):
            await failing()
        await world.partition.drained()

        assert (world.broker.rows, world.at) == ({}, 0)


@dataclass
class Noting:
    """Steps that note the offsets they take; the record at `needs` waits until `come`."""

    needs: int | None = None
    come: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[int] = field(default_factory=list)
    aside: list[tuple[int, str]] = field(default_factory=list)

    def step(self, record: ConsumerRecord) -> None:
        if record.offset == self.needs and not self.come.is_set():
            raise WaitNeeded("a schema", self._until)
        self.taken.append(record.offset)

    def set_aside(self, record: ConsumerRecord, error: UnreadableError) -> None:
        assert record.value is None
        self.aside.append((record.offset, error.reason))

    async def _until(self) -> None:
        await self.come.wait()


class TestARecordThatNeedsSomethingFirst:
    async def test_what_is_before_it_is_committed_and_its_partition_waits(self) -> None:
        world = await World().owner()
        steps = Noting(needs=1)

        await self._unit(world, world.deliver((0, 1, 2)), steps)

        assert (steps.taken, world.at) == ([0], 1)
        assert (world.partition.state, world.partition.waits_for) == ("idle", "a schema")

    async def test_it_and_what_follows_come_once_that_is_there(self) -> None:
        world = await World().owner()
        steps = Noting(needs=1)
        fetched = fetches.fetched(batch((0, 1, 2)))
        await self._unit(world, world.deliver_rest(fetched), steps)
        woken = world.worker.woken

        steps.come.set()
        await _until(lambda: not world.partition.waits_for)
        await self._unit(world, world.deliver_rest(fetched), steps)

        assert world.worker.woken > woken
        assert (steps.taken, world.at) == ([0, 1, 2], 3)

    async def test_it_counts_as_read_when_its_step_was_taken(self) -> None:
        world = await World().owner()
        delivered = world.deliver((0, 1, 2))

        await self._unit(world, delivered, Noting(needs=1))

        assert (delivered.taken, delivered.position) == (1, 1)

    async def test_a_partition_that_is_taken_away_no_longer_waits(self) -> None:
        world = await World().owner()
        await self._unit(world, world.deliver(), Noting(needs=0))

        world.partition.suspend()
        await world.keep()

        assert world.partition.waits_for == ""
        assert world.worker.failures == []

    async def test_waiting_for_others_is_no_lag_without_a_commit(self) -> None:
        world = await World().owner()
        await self._unit(world, world.deliver(), Noting(needs=0))

        world.partition.seen_lagging(True, 10.0)

        assert world.partition.lagging_since is None

    async def _unit(self, world: World, delivered: Batch, steps: Noting) -> None:
        async with world.unit(delivered):
            delivered.work_off(steps)
        await world.partition.drained()


async def test_a_batch_that_is_not_unpacked_is_set_aside_as_one_record_and_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inflate, "MOST_BYTES", 10)
    world = await World().owner()
    steps = Noting()
    sealed = batch(range(1, 100), compression=1)
    delivered = world.deliver_rest(fetches.fetched(batch((0,)), sealed, batch((100,))))

    async with world.unit(delivered):
        delivered.work_off(steps)
    await world.partition.drained()

    assert (steps.taken, steps.aside, world.at) == ([0, 100], [(99, "bad_batch")], 101)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(1):
        while not holds():
            await asyncio.sleep(0)


async def test_what_is_to_be_done_after_the_commit_is_done_then_and_once() -> None:
    world = await World().owner()
    done: list[int | None] = []

    async with world.unit(world.deliver()) as unit:
        unit.after_commit.append(lambda: done.append(world.at))
        assert done == []
    await world.partition.drained()
    await world.work(world.deliver((3,)))

    assert done == [0]
    assert unit.after_commit == []


async def test_a_batch_gives_no_more_records_than_a_unit_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "UNIT_RECORDS", 2)
    world = await World().owner()
    fetched = fetches.fetched(batch((0, 1, 2)))
    delivered = world.deliver_rest(fetched)

    assert [record.offset for record in delivered] == [0, 1]
    assert (delivered.taken, delivered.position) == (2, 2)
    assert [record.offset for record in Batch(world.partition, fetched)] == [2]


async def test_a_batch_gives_no_more_records_once_a_unit_has_taken_its_time() -> None:
    world = await World().owner()
    fetched = fetches.fetched(batch((0, 1, 2)))
    times = iter((10.0, 10.1, 10.0 + units.UNIT_SECONDS))
    world.partition.deliver(fetched, 1)
    delivered = Batch(world.partition, fetched, now=lambda: next(times))

    await world.work(delivered)

    assert (delivered.taken, world.at) == (2, 2)
    assert [record.offset for record in world.deliver_rest(fetched)] == [2]


async def test_the_records_that_an_agent_took_are_counted() -> None:
    world = await World().owner()
    before = _read()

    await world.work(world.deliver((0, 1, 2)))

    assert _read() == before + 3


def test_the_records_of_several_units_fill_as_many_batches_as_they_need() -> None:
    outboxes = [Outbox(), Outbox()]
    for outbox, partition in zip((0, 0, 1, 1, 1), (0, 1, 1, 0, 0), strict=True):
        outboxes[outbox].add(OUTPUT, partition, b"key", b"x" * (BATCH_BYTES // 3), [])

    filled = batches(outboxes, {OUTPUT: 10 * BATCH_BYTES})

    assert [(partition, batch.record_count()) for _, partition, batch in filled] == [(0, 2), (0, 1), (1, 2)]
    assert [outbox.count for outbox in outboxes] == [2, 3]


def _read() -> float:
    return metrics.REGISTRY.get_sample_value("badges_records_read_total", {"topic": INPUT}) or 0.0

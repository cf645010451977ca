"""Badge events brought to a real Redis: once each, whoever was there, and again where Redis lost them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.bridge.carrying import Carrying
from streams.bridge.cursor import Loss
from streams.bridge.sink import Sink
from streams.runtime.app import App
from streams.runtime.fetched import Fetched
from streams.runtime.unit import Batch
from streams.sandbox.redis import Redis
from streams.settings import Settings
from tests.bridge.scene import STREAM, Scene, until
from tests.bus.memory import record
from tests.bus.messages import message
from tests.runtime.world import Broker

AWARDED = message("badge_awarded.credly")
PASSED = message("course_passing_status_updated.as_lms_emits")
PLACES = f"badge-streams:bridge:{STREAM}"
FIELDS = ["type", "id", "source", "time", "minorversion", "sourcehost", "sourcelib", "event_data"]


class Given:
    """Records as they were fetched, and the offset after them."""

    def __init__(self, records: Sequence[ConsumerRecord]) -> None:
        self._records = records
        self.position = records[-1].offset + 1
        self.done = True

    def __iter__(self) -> Iterator[ConsumerRecord]:
        return iter(self._records)

    def drop(self) -> None:
        """Nothing is held."""


class Carrier(Scene):
    """A bridge that owns a partition of the badge topic."""

    def __init__(self, redis: Redis, broker: Broker | None = None) -> None:
        super().__init__(redis, broker, source=AWARDED.attributes["ce_source"])
        self.bridge.app = cast(App, self.world.worker)
        self.sink = Sink(self.bridge.redis, STREAM, PLACES, max_len=10_000)

    def batch(self, records: Sequence[ConsumerRecord]) -> Batch:
        """What the agent is given."""
        given = cast(Fetched, Given(records))
        self.world.partition.deliver(given, 1)
        return Batch(self.world.partition, given, now=lambda: 0.0)  # however slow the machine is

    async def carry(self, records: Sequence[ConsumerRecord]) -> None:
        """As the agent does it, with its commit."""
        batch = self.batch(records)
        await Carrying(self.bridge, self.sink, batch).carry()
        async with self.world.unit(batch):
            pass
        await self.world.partition.drained()

    async def entries(self) -> list[dict[str, bytes]]:
        """What is in the stream."""
        found = await self.redis.execute_command("XRANGE", STREAM, "-", "+")
        return [dict(zip(map(bytes.decode, f[::2]), f[1::2], strict=True)) for _, f in found]

    async def ids(self) -> list[int]:
        """Which records the entries in the stream were made of."""
        return [int(entry["id"][-12:]) for entry in await self.entries()]


def awarded(*offsets: int, **others: bytes) -> list[ConsumerRecord]:
    """Badge events at these offsets, with ids that say so, and other headers where they are given."""

    def at(offset: int) -> ConsumerRecord:
        changed = {"ce_id": b"00000000-0000-0000-0000-%012d" % offset, **others}
        headers = [(name, changed.get(name, value)) for name, value in AWARDED.headers]
        return record(AWARDED.value, headers, offset=offset)

    return [at(offset) for offset in offsets]


@asynccontextmanager
async def carrier(redis: Redis, broker: Broker | None = None) -> AsyncIterator[Carrier]:
    made = Carrier(redis, broker)
    await made.world.keep()
    try:
        yield made
    finally:
        await made.close()


async def test_a_badge_event_becomes_the_entry_that_event_bus_redis_writes(redis_server: Redis) -> None:
    async with carrier(redis_server) as here:
        await here.carry(awarded(0))

        [entry] = await here.entries()
        assert list(entry) == FIELDS
        assert entry["event_data"] == AWARDED.avro
        said = {name.removeprefix("ce_"): value for name, value in AWARDED.headers}
        assert entry == {
            **{name: said[name] for name in FIELDS[:-1]},
            "id": b"00000000-0000-0000-0000-000000000000",
            "event_data": AWARDED.avro,
        }


async def test_what_is_not_ours_is_left_out(redis_server: Redis) -> None:
    foreign = [
        *awarded(1, ce_source=b"openedx/elsewhere/web"),
        record(PASSED.value, PASSED.headers, offset=2),
        record(None, AWARDED.headers, offset=3),
        record(b"no frame", AWARDED.headers, offset=4),
        record(AWARDED.value, AWARDED.headers[:5], offset=5),
    ]
    async with carrier(redis_server) as here:
        await here.carry([*awarded(0), *foreign, *awarded(6)])

        assert await here.ids() == [0, 6]


async def test_what_was_added_before_a_bridge_died_is_not_added_again(redis_server: Redis) -> None:
    async with carrier(redis_server) as first:
        await Carrying(first.bridge, first.sink, first.batch(awarded(0, 1, 2))).carry()
    async with carrier(redis_server, first.world.broker) as second:
        await second.carry(awarded(0, 1, 2, 3))

        assert await second.ids() == [0, 1, 2, 3]


async def test_a_bridge_that_comes_late_adds_only_what_its_successor_has_not(redis_server: Redis) -> None:
    async with carrier(redis_server) as late, carrier(redis_server) as successor:
        stopped = late.batch(awarded(0, 1, 2, 4))
        await successor.carry(awarded(0, 1, 2))
        await Carrying(late.bridge, late.sink, stopped).carry()
        await successor.carry(awarded(3, 4, 5))

        assert await successor.ids() == [0, 1, 2, 4, 5]


async def test_two_that_add_at_the_same_time_add_each_once(redis_server: Redis) -> None:
    async with carrier(redis_server) as one, carrier(redis_server) as other:
        records = awarded(*range(2_000))
        batches = [Carrying(here.bridge, here.sink, here.batch(records)) for here in (one, other)]
        await asyncio.gather(*(carrying.carry() for carrying in batches))

        assert await one.ids() == list(range(2_000))


async def test_a_batch_that_was_taken_away_is_not_begun(redis_server: Redis) -> None:
    async with carrier(redis_server) as here:
        batch = here.batch(awarded(0))
        here.world.partition.suspend()
        await Carrying(here.bridge, here.sink, batch).carry()

        assert await here.ids() == []


async def test_what_redis_has_lost_is_added_again_from_kafka(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = awarded(*range(1_203))

    @asynccontextmanager
    async def reader(settings: Settings) -> AsyncIterator[None]:
        yield None

    async def records(_: None, tp: TopicPartition, begin: int, end: int) -> AsyncIterator[ConsumerRecord]:
        for one in kept[begin:end]:
            yield one

    monkeypatch.setattr("streams.bridge.carrying.reader", reader)
    monkeypatch.setattr("streams.bridge.carrying.records", records)
    async with carrier(redis_server) as here:
        await here.carry(kept[:2])
        copies = [await here.redis.execute_command("DUMP", key) for key in (STREAM, PLACES)]
        await here.carry(kept[2:1_200])
        for key, copy in zip((STREAM, PLACES), copies, strict=True):
            await here.redis.execute_command("RESTORE", key, 0, copy, "REPLACE")
        await here.carry(kept[1_200:])

        assert await here.ids() == list(range(1_203))
        assert here.bridge.losses == []


async def test_where_redis_has_lost_all_it_is_counted_and_goes_on(redis_server: Redis) -> None:
    async with carrier(redis_server) as here:
        await here.carry(awarded(0, 1))
        await here.redis.execute_command("FLUSHALL")
        await here.carry(awarded(2))

        assert await here.ids() == [2]
        assert here.bridge.losses == [Loss("evicted", 0)]


async def test_a_stream_keeps_about_as_many_entries_as_it_is_to_keep(redis_server: Redis) -> None:
    async with carrier(redis_server) as here:
        here.sink = Sink(here.bridge.redis, STREAM, PLACES, max_len=500)
        await here.carry(awarded(*range(2_000)))

        assert 500 <= len(await here.ids()) < 1_000


@pytest.mark.parametrize(
    ("trouble", "cure", "said"),
    [
        ("SET %s text", "DEL %s", "WRONGTYPE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "its memory is full"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "it is a replica that may not be written to"),
        ("ACL SETUSER default -xadd", "ACL SETUSER default +xadd", "run this command"),
    ],
)
async def test_a_redis_in_trouble_is_waited_for_and_nothing_is_lost(
    redis_server: Redis, trouble: str, cure: str, said: str
) -> None:
    async with carrier(redis_server) as here:
        await here.redis.execute_command(*(trouble.replace("%s", STREAM).split()))
        carried = asyncio.ensure_future(here.carry(awarded(0, 1)))
        await until(lambda: said in str(here.bridge.describe()["redis"]))
        assert here.world.partition.waits_for == "Redis"
        await here.redis.execute_command(*(cure.replace("%s", STREAM).split()))
        await carried

        assert await here.ids() == [0, 1]
        assert here.world.partition.waits_for == ""

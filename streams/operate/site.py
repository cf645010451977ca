"""A site as an operator's command sees it, opened once: what each topic holds, and the catalog in force."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.errors import ConfigurationError
from streams.kafka import client, insides
from streams.kafka.changelog import read
from streams.kafka.checks import HOW_TO_MAKE
from streams.kafka.topics import topics
from streams.operate.meter import NO_METER, Meter
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.catalog.in_force import CatalogInForce, Revision

MERGED_BYTES = 8 * 1024 * 1024
"""Of all partitions together at once, where they are merged: a command may take 200 MiB, of which Python and
its modules are 70, and a record is several times as large once it is read."""
MERGED_RECORDS = 200
"""Read ahead of each partition that is merged: enough that waiting for a fetch is seldom felt."""
POLL_MS = 500
"""How long to wait for records; what is asked for is there, so it is seldom felt."""


@asynccontextmanager
async def site(settings: Settings) -> AsyncIterator["Site"]:
    """The site that `settings` name."""
    async with AsyncExitStack() as stack:
        yield Site(settings, stack)


class Site:
    """One consumer and one admin client, each opened when it is first needed, and one question at a time.

    Only what was committed is seen.
    """

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings = settings
        self.topics = topics(settings)
        self._stack = stack
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def consumer(self) -> AIOKafkaConsumer:
        """A consumer of no group that fetches nothing."""
        if self._consumer is None:
            self._consumer = await self._stack.enter_async_context(client.reader(self.settings))
            await client.reachable(self._consumer, self.settings)
        assert self._consumer is not None
        # Else it goes on fetching what was read last, and a broker answers each question only after a fetch.
        self._consumer.pause(*self._consumer.assignment())
        return self._consumer

    async def admin(self) -> AIOKafkaAdminClient:
        """The admin client."""
        if self._admin is None:
            await self.consumer()  # finds out whether the brokers can be reached
            self._admin = await self._stack.enter_async_context(client.admin(self.settings))
        return self._admin

    async def catalog(self) -> "CatalogInForce":
        """The catalog in force; raise `ConfigurationError` where there is none."""
        from streams.catalog.in_force import CatalogInForce  # dear, and not every command wants it

        catalog = CatalogInForce(self.settings, self.topics.catalog.name)
        await catalog.load_from(await self.consumer())
        return catalog

    async def catalogs(self) -> "list[Revision]":
        """Every catalog that was published, oldest first."""
        from streams.catalog.in_force import history

        return await history(await self.consumer(), self.topics.catalog.name)

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions, in order; empty where the topic does not exist."""
        return await client.partitions_of(await self.consumer(), topic)

    async def existing(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions, in order; raise `ConfigurationError` where the topic does not exist."""
        found = await self.partitions(topic)
        if not found:
            ours = any(topic == known.name for known in self.topics.all if known.ours)
            raise ConfigurationError(f"topic {topic} does not exist{HOW_TO_MAKE if ours else ''}")
        return found

    async def begins(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset of each partition."""
        found: Mapping[TopicPartition, int] = await (await self.consumer()).beginning_offsets(list(tps))
        return found

    async def ends(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after the last committed record of each partition."""
        found: Mapping[TopicPartition, int] = await (await self.consumer()).end_offsets(list(tps))
        return found

    async def since(self, tps: Iterable[TopicPartition], ms: int) -> Mapping[TopicPartition, int]:
        """The offset of each partition's first record of that time or later; its end where there is none."""
        tps = list(tps)
        found = await (await self.consumer()).offsets_for_times(dict.fromkeys(tps, ms))
        ends = await self.ends(tps)
        # Where no record is that young, aiokafka says None, or an offset below zero.
        return {tp: at.offset if (at := found[tp]) and at.offset >= 0 else ends[tp] for tp in tps}

    async def records(self, tp: TopicPartition, begin: int, end: int) -> AsyncGenerator[ConsumerRecord]:
        """The records of a partition from offset `begin` to before `end`."""
        async for record in client.records(await self.consumer(), tp, begin, end):
            yield record

    async def merged(
        self, stretches: Mapping[TopicPartition, tuple[int, int]], meter: Meter = NO_METER
    ) -> AsyncGenerator[ConsumerRecord]:
        """The records of several partitions, each from an offset to before another, merged by timestamp.

        A partition's own order is kept. Memory is bounded, however many there are.
        """
        passed = {tp: begin for tp, (begin, _) in stretches.items()}
        ends = {tp: end for tp, (begin, end) in stretches.items() if begin < end}
        if not ends:
            return
        meter.expect(sum(ends.values()) - sum(passed[tp] for tp in ends))
        size = MERGED_BYTES // len(ends)
        async with client.reader(self.settings, fetch_bytes=size) as consumer:
            insides.read_ahead(consumer)
            consumer.assign(list(ends))
            for tp in ends:
                consumer.seek(tp, passed[tp])
            async for record in merged(consumer, ends):
                tp = TopicPartition(record.topic, record.partition)
                meter.advance(record.offset + 1 - passed[tp])
                passed[tp] = record.offset + 1
                yield record

    async def value(self, topic: str, key: bytes) -> bytes | None:
        """The last value of a key in a compacted topic that exists; None where it has none."""
        tps = await self.existing(topic)
        found = await read(await self.consumer(), tps[client.partition_of(key, len(tps))])
        return found.rows.get(key)

    async def rows(self, topic: str) -> AsyncIterator[tuple[bytes, bytes]]:
        """Each key of a compacted topic that exists with its last value, partition by partition."""
        for tp in await self.existing(topic):
            found = await read(await self.consumer(), tp)
            for row in found.rows.items():
                yield row


async def merged(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> AsyncGenerator[ConsumerRecord]:
    """The records before these offsets of what `consumer` is assigned, merged by timestamp."""
    queues: dict[TopicPartition, deque[ConsumerRecord]] = {tp: deque() for tp in ends}
    heads: list[tuple[int, TopicPartition]] = []
    empty = set(ends)
    while True:
        while empty := await _unread(consumer, empty, ends):
            fetched = await consumer.getmany(*empty, timeout_ms=POLL_MS, max_records=MERGED_RECORDS)
            for tp in list(empty):
                queues[tp].extend(record for record in fetched.get(tp, ()) if record.offset < ends[tp])
                if queues[tp]:
                    heappush(heads, (queues[tp][0].timestamp, tp))
                    empty.discard(tp)
        if not heads:
            return
        _, tp = heappop(heads)
        yield queues[tp].popleft()
        if queues[tp]:
            heappush(heads, (queues[tp][0].timestamp, tp))
        else:
            empty.add(tp)


async def _unread(
    consumer: AIOKafkaConsumer, tps: Iterable[TopicPartition], ends: Mapping[TopicPartition, int]
) -> set[TopicPartition]:
    """The partitions that are not read to their end; the others are fetched no more.

    Asking for records at an end would take as long as nothing comes.
    """
    # `position`, not the last record: control records at the end are never delivered.
    at_end = {tp for tp in tps if await consumer.position(tp) >= ends[tp]}
    consumer.pause(*at_end)
    return set(tps) - at_end

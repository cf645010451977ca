"""Giving orders: written to the streams, and followed by whoever owns the table (decision 0010)."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.errors import FatalError
from streams.headers import Headers
from streams.kafka.client import connection, partition_of, start
from streams.operate.site import Site

PAUSE_SECONDS = 0.2
"""Between two looks at what a worker has committed; a worker follows an order within about as long."""


async def ends(here: Site, topic: str) -> Mapping[TopicPartition, int]:
    return await here.ends(await here.partitions(topic))


async def order(
    here: Site, topic: str, key: bytes, partitions: Iterable[int], headers: Headers
) -> dict[TopicPartition, int]:
    """Write the order to these partitions; return the offsets after it."""
    async with _producer(here) as producer:
        written = [
            await producer.send_and_wait(topic, key=key, headers=list(headers), partition=partition)
            for partition in partitions
        ]
    return {TopicPartition(topic, place.partition): place.offset + 1 for place in written}


async def delete(here: Site, topic: str, keys: Iterable[bytes]) -> None:
    """Delete these keys of a compacted topic that no worker owns a part of."""
    partitions = len(await here.partitions(topic))
    async with _producer(here) as producer:
        for key in keys:
            await producer.send_and_wait(topic, key=key, partition=partition_of(key, partitions))


@asynccontextmanager
async def _producer(here: Site) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**connection(here.settings), enable_idempotence=True)
    await start(producer, here.settings)
    try:
        yield producer
    finally:
        await producer.stop()


async def worked_off(here: Site, group: str, ends: Mapping[TopicPartition, int], within: float) -> None:
    """Return when the group has committed all records before these offsets."""
    try:
        async with asyncio.timeout(within):
            while lagging := await _lagging(here, group, ends):
                if not await _any_record(here, lagging, ends):
                    return
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        topic = next(iter(ends)).topic
        raise FatalError(
            f"{group} has not worked off {topic} within {within:g} s: is it running? "
            "What was ordered so far stays ordered; run the command again"
        ) from None


async def _lagging(here: Site, group: str, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """What is committed, of the partitions where that is less than `ends`."""
    try:
        offsets = await (await here.admin()).list_consumer_group_offsets(group)
    except KafkaError:
        offsets = {}  # its coordinator is on the move
    committed = {tp: offsets[tp].offset if tp in offsets else 0 for tp in ends}
    return {tp: offset for tp, offset in committed.items() if offset < ends[tp]}


async def _any_record(
    here: Site, committed: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> bool:
    """Whether any record is in these ranges, and not only transaction markers, after which nobody commits."""
    begins = await here.begins(committed)
    for tp, offset in committed.items():
        async for _ in here.records(tp, max(offset, begins[tp]), ends[tp]):
            return True
    return False

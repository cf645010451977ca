"""What is on the bus, decoded: a rule's rehearsal on history, as `simulate` reads it."""

import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.badges import Activity
from streams.bus import schemas
from streams.bus.reader import Reader, SchemaNeeded
from streams.bus.registry import Registry
from streams.errors import ConfigurationError, UnreadableError
from streams.kafka.client import partitions_of, reader, records
from streams.kafka.origin import on_the_bus
from streams.kafka.topics import topics
from streams.settings import Settings


async def record(
    settings: Settings,
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    report: Callable[[str], None],
) -> AsyncIterator[bytes]:
    """A JSON line for each activity on the source topics, or those of `names`, partition by partition.

    `since` and `until` bound the records' timestamps (`since <= timestamp < until`). `report` hears of what
    cannot be read.
    """
    registry = Registry(settings)
    await registry.start()
    try:
        bus = Reader(registry, "record", schemas.event_types() - schemas.BADGE_EVENTS)
        async with reader(settings) as consumer:
            wanted = dict.fromkeys(names or (topic.name for topic in topics(settings).sources))
            # All offsets first: aiokafka does not answer about times once it fetches.
            stretches = [s for name in wanted for s in await _stretches(consumer, name, since)]
            after = -math.inf if since is None else _milliseconds(since)
            before = math.inf if until is None else _milliseconds(until)
            for tp, begin, end in stretches:
                async for found in records(consumer, tp, begin, end):
                    if not after <= found.timestamp < before:
                        continue
                    line = await _line(bus, found, settings.source_epoch, report)
                    if line is not None:
                        yield line
    finally:
        await registry.stop()


async def _stretches(
    consumer: AIOKafkaConsumer, topic: str, since: datetime | None
) -> list[tuple[TopicPartition, int, int]]:
    """Each partition with the offsets to begin at and to end before."""
    partitions = await partitions_of(consumer, topic)
    if not partitions:
        raise ConfigurationError(f"topic {topic} does not exist")
    ends = await consumer.end_offsets(partitions)
    begins = await consumer.beginning_offsets(partitions)
    if since is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, _milliseconds(since)))
        # Where no record is that young, aiokafka says None, or an offset below zero.
        begins = {tp: at.offset if (at := found[tp]) and at.offset >= 0 else ends[tp] for tp in partitions}
    return [(tp, begins[tp], ends[tp]) for tp in partitions]


async def _line(
    bus: Reader, record: ConsumerRecord, epoch: int, report: Callable[[str], None]
) -> bytes | None:
    source = on_the_bus(record, epoch).source
    while True:
        try:
            activity = bus.read(record.value, record.headers, source, record.timestamp)
        except SchemaNeeded as needed:
            await bus.fetch(needed.schema_id)
        except UnreadableError as error:
            report(f"{record.topic}-{record.partition} offset {record.offset}: {error}")
            return None
        else:
            return None if activity is None else _json(activity)


def _json(activity: Activity) -> bytes:
    source = activity.source
    return orjson.dumps(
        {
            "type": activity.type,
            "id": activity.id,
            "time": activity.time.isoformat(),
            "source": {"topic": source.topic, "partition": source.partition, "offset": source.offset},
            "data": activity.data,
        }
    )


def _milliseconds(time: datetime) -> int:
    return max(0, int(time.timestamp() * 1000))

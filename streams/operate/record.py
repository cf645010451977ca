"""What is on the bus, decoded: a rule's rehearsal on history, as `simulate` reads it."""

import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import orjson
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Activity
from streams.bus import schemas
from streams.bus.reader import Reader
from streams.bus.registry import Registry
from streams.errors import UnreadableError, WaitNeeded
from streams.kafka.origin import on_the_bus
from streams.operate.site import Site, site
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
    # What was recorded was written long ago: the registry knows its schemas by now, or never will.
    registry = Registry(settings.model_copy(update={"schema_wait_seconds": 0.0}))
    await registry.start()
    try:
        bus = Reader(registry, "record", schemas.event_types() - schemas.BADGE_EVENTS)
        async with site(settings) as here:
            wanted = dict.fromkeys(names or (topic.name for topic in here.topics.sources))
            # All ends first: what arrives while the command runs is not waited for.
            stretches = [s for name in wanted for s in await _stretches(here, name, since)]
            after = -math.inf if since is None else _milliseconds(since)
            before = math.inf if until is None else _milliseconds(until)
            for tp, begin, end in stretches:
                async for found in here.records(tp, begin, end):
                    if not after <= found.timestamp < before:
                        continue
                    line = await _line(bus, found, settings.source_epoch, report)
                    if line is not None:
                        yield line
    finally:
        await registry.stop()


async def _stretches(here: Site, topic: str, since: datetime | None) -> list[tuple[TopicPartition, int, int]]:
    """Each partition with the offsets to begin at and to end before."""
    tps = await here.existing(topic)
    ends = await here.ends(tps)
    begins = await (here.begins(tps) if since is None else here.since(tps, _milliseconds(since)))
    return [(tp, begins[tp], ends[tp]) for tp in tps]


async def _line(
    bus: Reader, record: ConsumerRecord, epoch: int, report: Callable[[str], None]
) -> bytes | None:
    source = on_the_bus(record, epoch).source
    while True:
        try:
            activity = bus.read(record.value, record.headers, source, record.timestamp)
        except WaitNeeded as needed:
            await needed.until()
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

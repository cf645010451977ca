"""What a partition's new owner reads before it begins: its table, and where to go on."""

import logging
import time
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.kafka import reader

if TYPE_CHECKING:
    from streams.runtime.app import App
    from streams.settings import Settings

log = logging.getLogger(__name__)


async def read_table(settings: "Settings", changelog: str, partition: int) -> dict[bytes, bytes]:
    """The last committed value of each key in a changelog's partition; deleted keys are left out.

    Nobody may be writing: the caller has fenced the previous owner, whose open transaction is thereby
    ended, so the high watermark is the end of what will ever be read.
    """
    began = time.monotonic()
    state: dict[bytes, bytes] = {}
    count = 0
    tp = TopicPartition(changelog, partition)
    async with reader(settings) as consumer:
        # Asked before the assignment: aiokafka's fetcher must not change its isolation while it fetches.
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.beginning_offsets([tp]))[tp]
        consumer.assign([tp])
        consumer.seek(tp, begin)
        # `position`, not the last record: control records at the end are never delivered.
        while (await consumer.position(tp)) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                count += len(records)
                for record in records:
                    if record.value is None:
                        state.pop(record.key, None)
                    else:
                        state[record.key] = record.value
    seconds = time.monotonic() - began
    metrics.RECOVERY_SECONDS.labels(changelog, str(partition)).set(seconds)
    metrics.RECOVERY_RECORDS.labels(changelog).inc(count)
    log.info("%s-%d: %d records, %d keys in %.1f s", changelog, partition, count, len(state), seconds)
    return state


async def committed_offset(app: "App", tp: TopicPartition) -> int | None:
    """What the group has committed for `tp`; None for nothing."""
    committed = await _committed(app, tp)
    return int(committed.offset) if committed else None


async def starting_offset(app: "App", tp: TopicPartition, keys: int) -> int:
    """Where the owner of `tp` begins, whose table holds `keys` keys.

    Raises `FatalError` where going on would lose something in silence: the topic was made anew below
    the committed offset, or the table's changelog no longer holds what it held at the last commit.
    """
    begin, end = await bounds(app, tp)
    committed = await _committed(app, tp)
    if committed is None:
        return begin
    epoch, kept = _parse(committed.metadata)
    if epoch < app.epoch_of(tp.topic):
        log.warning("%s-%d: begins anew, the source epoch was raised", tp.topic, tp.partition)
        return begin
    if keys < kept:
        raise FatalError(
            f"{tp.topic}-{tp.partition}: its table holds {keys} keys, at the last commit it held {kept}: "
            "the changelog was emptied or made anew"
        )
    return within(tp, int(committed.offset), begin, end)


def within(tp: TopicPartition, offset: int, begin: int, end: int) -> int:
    """`offset`, or `begin` where retention has removed it meanwhile, which is said and counted.

    Raises `FatalError` where the topic ends below `offset`: it is another topic of the same name.
    """
    if offset > end:
        raise FatalError(
            f"{tp.topic}-{tp.partition} ends at {end}, below the committed offset {offset}: the topic was "
            "made anew; raise BADGES_SOURCE_EPOCH to read it from its beginning"
        )
    if offset < begin:
        metrics.GAPS.labels(tp.topic).inc()
        log.error(
            "%s-%d: retention removed offsets %d to %d before they were read",
            tp.topic,
            tp.partition,
            offset,
            begin - 1,
        )
        return begin
    return offset


def metadata(app: "App", tp: TopicPartition, keys: int) -> str:
    """What is committed beside an offset: the source epoch and how many keys the table holds."""
    return f"{app.epoch_of(tp.topic)}:{keys}"


async def bounds(app: "App", tp: TopicPartition) -> tuple[int, int]:
    """The first offset of `tp` and the one behind its last committed record."""
    begin = await app.kafka_consumer.beginning_offsets([tp])
    end = await app.kafka_consumer.end_offsets([tp])
    return int(begin[tp]), int(end[tp])


async def _committed(app: "App", tp: TopicPartition) -> OffsetAndMetadata | None:
    try:
        offsets = await app.kafka_consumer._coordinator.fetch_committed_offsets([tp])
    except KafkaError as error:
        raise FatalError(f"{tp.topic}-{tp.partition}: committed offset cannot be read: {error!r}") from error
    return offsets.get(tp)


def _parse(text: str) -> tuple[int, int]:
    epoch, _, keys = (text or "").partition(":")
    return (int(epoch), int(keys)) if epoch.isdigit() and keys.isdigit() else (0, 0)

"""What a partition's new owner reads before it begins: where to go on, and whether that loses anything."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.runtime.host import Host

log = logging.getLogger(__name__)

METADATA_BYTES = 4_000
"""Brokers accept 4,096 by default (`offset.metadata.max.bytes`)."""

Read = Mapping[tuple[str, int], tuple[int, int]]
"""For each topic and partition of a source, the epoch and the highest offset that reached a table."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A committed offset and its metadata: source epoch, the table's keys, how far sources were read.

    `owner` is the transactional id of the worker that may go on from here: empty where it has finished, None
    where nothing says so.
    """

    offset: int
    epoch: int = 0
    keys: int = 0
    read: Read = field(default_factory=dict)
    owner: str | None = None


async def last_commit(host: Host, tp: TopicPartition) -> Commit | None:
    """What the group has committed for `tp`; None if nothing."""
    return (await _commits(host, [tp])).get(tp)


async def starting_offset(host: Host, tp: TopicPartition, last: Commit | None, keys: int) -> int:
    """Where the owner of `tp` begins, if its table holds `keys` keys and its last commit is `last`.

    Raises `FatalError` where going on would silently lose something: the topic was deleted and created again,
    or the table's changelog no longer holds what it held at the last commit.
    """
    begin, end = await bounds(host, tp)
    if last is None:
        # A topic that is deleted takes the group's offsets with it.
        read = await _read_of(host, tp)
        if read is not None and read >= end:
            raise _created_again(host, tp, end, read + 1)
        return begin
    if last.epoch < host.epoch_of(tp.topic):
        log.warning("%s-%d: begins at the beginning, the source epoch was raised", tp.topic, tp.partition)
        return begin
    if keys < last.keys:
        raise FatalError(
            f"{tp.topic}-{tp.partition}: its table holds {keys} keys, at the last commit it held "
            f"{last.keys}: the changelog was emptied or created again"
        )
    return within(host, tp, last.offset, begin, end)


def within(host: Host, tp: TopicPartition, offset: int, begin: int, end: int) -> int:
    """`offset`, or `begin` if retention has removed `offset`; a gap is logged and counted.

    Raises `FatalError` if the topic ends below `offset`: it is another topic of the same name.
    """
    if offset > end:
        raise _created_again(host, tp, end, offset)
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


def written(commit: Commit) -> OffsetAndMetadata:
    """A commit as Kafka keeps it. Where it grows too long it leaves out how far sources were read."""
    # decision 0007, decision 0069
    kept = {"epoch": commit.epoch, "keys": commit.keys, "owner": commit.owner}
    by_topic: dict[str, dict[str, tuple[int, int]]] = {}
    for (topic, partition), place in commit.read.items():
        by_topic.setdefault(topic, {})[str(partition)] = place
    text = orjson.dumps(kept | {"read": by_topic} if commit.read else kept)
    return OffsetAndMetadata(
        commit.offset, (text if len(text) <= METADATA_BYTES else orjson.dumps(kept)).decode()
    )


async def bounds(host: Host, tp: TopicPartition) -> tuple[int, int]:
    """The first offset of `tp`, and the one after its last committed record."""
    begin = await host.kafka_consumer.beginning_offsets([tp])
    end = await host.kafka_consumer.end_offsets([tp])
    return int(begin[tp]), int(end[tp])


async def _read_of(host: Host, source: TopicPartition) -> int | None:
    """The highest offset of a source, in its present epoch, that reached a table; None if none did."""
    topics = [table.input_topic for table in host.tables.values()]
    inputs = [TopicPartition(topic, p) for topic in topics for p in range(host.partitions[topic])]
    places = [
        commit.read.get((source.topic, source.partition), (-1, -1))
        for commit in (await _commits(host, inputs)).values()
    ]
    epoch = host.epoch_of(source.topic)
    return max((offset for of, offset in places if of == epoch), default=None)


async def _commits(host: Host, tps: list[TopicPartition]) -> dict[TopicPartition, Commit]:
    try:
        offsets = await host.kafka_consumer.commits(tps)
    except KafkaError as error:
        raise FatalError(f"the offsets committed for {tps[0].topic} cannot be read: {error!r}") from error
    return {tp: _parse(offset) for tp, offset in offsets.items()}


def _created_again(host: Host, tp: TopicPartition, end: int, offset: int) -> FatalError:
    ours = any(table.input_topic == tp.topic for table in host.tables.values())
    way_out = (
        f"it is our own: stop the workers and reset the group {host.group}'s offsets of it to the earliest"
        if ours
        else "raise BADGES_SOURCE_EPOCH to read it from its beginning"
    )
    return FatalError(
        f"{tp.topic}-{tp.partition} ends at {end}, below the offset {offset} that was reached: the topic was "
        f"deleted and created again; {way_out}"
    )


def _parse(committed: OffsetAndMetadata) -> Commit:
    """A commit; one that somebody else made (an operator's reset, say) has an offset only."""
    offset = int(committed.offset)
    try:
        kept = orjson.loads(committed.metadata)
        read = {
            (topic, int(partition)): (epoch, read)
            for topic, places in kept.get("read", {}).items()
            for partition, (epoch, read) in places.items()
        }
        return Commit(offset, int(kept["epoch"]), int(kept["keys"]), read, _name(kept.get("owner")))
    except (ValueError, TypeError, LookupError, AttributeError):
        return Commit(offset)


def _name(owner: object) -> str | None:
    if owner is None or isinstance(owner, str):
        return owner
    raise TypeError(owner)

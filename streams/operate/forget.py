"""Forgetting a learner: commands through the streams, for whoever owns a table alone may write to it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.errors import FatalError
from streams.kafka import checks
from streams.kafka.changelog import read_table
from streams.kafka.client import admin, connection, partition_of, partitions_of, reader, records, start
from streams.kafka.orders import FORGET, ORDER
from streams.kafka.topics import Topics, topics
from streams.relay.issuance import Issuance, load
from streams.settings import Settings

PAUSE_SECONDS = 0.2
FOR_EVER_MS = 10_000 * 86_400_000

Say = Callable[[str], None]


async def forget(settings: Settings, learner: int, within: float, say: Say) -> bool:
    """Have the workers forget a learner, and wait for it; return whether nothing is left but what ages out.

    First the tracker, so that it decides nothing more about what was; then the relay, behind the last badge
    event about it. Doing it again does no harm. Raises `FatalError` where a worker has not followed `within`
    so many seconds: its command is written, and it will.
    """
    names = topics(settings)
    await _by_the_tracker(settings, names, learner, within)
    say(f"the tracker has forgotten learner {learner}")
    left = await _by_the_relay(settings, names, learner, within, say)
    say("copies that age out by themselves, at the latest:")
    for line in await _copies(settings, names, datetime.now(UTC)):
        say(f"  {line}")
    return not left


async def _by_the_tracker(settings: Settings, names: Topics, learner: int, within: float) -> None:
    group, activities, key = settings.app_id, names.activities.name, b"%d" % learner
    partitions = await _partitions(settings, activities)
    if not partitions:
        raise FatalError(f"topic {activities} does not exist")
    for topic in names.sources:
        await _worked_off(settings, group, await _ends(settings, topic.name), within)
    behind = await _command(settings, activities, key, [partition_of(key, len(partitions))])
    await _worked_off(settings, group, behind, within)


async def _by_the_relay(
    settings: Settings, names: Topics, learner: int, within: float, say: Say
) -> Mapping[bytes, Issuance]:
    """What the relay's table still holds of the learner."""
    group, decisions = settings.relay_id, names.decisions.name
    partitions = await _partitions(settings, decisions)
    if not partitions:
        say("there is no relay here: nothing is asked of Credly")
        return {}
    await _worked_off(settings, group, await _ends(settings, names.badges.name), within)
    known = await _issuances(settings, names, learner, partitions)
    behind = await _command(settings, decisions, b"%d" % learner, partitions)
    await _worked_off(settings, group, behind, within)
    left = await _deleted(settings, names, learner, within)
    say(f"{len(known.keys() - left.keys())} badges are deleted at Credly and from the relay's table")
    for badge, issuance in left.items():
        why = issuance.refused or issuance.answer or "not yet"
        say(f"badge {badge.decode()} of template {issuance.template} is still there: {why}")
    return left


async def _deleted(settings: Settings, names: Topics, learner: int, within: float) -> dict[bytes, Issuance]:
    """Wait until nothing is left, or Credly has refused what is, or `within` is over; return what is left."""
    partitions: Iterable[int] = await _partitions(settings, names.issuances.name)
    end = asyncio.get_running_loop().time() + within
    while True:
        left = await _issuances(settings, names, learner, partitions)
        is_over = asyncio.get_running_loop().time() > end
        if is_over or all(issuance.refused for issuance in left.values()):
            return left
        await asyncio.sleep(5 * PAUSE_SECONDS)


async def _issuances(
    settings: Settings, names: Topics, learner: int, partitions: Iterable[int]
) -> dict[bytes, Issuance]:
    found: dict[bytes, Issuance] = {}
    key = b"%d" % learner
    for partition in partitions:
        table = await read_table(settings, names.issuances.name, partition)
        issuances = ((badge, load(orjson.loads(raw))) for badge, raw in table.items() if key in raw)
        found |= {badge: issuance for badge, issuance in issuances if issuance.learner == learner}
    return found


async def _copies(settings: Settings, names: Topics, now: datetime) -> list[str]:
    """A line for each topic that the learner's data may still be in, with the day when it is gone."""
    async with admin(settings) as client:
        configs = await checks.configs(client, [topic.name for topic in names.all if topic != names.catalog])
    return [f"{name}: {_gone(config, now)}" for name, config in configs.items()]


def _gone(config: Mapping[str, str], now: datetime) -> str:
    # A record goes with the segment that it is in, and a segment may be written to for so long.
    written = int(config["segment.ms"])
    if "compact" in config["cleanup.policy"]:
        kept = int(config["max.compaction.lag.ms"])
        return "once it is compacted" if kept > FOR_EVER_MS else _day(now, kept)
    kept = int(config["retention.ms"])
    return "never, it keeps its records for ever" if kept < 0 else _day(now, kept + written)


def _day(now: datetime, ms: int) -> str:
    return (now + timedelta(days=1, milliseconds=ms)).date().isoformat()


async def _partitions(settings: Settings, topic: str) -> list[int]:
    async with reader(settings) as consumer:
        return [tp.partition for tp in await partitions_of(consumer, topic)]


async def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    async with reader(settings) as consumer:
        ends = await consumer.end_offsets(await partitions_of(consumer, topic))
    return {tp: int(end) for tp, end in ends.items()}


async def _command(
    settings: Settings, topic: str, key: bytes, partitions: Iterable[int]
) -> dict[TopicPartition, int]:
    """Write the command to these partitions; return the offsets behind it."""
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True)
    await start(producer, settings)
    try:
        headers = [(ORDER, FORGET)]
        written = [
            await producer.send_and_wait(topic, key=key, headers=headers, partition=partition)
            for partition in partitions
        ]
    finally:
        await producer.stop()
    return {TopicPartition(topic, place.partition): place.offset + 1 for place in written}


async def _worked_off(
    settings: Settings, group: str, ends: Mapping[TopicPartition, int], within: float
) -> None:
    """Return when the group has committed all records before these offsets."""
    try:
        async with asyncio.timeout(within), admin(settings) as client:
            while behind := await _behind(client, group, ends):
                if not await _any_record(settings, behind, ends):
                    return
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        topic = next(iter(ends)).topic
        raise FatalError(
            f"{group} has not worked off {topic} within {within:g} s: is it running? "
            "What was commanded so far stays commanded; give the command again"
        ) from None


async def _behind(
    client: AIOKafkaAdminClient, group: str, ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """What is committed where it is less than `ends`."""
    try:
        offsets = await client.list_consumer_group_offsets(group)
    except KafkaError:
        offsets = {}  # its coordinator is on the move
    committed = {tp: offsets[tp].offset if tp in offsets else 0 for tp in ends}
    return {tp: offset for tp, offset in committed.items() if offset < ends[tp]}


async def _any_record(
    settings: Settings, begins: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> bool:
    """Whether there is one: the marks of transactions are none, and nobody commits an offset behind them."""
    for tp, committed in begins.items():
        async with reader(settings) as consumer:
            begin = max(committed, (await consumer.beginning_offsets([tp]))[tp])
            async for _ in records(consumer, tp, begin, ends[tp]):
                return True
    return False

"""What a bridge takes from Redis to the activities, beside `rekey`, which does the same from Kafka."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis as Client

from streams.bridge.cursor import load
from streams.kafka.topics import topics
from streams.sandbox import entries, lms
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.entries import as_entries, press
from streams.sandbox.publisher import Emission
from streams.sandbox.redis import Redis
from tests.bench import worker, workload
from tests.bench.throughput import Bench
from tests.bench.worker import Worker

PARTITIONS = 8


@dataclass(frozen=True, slots=True)
class Bridged:
    """What a run took: processor time of bridge and of tracker, `track` alone, in seconds; the wall's until
    the bridge had given all on, and until all was judged; the bridge's memory at its peak, in bytes.
    """

    bridge: float
    track: float
    given: float
    seconds: float
    memory: int


def events(count: int) -> list[Emission]:
    """As many passing statuses of `workload.events`, as entries."""
    happenings = lms.recalculations(1, count, workload.LEARNERS, workload.COURSES)
    passed = (replace(h, data={**h.data, "is_passing": True}) for h in happenings)
    return list(as_entries(press().publish(passed)))


async def measure(bench: Bench, emissions: Sequence[Emission]) -> Bridged:
    """One run on a fresh Redis and fresh topics: when both workers are ready, all events appear at once."""
    name = f"b{uuid4().hex[:8]}"
    with Redis() as redis:
        on_redis = replace(bench, bus=Bus(bench.bus.kafka, "", redis.url))
        commands = on_redis.commands(name, workload.five_courses(1), PARTITIONS)
        commands.run("topics", "--create")
        hidden = (replace(emission, topic="hidden") for emission in emissions)
        await entries.emit(redis.url, hidden, max_len=2 * len(emissions))
        workers = [
            _started(bench, commands, which, ready) for which, ready in (("bridge", 2), ("tracker", 1))
        ]
        try:
            for one in workers:
                await one.ready()
            return await _measured(bench, commands, redis, workers, len(emissions))
        finally:
            for one in workers:
                one.process.stop()
            await bench.remove(commands)


def _started(bench: Bench, commands: Commands, which: str, topics_read: int) -> Worker:
    log = bench.folder / f"{commands.parsed.topic_prefix}-{which}.log"
    return Worker(commands.start(which, log=log), ": ready at offset", topics_read * PARTITIONS)


async def _measured(
    bench: Bench, commands: Commands, redis: Redis, workers: Sequence[Worker], count: int
) -> Bridged:
    settings, names = commands.parsed, topics(commands.parsed)
    before = [one.cpu for one in workers]
    async with Client.from_url(redis.url) as client:
        await client.rename("hidden", names.streams[0])
    begun = time.monotonic()
    await _given_on(bench.bus.kafka, names.cursors.name, count)
    given = time.monotonic() - begun
    last = await worker.last_records(bench.bus.kafka, names.activities.name, PARTITIONS)
    await worker.committed(bench.bus.kafka, settings.app_id, last, workers[1])
    seconds = time.monotonic() - begun
    bridge, track = (one.cpu - cpu for one, cpu in zip(workers, before, strict=True))
    return Bridged(bridge, track, given, seconds, workers[0].peak_memory)


async def _given_on(kafka: str, cursors: str, count: int) -> None:
    """Wait until a cursor says that so many entries are read."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed")
    async with consumer:
        consumer.assign([TopicPartition(cursors, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        while True:
            found = await consumer.getmany(timeout_ms=100)
            rows = [load(record.value) for records in found.values() for record in records]
            if any(row.last.count == count for row in rows):
                return

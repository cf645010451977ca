"""Processor time per event and events per second, compared with hand-written loops on the same broker."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.kafka.topics import topics
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from tests.bench import worker, workload
from tests.bench.worker import Worker
from tests.bench.workload import Record


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does the work: the tracker with that many templates, or (`templates` 0) a loop with these flags."""

    name: str
    templates: int = 0
    flags: tuple[str, ...] = ("--transactional",)
    workers: int = 1
    partitions: int = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run took: `cpu` and `seconds` in seconds, `memory` in bytes at its peak.

    `forwarded` is what an activity takes on its topic, in bytes.
    """

    events: int
    cpu: float
    seconds: float
    memory: int
    forwarded: float = 0

    @property
    def micros(self) -> float:
        """Processor time of an event in microseconds."""
        return self.cpu / self.events * 1e6

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


@dataclass
class Bench:
    """The bus, and a folder for catalogs and logs."""

    bus: Bus
    folder: Path
    ids: Mapping[str, int] = field(default_factory=dict)

    def commands(self, name: str, catalog: str, partitions: int) -> Commands:
        """The product's commands on fresh topics, which begin with `name`."""
        file = self.folder / f"{name}.json"
        file.write_text(catalog)
        badges = {"BADGES_BADGE_TOPIC": f"{name}-badges", "BADGES_SOURCE_TOPICS": f"{name}-source"}
        return on_bus(self.bus, name, catalog=file, partitions=partitions, **badges)

    def loop_arguments(self, commands: Commands, **more: int) -> dict[str, str | int]:
        """The loop's arguments for the topics of `commands`."""
        names = topics(commands.parsed)
        return {
            "kafka": self.bus.kafka,
            "app": commands.parsed.app_id,
            "source": names.sources[0].name,
            "activities": names.activities.name,
            "changelog": names.progress.name,
            "badges": names.badges.name,
            "partitions": commands.parsed.partitions,
            **more,
        }

    @asynccontextmanager
    async def hidden(self, topic: str, partitions: int, records: Sequence[Record]) -> AsyncIterator["Hidden"]:
        """Write records to the topic that nobody sees until they are shown."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bus.kafka,
            transactional_id=f"{topic}-writer",
            transaction_timeout_ms=600_000,
            max_batch_size=400_000,
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            last = await workload.write(producer, topic, partitions, records)
            yield Hidden(producer, {TopicPartition(topic, p): offset for p, offset in last.items()})
        finally:
            await producer.stop()

    async def remove(self, commands: Commands) -> None:
        """Delete a run's topics: the disk is not part of the measurement."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bus.kafka)
        await admin.start()
        try:
            await admin.delete_topics([t.name for t in topics(commands.parsed).all])
        finally:
            await admin.close()


@dataclass(frozen=True, slots=True)
class Hidden:
    """An open transaction and the last offsets in it."""

    producer: AIOKafkaProducer
    last: Mapping[TopicPartition, int]

    async def show(self) -> None:
        """Make all records visible at once."""
        await self.producer.commit_transaction()


async def measure(bench: Bench, contender: Contender, records: Sequence[Record]) -> Figures:
    """One run on fresh topics: when the workers are ready, all events appear at once."""
    name = f"b{uuid4().hex[:8]}"
    catalog = workload.five_courses(max(1, contender.templates))
    commands = bench.commands(name, catalog, contender.partitions)
    commands.run("topics", "--create", "--all")
    settings, names = commands.parsed, topics(commands.parsed)
    source, activities = names.sources[0].name, names.activities.name
    workers: list[Worker] = []
    try:
        async with bench.hidden(source, contender.partitions, records) as hidden:
            await stand_ready(bench, contender, commands, workers)
            cpu = sum(one.cpu for one in workers)
            await hidden.show()
            begun = time.monotonic()
            rekey, track = groups(contender, settings.app_id)
            await worker.committed(bench.bus.kafka, rekey, hidden.last, workers[0])
            last = await worker.last_records(bench.bus.kafka, activities, contender.partitions)
            await worker.committed(bench.bus.kafka, track, last, workers[0])
            seconds = time.monotonic() - begun
            cpu = sum(one.cpu for one in workers) - cpu
            peak = max(one.peak_memory for one in workers)
            return Figures(len(records), cpu, seconds, peak, await _forwarded(bench, activities))
    finally:
        for one in workers:
            one.process.stop()
        await bench.remove(commands)


async def stand_ready(bench: Bench, contender: Contender, commands: Commands, workers: list[Worker]) -> None:
    """Start the contender's processes one after another, and add them to `workers`."""
    name = commands.parsed.topic_prefix
    for number in range(contender.workers):
        log = bench.folder / f"{name}-{number}.log"
        if contender.templates:
            # Of each of the two topics it has its share, rounded down.
            workers.append(worker.tracker(commands, log, 2 * (contender.partitions // (number + 1))))
        else:
            arguments = bench.loop_arguments(commands)
            workers.append(worker.loop(arguments, log, *contender.flags))
        await workers[-1].ready()


async def _forwarded(bench: Bench, topic: str) -> float:
    """The mean of some activities' keys, values and headers, in bytes; 0 where there are none."""
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=bench.bus.kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        found = await consumer.getmany(timeout_ms=5_000, max_records=1_000)
    records = [record for some in found.values() for record in some]
    size = sum(
        len(record.key) + len(record.value) + sum(len(name) + len(value) for name, value in record.headers)
        for record in records
    )
    return size / max(1, len(records))


def groups(contender: Contender, app: str) -> tuple[str, str]:
    """The consumer groups of the two stages."""
    return (app, app) if contender.templates else (f"{app}-rekey", f"{app}-track")

"""How long a worker takes to recover a number of learners, and how much memory they take."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import uuid4
from zlib import crc32

from aiokafka import AIOKafkaProducer

from streams.badges import Activity, Progress, Source, User, judge
from streams.catalog import load_catalog
from streams.kafka.topics import topics
from streams.sandbox import lms
from streams.tracker.rows import pack
from tests.bench import worker, workload
from tests.bench.throughput import Bench
from tests.bench.workload import Record

PARTITIONS = 8
EVENTS_A_LEARNER = 8
"""Of eight courses, of which five earn the badge: a progress of about 0.5 kB."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the process's start until it is ready, and the bytes of its table and of itself."""

    learners: int
    seconds: float
    values: int
    memory: int


async def measure(bench: Bench, learners: int) -> Recovery:
    """Start a tracker on a changelog with that many learners."""
    name = f"r{uuid4().hex[:8]}"
    commands = bench.commands(name, workload.five_courses(1), PARTITIONS)
    commands.run("topics", "--create", "--all")
    try:
        size = await fill(bench, topics(commands.parsed).progress.name, progresses(learners))
        begun = time.monotonic()
        running = worker.tracker(commands, bench.folder / f"{name}.log", 2 * PARTITIONS)
        try:
            await running.ready()
            return Recovery(learners, time.monotonic() - begun, size, running.memory)
        finally:
            running.process.stop()
    finally:
        await bench.remove(commands)


async def fill(bench: Bench, changelog: str, records: Iterator[Record]) -> int:
    """Write the progress of learners into a changelog; return the bytes of keys and values."""
    size = 0

    def counted() -> Iterator[Record]:
        nonlocal size
        for key, value, headers in records:
            size += len(key) + len(value)
            yield key, value, headers

    producer = AIOKafkaProducer(
        bootstrap_servers=bench.bus.kafka, enable_idempotence=True, max_batch_size=1_000_000
    )
    await producer.start()
    try:
        await workload.write(producer, changelog, PARTITIONS, counted())
    finally:
        await producer.stop()
    return size


def progresses(learners: int) -> Iterator[Record]:
    """Changelog records of learners who have passed a few courses: as the core leaves them, renumbered."""
    catalog = load_catalog(workload.five_courses(1)).compiled
    progress = Progress.initial()
    for number, happening in enumerate(lms.recalculations(1, EVENTS_A_LEARNER, 1, workload.COURSES)):
        data = {**happening.data, "is_passing": True}
        course = data["course"]["course_key"].encode()
        source = Source("bench-learning-badges-lifecycle", crc32(course) % PARTITIONS, 10_000 + number)
        user = User(1_234_567, True, "learner1234567", "learner1234567@example.org", "Ada Lövelace")
        id = f"5f1c7a2e-0000-11f1-8000-{number:012d}"
        activity = Activity(lms.PASSING, id, happening.time, source, user.id, data, user)
        progress, _ = judge(catalog, progress, activity)
    for learner in range(1_000_000, 1_000_000 + learners):
        user = User(learner, True, f"learner{learner}", f"learner{learner}@example.org", "Ada Lövelace")
        yield b"%d" % learner, pack(replace(progress, user=user), None), []

"""How the cost of an event grows with workers, partitions, and what a learner has touched."""

import time
from collections.abc import Iterator, Sequence
from uuid import uuid4
from zlib import crc32

from streams.badges import Activity, Progress, Source, User, judge
from streams.catalog import load_catalog
from streams.kafka.topics import topics
from streams.sandbox import lms
from streams.tracker.rows import pack
from tests.bench import recovery, worker, workload
from tests.bench.throughput import Bench, Contender, Figures
from tests.bench.workload import Record

PARTITIONS = 8
LEARNERS = 1_000
"""So few that each has many events, which then find a large progress in the table."""


async def touched(bench: Bench, requirements: int, count: int) -> tuple[Figures, int]:
    """Measure learners whose progress has that many counted requirements; also returns a value's bytes."""
    name = f"g{uuid4().hex[:8]}"
    catalog = _catalog(requirements)
    commands = bench.commands(name, catalog, PARTITIONS)
    commands.run("topics", "--create", "--all")
    names, app = topics(commands.parsed), commands.parsed.app_id
    source, activities = names.sources[0].name, names.activities.name
    records = list(workload.records(bench.ids, _happenings(count, requirements)))
    try:
        value = _value(catalog, requirements, source)
        await recovery.fill(bench, names.progress.name, _values(value))
        async with bench.hidden(source, PARTITIONS, records) as hidden:
            running = worker.tracker(commands, bench.folder / f"{name}.log", 2 * PARTITIONS)
            try:
                await running.ready()
                cpu = running.cpu
                await hidden.show()
                begun = time.monotonic()
                await worker.committed(bench.bus.kafka, app, hidden.last, running)
                last = await worker.last_records(bench.bus.kafka, activities, PARTITIONS)
                await worker.committed(bench.bus.kafka, app, last, running)
                seconds = time.monotonic() - begun
                return Figures(count, running.cpu - cpu, seconds, running.peak_memory), len(value)
            finally:
                running.process.stop()
    finally:
        await bench.remove(commands)


def contenders() -> Sequence[Contender]:
    """Trackers of one, two and four workers, and on 8, 32 and 128 partitions."""
    return [
        *(Contender(f"{n} worker{'s' * (n > 1)}, 8 partitions", 1, workers=n) for n in (1, 2, 4)),
        *(Contender(f"1 worker, {n} partitions", 1, partitions=n) for n in (32, 128)),
    ]


def _catalog(requirements: int) -> str:
    return workload.catalog(
        [
            {
                "id": workload.template_id(number),
                "organization": workload.ORGANIZATION,
                "name": f"Often {number}",
                "requirements": [workload.passes("often", _course(number), count=1_000)],
            }
            for number in range(requirements)
        ]
    )


def _course(number: int) -> str:
    return f"course-v1:LoadX+Course{number}+2026"


def _happenings(count: int, requirements: int) -> Iterator[lms.Happening]:
    for number in range(count):
        learner = 1_000_000 + number % LEARNERS
        course = lms.course(_course(number % requirements))
        data = {"is_passing": True, "course": course, "user": lms.user(learner)}
        yield lms.Happening(lms.PASSING, lms.TERM_START, learner, data)


def _value(catalog: str, requirements: int, topic: str) -> bytes:
    compiled = load_catalog(catalog).compiled
    progress, user = Progress.initial(), User(1_234_567, True, "learner1234567", "l@example.org", "Ada")
    for number in range(requirements):
        source = Source(f"{topic}-before", crc32(_course(number).encode()) % PARTITIONS, number)
        data = {"is_passing": True, "course": lms.course(_course(number))}
        id = f"5f1c7a2e-0000-11f1-8000-{number:012d}"
        activity = Activity(lms.PASSING, id, lms.TERM_START, source, user.id, data, user)
        progress, _ = judge(compiled, progress, activity)
    return pack(progress, None)


def _values(value: bytes) -> Iterator[Record]:
    for learner in range(1_000_000, 1_000_000 + LEARNERS):
        yield b"%d" % learner, value, []

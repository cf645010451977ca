"""How long it takes from an event to its badge event, at a steady rate."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from statistics import quantiles
from typing import Any
from uuid import uuid4
from zlib import crc32

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from streams.kafka.topics import topics
from streams.sandbox import lms
from streams.sandbox.lms import Happening
from tests.bench import worker, workload
from tests.bench.throughput import Bench, Contender

PARTITIONS = 8
WARM_UP_SECONDS = 4.0
"""Events in them are not counted: caches are empty and connections are made."""
COURSES = tuple(lms.course(f"course-v1:LoadX+Course{number}+2026") for number in range(workload.COURSES))


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in milliseconds at a rate; `busy`: how many of the machine's processors were at work."""

    rate: int
    samples: int
    p50: float
    p95: float
    p99: float
    busy: float


async def measure(bench: Bench, contender: Contender, rates: Sequence[int], seconds: float) -> list[Latency]:
    """Each event is another learner's and earns a badge; `ce_time` is the moment of sending."""
    name = f"l{uuid4().hex[:8]}"
    commands = bench.commands(name, workload.five_courses(1, courses=1), PARTITIONS)
    commands.run("topics", "--create", "--all")
    names = topics(commands.parsed)
    log = bench.folder / f"{name}.log"
    if contender.templates:
        running = worker.tracker(commands, log, 2 * PARTITIONS)
    else:
        arguments = bench.loop_arguments(commands, courses=1)
        running = worker.loop(arguments, log, *contender.flags)
    learners = count(1)
    try:
        await running.ready()
        return [
            await _at(bench, names.sources[0].name, names.badges.name, rate, seconds, learners)
            for rate in rates
        ]
    finally:
        running.process.stop()
        await bench.remove(commands)


async def emit(bench: Bench, source: str, rate: int, seconds: float, learners: "count[int]") -> int:
    """Send events of learners who pass a course, `rate` per second; returns how many."""
    producer = AIOKafkaProducer(bootstrap_servers=bench.bus.kafka)
    await producer.start()
    try:
        begun, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - begun) < seconds:
            due = [_passed(next(learners)) for _ in range(sent, int(elapsed * rate))]
            for key, value, headers in workload.records(bench.ids, due):
                await _send(producer, source, key, value, headers)
            sent += len(due)
            await asyncio.sleep(0.001)
        await producer.flush()
        return sent
    finally:
        await producer.stop()


async def _at(
    bench: Bench, source: str, badges: str, rate: int, seconds: float, learners: "count[int]"
) -> Latency:
    took: list[float] = []
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bench.bus.kafka, isolation_level="read_committed", auto_offset_reset="latest"
    )
    await consumer.start()
    try:
        tps = [TopicPartition(badges, p) for p in range(PARTITIONS)]
        consumer.assign(tps)
        await consumer.seek_to_end(*tps)
        reading = asyncio.ensure_future(_read(consumer, took))
        begun, worked = time.monotonic(), worker.machine_cpu()
        sent = await emit(bench, source, rate, WARM_UP_SECONDS + seconds, learners)
        busy = (worker.machine_cpu() - worked) / (time.monotonic() - begun)
        with suppress(TimeoutError):
            await worker.until(lambda: len(took) >= sent, 30, "badge events are missing")
        reading.cancel()
    finally:
        await consumer.stop()
    measured = sorted(took[int(WARM_UP_SECONDS * rate) :])
    cuts = quantiles(measured, n=100)
    return Latency(rate, len(measured), cuts[49] * 1e3, cuts[94] * 1e3, cuts[98] * 1e3, busy)


async def _read(consumer: AIOKafkaConsumer, took: list[float]) -> None:
    async for record in consumer:
        now = time.time()
        sent = next(value for name, value in record.headers if name == "ce_time")
        took.append(now - datetime.fromisoformat(sent.decode()).timestamp())


async def _send(producer: AIOKafkaProducer, source: str, key: bytes, value: bytes, headers: Any) -> None:
    partition = crc32(key) % PARTITIONS
    await producer.send(source, key=key, value=value, headers=headers, partition=partition)


def _passed(learner: int) -> Happening:
    data = {"is_passing": True, "course": COURSES[learner % len(COURSES)], "user": lms.user(learner)}
    return Happening(lms.PASSING, datetime.now(UTC), learner, data)

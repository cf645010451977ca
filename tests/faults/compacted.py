"""Rare source topics: written in transactions, of which some were aborted, and compacted."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from aiokafka import AIOKafkaProducer

from streams.kafka.client import partition_of
from streams.kafka.topics import topics
from streams.sandbox import lms
from streams.sandbox.audit import read_topic
from streams.sandbox.publisher import Emission, Placed, Publisher
from tests.faults.configs import alter
from tests.faults.run import Run

EVENTS = 8_000
"""Several units of work."""
TRANSACTION = 100
"""Records: so small that a unit has committed and aborted ones in it."""
COMPACTION = {
    "cleanup.policy": "compact",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1000",
}
LIMIT_SECONDS = 120.0
"""A limit, not a wait: the broker compacts when it likes."""


async def compacted_and_transactional(run: Run) -> None:
    """Fill the sources before any tracker reads, and wait until compaction has removed records."""
    settings = run.commands.parsed
    sources = [topic.name for topic in topics(settings).sources]
    for topic in sources:
        await alter(settings, topic, COMPACTION)
    sent = list(islice(_emissions(run), EVENTS))
    written = await _send(run, sent)
    await _compacted(run, sources, written)
    for topic in sources:
        await alter(settings, topic, {"cleanup.policy": "delete"})
    by_bytes = {(e.topic, e.key, e.value, e.headers): e for e in sent}
    for topic in sources:
        for record in await read_topic(settings, topic):
            emission = by_bytes[topic, record.key, record.value, record.headers]
            run.placed.append(Placed(emission, record.partition, record.offset))


def _emissions(run: Run) -> Iterator[Emission]:
    """A term whose records are keyed by learner and course, so that compaction finds some to keep."""
    press = Publisher(run.ids, run.name, seed=7)
    happenings = press.publish(lms.term(7, EVENTS // 40))
    for emission in press.spoil(happenings, repeated=0.03, rubbish=0.02):
        key = b"%s-%d" % (emission.key or b"", emission.happening.learner if emission.happening else 0)
        yield replace(emission, key=key)


async def _send(run: Run, emissions: Sequence[Emission]) -> int:
    """Write in transactions, every fourth of them aborted; returns how many records were committed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=run.cluster.bootstrap,
        transactional_id=run.name,
        **run.cluster.connection(),
    )
    committed = 0
    await producer.start()
    try:
        for number, begin in enumerate(range(0, len(emissions), TRANSACTION)):
            chunk = emissions[begin : begin + TRANSACTION]
            await producer.begin_transaction()
            for emission in chunk:
                await _send_one(producer, emission)
            await producer.flush()
            if number % 4 == 3:
                await producer.abort_transaction()
            else:
                await producer.commit_transaction()
                committed += len(chunk)
    finally:
        await producer.stop()
    return committed


async def _send_one(producer: AIOKafkaProducer, emission: Emission) -> None:
    partitions = await producer.partitions_for(emission.topic)
    await producer.send(
        emission.topic,
        key=emission.key,
        value=emission.value,
        headers=list(emission.headers),
        partition=partition_of(emission.key or b"", len(partitions)),
    )


async def _compacted(run: Run, sources: Sequence[str], written: int) -> None:
    """Wait until compaction has removed records, and then until it removes no more."""
    settings = run.commands.parsed
    async with asyncio.timeout(LIMIT_SECONDS):
        before = written
        while True:
            left = sum([len(await read_topic(settings, topic)) for topic in sources])
            if left == before < written:
                return
            before = left
            await asyncio.sleep(5.0)

"""A bridge as an operator meets it, between a real Redis and a real Kafka."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis as sync
from aiokafka.structs import ConsumerRecord

from streams.bus.entries import Fields
from streams.kafka.client import partitions_of, reader, records
from streams.kafka.topics import topics
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.process import Deadline, Process, tail
from streams.sandbox.redis import Redis
from streams.settings import Settings
from tests import pages
from tests.bus.entries import passed
from tests.here import on_bus
from tests.relay.badge_bus import Word, speaker

CATALOG = Path(__file__).parents[2] / "streams" / "sandbox" / "catalog.yaml"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"


@pytest.fixture
def commands(sandbox: Bus, redis_server: Redis, app_prefix: str, tmp_path: Path) -> Commands:
    """A site whose bus is this Redis, with its topics."""
    redis = {"BADGES_BUS": "redis", "BADGES_REDIS": redis_server.url, "BADGES_REGISTRY": ""}
    source = {"BADGES_SOURCE_TOPICS": ""}
    more = redis | source | pages.shown_to_us(tmp_path)
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=2, **more)
    commands.run("topics", "--create")
    return commands


def test_all_is_there_once_though_a_bridge_is_killed_and_another_one_wakes_after_its_successor(
    commands: Commands, redis_server: Redis, tmp_path: Path
) -> None:
    settings = commands.parsed
    [stream] = topics(settings).streams
    with bridge(commands, tmp_path / "killed") as first:
        add(redis_server, stream, range(1_000))
        say(settings, range(100))
        until(lambda: len(seen(settings)) > 200, first)
        first.kill()
    with bridge(commands, tmp_path / "stopped") as second:
        until(lambda: len(seen(settings)) == 1_000 and len(told(redis_server, stream)) == 100, second)
        second.send(signal.SIGSTOP)
        with bridge(commands, tmp_path / "successor") as third:
            add(redis_server, stream, range(1_000, 2_000))
            say(settings, range(100, 200))
            until(lambda: len(seen(settings)) == 2_000 and len(told(redis_server, stream)) == 200, third)
            second.send(signal.SIGCONT)
            add(redis_server, stream, range(2_000, 2_100))
            say(settings, range(200, 210))
            until(lambda: len(seen(settings)) >= 2_100 and len(told(redis_server, stream)) >= 210, third)

            assert Counter(seen(settings)) == dict.fromkeys(range(2_100), 1)
            assert Counter(told(redis_server, stream)) == Counter(
                str(Word("awarded", TEMPLATE, learner, 1).id) for learner in range(210)
            )
            assert third.stop() == 0


@contextmanager
def bridge(commands: Commands, log: Path) -> Iterator[Process]:
    running = commands.start("bridge", log=log)
    try:
        yield running
    finally:
        running.kill()


def add(redis: Redis, stream: str, learners: range) -> None:
    """Add a passing status of each learner to a stream, as the LMS does."""
    with sync.Redis.from_url(redis.url) as client, client.pipeline(transaction=False) as pipe:
        for learner in learners:
            pipe.execute_command("XADD", stream, "*", *words(passed(learner)))
        pipe.execute()


def words(fields: Fields) -> list[bytes]:
    return [word for field in fields for word in field]


def say(settings: Settings, learners: range) -> None:
    """Put an award for each learner on the badge topic, as the tracker does."""

    async def run() -> None:
        async with speaker(settings) as speaking:
            await speaking.say(Word("awarded", TEMPLATE, learner, 1) for learner in learners)

    asyncio.run(run())


def until(true: Callable[[], bool], running: Process) -> None:
    deadline = Deadline(60, f"not within time: {tail(running.log)}")
    while not true():
        assert running.exit_code is None, tail(running.log)
        deadline.wait()


def seen(settings: Settings) -> list[int]:
    """The learners of all activities."""
    return [int(record.key) for record in asyncio.run(activities(settings))]


async def activities(settings: Settings) -> list[ConsumerRecord]:
    async with reader(settings) as consumer:
        tps = await partitions_of(consumer, topics(settings).activities.name)
        ends = await consumer.end_offsets(tps)
        return [record for tp in tps async for record in records(consumer, tp, 0, ends[tp])]


def told(redis: Redis, stream: str) -> list[str]:
    """The ids of all badge events in a stream."""
    with sync.Redis.from_url(redis.url) as client:
        entries = client.xrange(stream)
    return [fields[b"id"].decode() for _, fields in entries if b"badge" in fields[b"type"]]

"""A bridge as an operator meets it, between a real Redis and a real Kafka."""

import asyncio
import socket
from collections import Counter
from pathlib import Path

from aiokafka.structs import ConsumerRecord

from streams.bus.entries import Fields
from streams.kafka.client import partitions_of, reader, records
from streams.kafka.topics import topics
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.process import Deadline, Process, tail
from streams.sandbox.redis import Redis
from streams.settings import Settings
from tests.bus.entries import passed

CATALOG = Path(__file__).parents[2] / "streams" / "sandbox" / "catalog.yaml"


def test_every_entry_becomes_one_activity_though_bridges_die_and_wake(
    sandbox: Bus, redis_server: Redis, app_prefix: str, tmp_path: Path
) -> None:
    commands = site(sandbox, redis_server, app_prefix)
    stream = topics(commands.parsed).streams[0]
    first = commands.start("bridge", log=tmp_path / "first")
    try:
        add(redis_server, stream, [passed(learner) for learner in range(2_000)])
        seen(commands.parsed, 500, first)
        first.kill()
        second = commands.start("bridge", log=tmp_path / "second")
        try:
            add(redis_server, stream, [passed(learner) for learner in range(2_000, 4_000)])

            assert Counter(seen(commands.parsed, 4_000, second)) == dict.fromkeys(range(4_000), 1)
        finally:
            assert second.stop() == 0
    finally:
        first.kill()


def site(sandbox: Bus, redis: Redis, name: str) -> Commands:
    """A site whose bus is this Redis, with its topics."""
    commands = on_bus(
        sandbox, name, catalog=CATALOG, partitions=2, BADGES_BUS="redis", BADGES_REDIS=redis.url
    )
    commands.run("topics", "--create")
    return commands


def add(redis: Redis, stream: str, entries: list[Fields]) -> None:
    """Add entries to a stream, as the LMS does."""
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        for fields in entries:
            words = [b"XADD", stream.encode(), b"*", *(word for field in fields for word in field)]
            lines = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
            connection.sendall(b"*%d\r\n%b" % (len(words), lines))
        for _ in entries:
            assert connection.recv(1, socket.MSG_WAITALL) == b"$"
            while connection.recv(1) != b"\n":
                pass
            while connection.recv(1) != b"\n":
                pass


def seen(settings: Settings, count: int, bridge: Process) -> list[int]:
    """The learners of all activities, once there are as many."""
    deadline = Deadline(60, "there are too few activities")
    while True:
        assert bridge.exit_code is None, tail(bridge.log)
        found = asyncio.run(activities(settings))
        if len(found) >= count:
            return [int(record.key) for record in found]
        deadline.wait()


async def activities(settings: Settings) -> list[ConsumerRecord]:
    async with reader(settings) as consumer:
        tps = await partitions_of(consumer, topics(settings).activities.name)
        ends = await consumer.end_offsets(tps)
        return [record for tp in tps async for record in records(consumer, tp, 0, ends[tp])]

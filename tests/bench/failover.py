"""How long nobody works on a killed worker's partitions."""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.kafka.topics import topics
from tests.bench import latency, worker, workload
from tests.bench.latency import PARTITIONS
from tests.bench.throughput import Bench
from tests.bench.worker import Worker

RATE = 500
"""Events per second: every partition commits several times a second, and no worker is busy."""
_READY = re.compile(rb"(\S+)-(\d+): ready at offset")


@dataclass(frozen=True, slots=True)
class Failover:
    """Seconds from `kill -9` until each partition of the dead worker has committed again."""

    static: bool
    seconds: float


async def measure(bench: Bench, *, static: bool) -> Failover:
    """Kill one of two workers under traffic; with static membership, start it again at once."""
    name = f"f{uuid4().hex[:8]}"
    commands = bench.commands(name, workload.five_courses(1, courses=1), PARTITIONS)
    commands.run("topics", "--create", "--all")
    names, app = topics(commands.parsed), commands.parsed.app_id

    def begin(who: str, partitions: int) -> Worker:
        instance = {"BADGES_INSTANCE_ID": who} if static else {}
        return worker.tracker(commands, bench.folder / f"{name}-{who}.log", partitions, **instance)

    workers = [begin("one", 2 * PARTITIONS)]
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.bus.kafka)
    await admin.start()
    traffic: asyncio.Task[int] | None = None
    try:
        await workers[0].ready()
        workers.append(begin("two", PARTITIONS))
        await workers[1].ready()
        emit = latency.emit(bench, names.sources[0].name, RATE, 300.0, count(1))
        traffic = asyncio.ensure_future(emit)
        await _moved(admin, app, await _offsets(admin, app, _owned(workers[1])), 60)
        dead = _owned(workers[1])
        workers[1].process.kill()
        begun = time.monotonic()
        at = await _offsets(admin, app, dead)
        if static:
            workers[1] = begin("two", PARTITIONS)
        await _moved(admin, app, at, 120)
        return Failover(static, time.monotonic() - begun)
    finally:
        if traffic is not None:
            traffic.cancel()
            with suppress(asyncio.CancelledError):
                await traffic
        for one in workers:
            one.process.stop()
        await admin.close()
        await bench.remove(commands)


def _owned(one: Worker) -> list[TopicPartition]:
    found = _READY.findall(one.process.log.read_bytes())
    return [TopicPartition(topic.decode(), int(partition)) for topic, partition in found]


async def _offsets(
    admin: AIOKafkaAdminClient, group: str, tps: list[TopicPartition]
) -> dict[TopicPartition, int]:
    offsets = await admin.list_consumer_group_offsets(group)
    return {tp: offsets[tp].offset if tp in offsets else -1 for tp in tps}


async def _moved(
    admin: AIOKafkaAdminClient, group: str, at: Mapping[TopicPartition, int], within: float
) -> None:
    async with asyncio.timeout(within):
        while True:
            now = await _offsets(admin, group, list(at))
            if all(now[tp] > offset for tp, offset in at.items()):
                return
            await asyncio.sleep(0.05)

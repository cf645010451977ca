"""A worker process that is measured: what it has used, and how far it is."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.sandbox.commands import Commands
from streams.sandbox.process import Process, tail
from tests.bench.loop import READY

TICKS = os.sysconf("SC_CLK_TCK")
PAUSE_SECONDS = 0.02
"""Between two looks: the error of a measured time."""


@dataclass
class Worker:
    """A process and how often its log says that a part of it is ready."""

    process: Process
    ready_mark: str
    ready_count: int

    @property
    def cpu(self) -> float:
        """Seconds of processor time, user and system, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def peak_memory(self) -> int:
        """The most bytes that were resident at once."""
        return self._status("VmHWM")

    @property
    def memory(self) -> int:
        """The bytes that are resident."""
        return self._status("VmRSS")

    async def ready(self, within: float = 300.0) -> None:
        """Wait until it has said that everything is ready."""
        await until(self._is_ready, within, f"not ready: {tail(self.process.log)}")

    def _is_ready(self) -> bool:
        if self.process.exit_code is not None:
            raise RuntimeError(f"the worker ended: {tail(self.process.log)}")
        return self.process.log.read_text(errors="replace").count(self.ready_mark) >= self.ready_count

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def machine_cpu() -> float:
    """Seconds that all the machine's processors together have worked since it started."""
    _, *ticks = Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _waiting, *interrupts = map(int, ticks[:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def tracker(commands: Commands, log: Path, partitions: int, **settings: str) -> Worker:
    """The product as it is shipped; ready when it has the partitions of both topics."""
    return Worker(commands.start("tracker", log=log, **settings), ": ready at offset", partitions)


def loop(arguments: Mapping[str, str | int], log: Path, *flags: str) -> Worker:
    """A hand-written loop."""
    command = [sys.executable, "-m", "tests.bench.loop", *flags]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    return Worker(Process(command, log=log), READY, 2)


async def until(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait until `condition()` is true; `TimeoutError` after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(PAUSE_SECONDS)


async def last_records(kafka: str, topic: str, partitions: int) -> dict[TopicPartition, int]:
    """The offset of the last committed record of each partition that has any; markers do not count."""
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    last = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(tps)
        consumer.assign(tps)
        for tp, end in ends.items():
            consumer.seek(tp, max(0, end - 200))
        for tp, end in ends.items():
            while (await consumer.position(tp)) < end:
                for record in (await consumer.getmany(tp, timeout_ms=200)).get(tp, ()):
                    last[tp] = record.offset
    finally:
        await consumer.stop()
    return last


async def committed(
    kafka: str, group: str, last: Mapping[TopicPartition, int], worker: Worker, within: float = 600.0
) -> None:
    """Wait until the group has committed the records at these offsets."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    deadline = time.monotonic() + within
    try:
        while True:
            offsets = await admin.list_consumer_group_offsets(group)
            if all(tp in offsets and offsets[tp].offset > offset for tp, offset in last.items()):
                return
            if time.monotonic() > deadline or worker.process.exit_code is not None:
                raise TimeoutError(f"{group} does not get there: {tail(worker.process.log)}")
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await admin.close()

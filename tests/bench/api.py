"""What a worker that answers takes with many learners stored, and how fast it is asked and told meanwhile."""

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
from aiokafka import AIOKafkaProducer

from streams.badges import badge_id, decision_id
from streams.kafka.client import partition_of
from streams.kafka.topics import topics
from streams.sandbox.commands import Commands
from tests.api.world import ISSUER, jwks, shown, token
from tests.bench import recovery, worker, workload
from tests.bench.loop import TEMPLATE
from tests.bench.throughput import Bench
from tests.bench.worker import Worker
from tests.bench.workload import Record

PARTITIONS = recovery.PARTITIONS
FIRST = 1_000_000
"""The first learner's id, as `recovery.progresses` numbers them."""
ASKED = 500
TOLD = 1_000
"""Requests and changed learners a second."""
CALLERS = 500
"""Whose tokens are made before: to sign one takes as long as the answer."""
LINES = 16
"""Connections that requests are asked over, as behind a proxy."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is, in bytes and seconds; latencies in milliseconds.

    `alone` is the processor time of an answer while nothing changes, `busy` how many processors the worker
    has at work while much does.
    """

    read_up: float
    restart: float
    disk: int
    peak: int
    alone: float
    p50: float
    p99: float
    busy: float
    lag: float
    faults: int


async def measure(bench: Bench, learners: int, seconds: float) -> Figures:
    """Fill the changelogs, read them up, start again, and ask while records arrive."""
    name = f"a{uuid4().hex[:8]}"
    commands = bench.commands(name, workload.five_courses(1), PARTITIONS)
    commands.run("topics", "--create", "--all")
    names = topics(commands.parsed)
    try:
        await recovery.fill(bench, names.progress.name, recovery.progresses(learners))
        await recovery.fill(bench, names.issuances.name, _issuances(learners))
        store = bench.folder / name / "store.sqlite"
        first, read_up = await _started(bench, commands, store)
        peak = first.peak_memory
        first.process.stop()
        again, restart = await _started(bench, commands, store)
        try:
            address = _address(again, "api")
            used = again.cpu
            await _ask(address, learners, seconds / 2)
            alone = (again.cpu - used) / (ASKED * seconds / 2)
            used, begun = again.cpu, time.monotonic()
            told = asyncio.create_task(_tell(bench, commands, learners, seconds))
            latencies, lag, faults = await _ask(address, learners, seconds)
            await told
            busy = (again.cpu - used) / (time.monotonic() - begun)
            peak = max(peak, again.peak_memory)
        finally:
            again.process.stop()
        disk = sum(file.stat().st_size for file in store.parent.iterdir())
        p50, p99 = (1_000 * latencies[len(latencies) * n // 100] for n in (50, 99))
        return Figures(read_up, restart, disk, peak, alone, p50, p99, busy, lag, faults)
    finally:
        await bench.remove(commands)


async def _started(bench: Bench, commands: Commands, store: Path) -> tuple[Worker, float]:
    """A worker, and the seconds from its start until it is read up: ready, and no older than its start."""
    keys = bench.folder / "keys.json"
    keys.write_bytes(jwks("ours"))
    log = bench.folder / f"api-{uuid4().hex[:8]}.log"
    begun, wall = time.monotonic(), time.time()
    settings = {
        "BADGES_API_HTTP": "127.0.0.1:0",
        "BADGES_API_STORE": str(store),
        "BADGES_API_KEYS_FILE": str(keys),
        "BADGES_API_ISSUERS": ISSUER,
        "BADGES_API_LEARNER_RATE": "0",
        "BADGES_API_ADDRESS_RATE": "0",
    }
    running = Worker(commands.start("api", log=log, **settings), "api at http", 1)
    await running.ready()
    async with aiohttp.ClientSession() as session:
        while not await _is_read_up(session, _address(running, "pages"), wall):
            assert running.process.exit_code is None, log.read_text()
            await asyncio.sleep(worker.PAUSE_SECONDS)
    return running, time.monotonic() - begun


async def _is_read_up(session: aiohttp.ClientSession, address: str, since: float) -> bool:
    async with session.get(f"{address}/ready") as answer:
        said = await answer.json()
    lag = said.get("lag_seconds")
    return bool(said["ok"]) and lag is not None and time.time() - lag > since


def _address(running: Worker, what: str) -> str:
    found: list[str] = re.findall(rf"{what} at (http://[\d.:]+)", running.process.log.read_text())
    return found[-1]


async def _ask(address: str, learners: int, seconds: float) -> tuple[list[float], float, int]:
    """Ask at a steady rate, whatever becomes of it: each latency counts from when it was due.

    Requests are bytes made before, and answers are cut by hand: a client's library takes as long as an
    answer, and what is measured would be the wait for it.
    """
    drawn = random.Random(1)
    callers = [drawn.randrange(FIRST, FIRST + learners) for _ in range(CALLERS)]
    host, _, port = address.removeprefix("http://").rpartition(":")
    requests = [_request(f"{host}:{port}", shown(token(user_id=id))) for id in callers]
    latencies: list[float] = []
    lags, faults = [0.0], 0
    begun = time.monotonic() + 0.5

    async def line(number: int) -> None:
        nonlocal faults
        reader, writer = await asyncio.open_connection(host, int(port))
        for n in range(number, int(ASKED * seconds), LINES):
            due = begun + n / ASKED
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(requests[n % CALLERS])
            head = await reader.readuntil(b"\r\n\r\n")
            body = json.loads(await reader.readexactly(int(_header(head, b"content-length"))))
            latencies.append(time.monotonic() - due)
            lags.append(float(_header(head, b"x-badges-lag-seconds")))
            faults += not head.startswith(b"HTTP/1.1 200 ") or body["count"] != 1
        writer.close()

    await asyncio.gather(*(line(number) for number in range(LINES)))
    return sorted(latencies), max(lags), faults


def _request(host: str, headers: Mapping[str, str]) -> bytes:
    lines = ["GET /badges/api/v1/progress/ HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _header(head: bytes, name: bytes) -> bytes:
    found = re.search(rb"\r\n" + name + rb": ([^\r]+)", head)
    assert found, f"{name!r} in {head!r}"
    return found[1]


async def _tell(bench: Bench, commands: Commands, learners: int, seconds: float) -> None:
    """Change learners' rows at a steady rate."""
    topic = topics(commands.parsed).progress.name
    producer = AIOKafkaProducer(bootstrap_servers=bench.bus.kafka, linger_ms=5)
    await producer.start()
    rows = list(recovery.progresses(min(learners, 10_000)))
    try:
        begun = time.monotonic()
        for n in range(int(TOLD * seconds)):
            await asyncio.sleep(max(0.0, begun + n / TOLD - time.monotonic()) if n % 20 == 0 else 0)
            key, value, _ = rows[n % len(rows)]
            await producer.send(topic, value, key, partition_of(key, PARTITIONS))
    finally:
        await producer.stop()


def _issuances(learners: int) -> Iterator[Record]:
    """A badge of each learner, which its issuer holds."""
    for learner in range(FIRST, FIRST + learners):
        badge = badge_id(TEMPLATE, learner)
        row = {"v": 1, "kind": "awarded", "template": TEMPLATE, "learner": learner, "rank": 2}
        row |= {"decision": str(decision_id(badge, "awarded", 1)), "time": "2026-03-14T15:09:26.535897+00:00"}
        row |= {"answered_at": "2026-03-14T15:09:27+00:00", "held": str(badge), "state": "pending"}
        yield str(badge).encode(), json.dumps(row | {"sure": True}).encode(), []


Rows = Sequence[tuple[str, str]]


def cells(found: Figures) -> Rows:
    """The figures as a table's rows."""
    mib = 2**20
    return [
        ("first start, until all is read up, s", f"{found.read_up:.1f}"),
        ("another start on the same store, s", f"{found.restart:.1f}"),
        ("the store on disk, MiB", f"{found.disk / mib:,.0f}"),
        ("the most memory, MiB", f"{found.peak / mib:,.0f}"),
        ("processor time of an answer, µs", f"{found.alone * 1e6:.0f}"),
        ("an answer, median, ms", f"{found.p50:.1f}"),
        ("an answer, 99 %, ms", f"{found.p99:.1f}"),
        ("processors at work", f"{found.busy:.2f}"),
        ("the oldest answer, s", f"{found.lag:.1f}"),
        ("answers that were wrong", f"{found.faults}"),
    ]

"""Measures the relay: `python -m tests.bench.relay`. Nothing in the tests depends on what it prints."""

import asyncio
import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import aiohttp
import orjson

from streams.bus.emitter import BadgeEvent
from streams.clock import Clock
from streams.issuers.outcomes import Issued
from streams.relay.issuance import KeptRecord, desire, learned
from streams.relay.organizations import Organizations
from streams.relay.pace import Limits
from streams.relay.reconciler import Reconciler
from streams.relay.rows import dump
from streams.relay.steps import Issue
from streams.sandbox.bus import Bus, bus
from streams.sandbox.commands import Commands
from streams.sandbox.credly import CredlySimulator
from streams.settings import Settings
from tests.relay.badge_bus import KEY, Word, catalog, encoder, relays, speaker
from tests.relay.virtual import EPOCH
from tests.relay.world import ANYWHERE, MemoryStore, Wire, badge_id, event, recipient

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
LATENCY = 0.05


@asynccontextmanager
async def simulator():  # type: ignore[no-untyped-def]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streams.sandbox.credly", "--latency", str(LATENCY)),
            *("--organization", f"{ORGANIZATION}={KEY}", "--template", f"{ORGANIZATION}/{TEMPLATE}"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield (await asyncio.to_thread(process.stdout.readline)).strip()
    finally:
        process.terminate()
        process.wait()


async def journal(url: str) -> list[dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sandbox/journal") as response:
        entries: list[dict[str, object]] = orjson.loads(await response.read())
        return [entry for entry in entries if entry["call"] == "issue" and entry["done"]]


async def issued(url: str, count: int) -> list[dict[str, object]]:
    while len(entries := await journal(url)) < count:
        await asyncio.sleep(0.2)
    return entries


def commands(on: Bus, folder: Path, url: str, in_flight: int) -> Commands:
    path = folder / "catalog.yaml"
    path.write_text(catalog(url, {ORGANIZATION: [TEMPLATE]}))
    settings = {"BADGES_ISSUER_IN_FLIGHT": str(in_flight), "BADGES_ISSUER_RATE": "1000000"}
    return relays(on, f"figures-{uuid4().hex[:8]}", path, 4, **settings)


async def throughput(on: Bus, in_flight: int, badges: int) -> str:
    with TemporaryDirectory() as folder:
        async with simulator() as url:
            here = commands(on, Path(folder), url, in_flight)
            await asyncio.to_thread(here.run, "topics", "--create", "--all")
            async with speaker(here.parsed) as bus:
                await bus.say(Word("awarded", TEMPLATE, n, 1) for n in range(badges))
                relay = here.start("relay", log=Path(folder) / "relay.log")
                try:
                    entries = await issued(url, badges)
                finally:
                    await asyncio.to_thread(relay.stop)
            times = sorted(float(str(entry["at"])) for entry in entries)
    rate = (len(times) - 1) / (times[-1] - times[0])
    share = rate * LATENCY / in_flight
    return f"{in_flight:3} in flight: {rate:7.1f} badges a second ({share:.0%} of what the latency allows)"


async def latency(on: Bus, in_flight: int, rate: float, badges: int) -> str:
    """From the record's timestamp on the bus to Credly's 201, at a rate that the relay bears."""
    sent: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        async with simulator() as url:
            here = commands(on, Path(folder), url, in_flight)
            await asyncio.to_thread(here.run, "topics", "--create", "--all")
            relay = here.start("relay", log=Path(folder) / "relay.log")
            try:
                async with speaker(here.parsed) as bus:
                    await bus.say([Word("awarded", TEMPLATE, 1_000_000, 1)])
                    await issued(url, 1)
                    for n in range(badges):
                        sent[str(n)] = time.time()
                        await bus.say([Word("awarded", TEMPLATE, n, 1)])
                        await asyncio.sleep(max(0.0, 1 / rate - (time.time() - sent[str(n)])))
                    entries = await issued(url, badges + 1)
            finally:
                await asyncio.to_thread(relay.stop)
    # The simulator writes its journal when it begins to answer.
    took = [float(str(e["at"])) + LATENCY - sent[str(e["earner"])] for e in entries if e["earner"] in sent]
    percentiles = statistics.quantiles(took, n=100)
    half, most = percentiles[49] * 1e3, percentiles[98] * 1e3
    return f"event to 201 at {rate:.0f} a second: p50 {half:.0f} ms, p99 {most:.0f} ms"


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that issuances take, how many of them are their values, and those of the badge events."""

    taken: int
    values: int
    heard: int


async def memory(registry: str, badges: int, *, pending: bool) -> Memory:
    """What a partition's table costs, and for pending badges the reconciler's index."""
    settings = Settings(registry=registry, app_id="figures")
    async with encoder(settings) as encode:
        return await _memory(encode, badges, pending=pending)


async def _memory(encode: Callable[[Word], BadgeEvent], badges: int, *, pending: bool) -> Memory:
    store, size, heard = MemoryStore(), 0, 0
    credly, clock = CredlySimulator(), Clock()
    organizations = Organizations(Limits(), Wire(credly), clock, ANYWHERE)
    reconciler = Reconciler(store, organizations, clock)
    gc.collect()
    tracemalloc.start()
    for n in range(badges):
        sent = encode(Word("awarded", TEMPLATE, n, 1))
        heard += len(sent.key) + len(sent.value) + sum(len(k) + len(v) for k, v in sent.headers)
        original = KeptRecord(sent.value, (*sent.headers, ("origin", b"0:3:123456:1773500966000:badges")))
        issuance = desire(None, replace(event("awarded", n), original=original))
        if not pending:
            issuance = learned(issuance, Issue(recipient(n), EPOCH), Issued(badge_id(n), "pending"), EPOCH)
        raw = bytes(memoryview(orjson.dumps(dump(issuance))))
        size += len(raw)
        store.table[badge_id(n).encode()] = raw
        if pending:
            reconciler.follow([badge_id(n).encode()])
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Memory(taken, size, heard)


async def main() -> None:
    with bus() as on:
        for pending, what in ((False, "held by Credly"), (True, "pending")):
            found = await memory(on.registry, 100_000, pending=pending)
            taken, values = found.taken / 2**20, found.values / 2**20
            print(f"100000 issuances {what}: {taken:.0f} MiB, of which values {values:.0f} MiB")
        for in_flight, badges in ((1, 200), (8, 1_500), (64, 6_000)):
            print(await throughput(on, in_flight, badges))
        print(await latency(on, 8, 50, 1_000))


if __name__ == "__main__":
    asyncio.run(main())

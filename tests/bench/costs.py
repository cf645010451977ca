"""Measures what docs/scale.md computes with."""

import argparse
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.sandbox import publisher
from streams.sandbox.bus import Bus
from streams.sandbox.kafka import Kafka
from streams.sandbox.registry import Apicurio
from tests.bench import recovery, relay, throughput, workload
from tests.bench.sizing import MIB, Checked, Costs
from tests.bench.throughput import Bench, Contender

LEARNERS = 1_000_000
"""Fewer are read so fast that the start hides it."""
EVENTS = 120_000
ISSUANCES = 20_000
BROKER_JVM = ("-Xmx1g", "-XX:+UseSerialGC")


async def measure(
    options: argparse.Namespace, costs: Costs, checked: list[Checked]
) -> tuple[Costs, list[Checked]]:
    """Measure what `options` ask for; the rest stays as it is."""
    with (
        Kafka(jvm=BROKER_JVM) as kafka,
        Apicurio() as registry,
        TemporaryDirectory(prefix="badge-streams-scale-") as folder,
    ):
        ids = await publisher.register(registry.url)
        bench = Bench(Bus(kafka.bootstrap, registry.url), Path(folder), ids)
        if options.measure:
            costs = await _costs(bench)
            for name, value in asdict(costs).items():
                print(f"{name}: {value:,.1f}", flush=True)
        found = [await _check(bench, learners) for learners in options.check]
        return costs, found or checked


async def _check(bench: Bench, learners: int) -> Checked:
    found = await recovery.measure(bench, learners)
    return Checked(learners, found.seconds, found.memory / MIB)


async def _costs(bench: Bench) -> Costs:
    empty, full = [await recovery.measure(bench, learners) for learners in (0, LEARNERS)]
    records = workload.events(bench.ids, EVENTS)
    run = await throughput.measure(bench, Contender("costs", 1), records)
    held, waiting = [await relay.memory(bench.bus.registry, ISSUANCES, pending=p) for p in (False, True)]
    return Costs(
        start_s=empty.seconds,
        worker_mib=empty.memory / MIB,
        busy_mib=run.memory / MIB,
        learner_bytes=full.values / LEARNERS,
        learner_memory=(full.memory - empty.memory) / LEARNERS,
        read_rate=LEARNERS / (full.seconds - empty.seconds),
        event_us=run.micros,
        activity_bytes=run.forwarded,
        badge_bytes=held.heard / ISSUANCES,
        issuance_bytes=held.values / ISSUANCES,
        issuance_memory=held.taken / ISSUANCES,
        waiting_memory=waiting.taken / ISSUANCES,
    )

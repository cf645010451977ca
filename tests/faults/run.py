"""One harm's run: fresh topics, traffic at a steady rate, the harm, then the comparison with the core."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, count
from pathlib import Path
from typing import Literal

from aiokafka.structs import ConsumerRecord

from streams.badges import Activity, Catalog, Order, Progress, judge
from streams.catalog import load_catalog
from streams.sandbox import lms, publisher
from streams.sandbox.audit import Verdict, compare, read_traces, settled
from streams.sandbox.bus import Bus, emit
from streams.sandbox.by_hand import CatchUp, Orders
from streams.sandbox.commands import Commands
from streams.sandbox.entries import ENTRY_FAULTS, as_entries
from streams.sandbox.kafka import Kafka, Security
from streams.sandbox.originals import Position, happened, position
from streams.sandbox.publisher import FAULTS, Emission, Placed, Publisher
from streams.sandbox.redis import Redis
from streams.sandbox.registry import Apicurio
from streams.sandbox.returned import returned
from tests.faults.fleet import Fleet
from tests.faults.proxy import Proxy
from tests.here import on_bus

CATALOG = Path(lms.__file__).with_name("catalog.yaml")
LEARNERS_A_TERM = 300
"""17,000 events a term; a run is one term after another."""
BETWEEN_TERMS = timedelta(weeks=20)
FIRST_TERM = lms.TERM_START - 50 * BETWEEN_TERMS
"""A time that has not come yet is not believed; the longest runs are of some ten terms."""
SAFE = {"appendfsync": "always"}
"""Redis then loses nothing when it crashes: what goes missing there is tested with the bridge."""
ROOM = {"BADGES_REDIS_STREAM_MAX_LEN": "1000000"}
"""More than a run has events: all badge events are counted in the end."""
SETTLE_SECONDS = 150.0
"""A limit, not a wait: a session (8 s), a rebalance (30 s) and an endless commit (60 s) fit into it."""


@dataclass
class Run:
    """What a harm may act on.

    `settings` are for single workers, by their names; `stack` is closed after the run. With a `redis` the
    fleet are bridges. While the LMS is not `speaking`, it sends nothing. `reads` is how often the table was
    read that was read most, if the harm counts it. `proxies` are those before the brokers, if the harm has
    any. `catch_ups` and `orders` are what an operator did.
    """

    cluster: Kafka
    registry: Apicurio
    commands: Commands
    fleet: Fleet
    rng: random.Random
    ids: Mapping[str, int]
    stack: AsyncExitStack
    settings: Mapping[str, dict[str, str]]
    redis: Redis | None = None
    extra: list[Emission] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    speaking: asyncio.Event = field(default_factory=asyncio.Event)
    reads: int | None = None
    proxies: list[Proxy] = field(default_factory=list)
    catch_ups: list[CatchUp] = field(default_factory=list)
    orders: list[Orders] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The beginning of the run's topics and groups."""
        return self.commands.settings["BADGES_TOPIC_PREFIX"]

    @property
    def group(self) -> str:
        """The consumer group of the fleet's workers."""
        parsed = self.commands.parsed
        return parsed.app_id if self.redis is None else parsed.bridge_id

    @contextmanager
    def silence(self) -> Iterator[None]:
        """The LMS sends nothing meanwhile."""
        self.speaking.clear()
        try:
            yield
        finally:
            self.speaking.set()


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to a run while it goes on, and what outcome is right then.

    `prepare` comes before the trackers start. `do` returns how often it struck. `refuses` says which
    activities must end in the dead letters instead of being judged; its second argument is the progress that
    would follow. `becomes` gives the emission that the comparison should expect in place of another. `again`
    names the faults of an audit that are right after this harm. `properties` are the brokers'. Where
    `most_ends` and `most_reads` are given, no more workers may end, and no table be read more often. If the
    `bus` is Redis, bridges suffer, and one tracker beside them does not.
    """

    name: str
    do: Callable[[Run], Awaitable[int]]
    at_least: int
    nodes: Literal[1, 3] = 1
    workers: int = 2
    security: Security = "PLAINTEXT"
    faults: Mapping[str, str] = field(default_factory=dict)
    static: bool = False
    partitions: int = 4
    properties: Mapping[str, str | int] = field(default_factory=dict)
    most_reads: int | None = None
    most_ends: int | None = None
    again: tuple[str, ...] = ()
    bus: Literal["kafka", "redis"] = "kafka"
    prepare: Callable[[Run], Awaitable[None]] | None = None
    refuses: Callable[[Activity | Order, Progress], bool] = lambda activity, after: False
    becomes: Callable[[Emission], Emission] = lambda emission: emission


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row of the table."""

    harm: Harm
    blows: int
    events: int
    ends: int
    seconds: float
    verdict: Verdict
    reads: int | None

    @property
    def is_good(self) -> bool:
        """Whether the harm struck as often as it should have, and cost nothing that it need not."""
        harm = self.harm
        struck = self.blows >= harm.at_least
        ends = harm.most_ends is None or self.ends <= harm.most_ends
        reads = harm.most_reads is None or (self.reads is not None and self.reads <= harm.most_reads)
        return struck and ends and reads and self.verdict.is_good


async def suffer(
    harm: Harm,
    cluster: Kafka,
    registry: Apicurio,
    folder: Path,
    *,
    name: str,
    seed: int,
    events: int,
    rate: float,
) -> Outcome:
    """Run `harm` against trackers that read at least `events` events at `rate` a second."""
    begun = time.monotonic()
    settings: dict[str, dict[str, str]] = defaultdict(dict)
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(Redis(appendonly=True, options=SAFE)) if harm.bus == "redis" else None
        commands = _commands(harm, cluster, registry, redis, folder, name)
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        if redis:
            ids = dict.fromkeys(publisher.subjects(name), 0)
        else:
            ids = await publisher.register(registry.url, name)
        fleet = Fleet(
            commands,
            folder,
            lambda worker: _of_worker(harm, worker) | settings[worker],
            runs="bridge" if redis else "",
        )
        await stack.enter_async_context(fleet)
        run = Run(cluster, registry, commands, fleet, random.Random(seed), ids, stack, settings, redis)
        run.speaking.set()
        if redis:
            stack.callback(commands.start("tracker", log=folder / "tracker.log").kill)
        if harm.prepare is not None:
            await harm.prepare(run)
        for number in range(1, harm.workers + 1):
            fleet.start(f"worker-{number}")
        try:
            blows = await _with_traffic(run, harm, seed, events, rate)
            await settled(commands.parsed, run.placed, within=SETTLE_SECONDS)
            verdict = await _verdict(harm, run)
            if redis:
                back = await returned(commands.parsed, within=SETTLE_SECONDS)
                verdict = replace(verdict, faults={**verdict.faults, **back.faults})
        except BaseException as error:
            error.add_note(fleet.tails())
            raise
        seconds = time.monotonic() - begun
        return Outcome(harm, blows, len(run.placed), fleet.ends, seconds, verdict, run.reads)


def _of_worker(harm: Harm, name: str) -> dict[str, str]:
    return {**harm.faults, **({"BADGES_INSTANCE_ID": name} if harm.static else {})}


async def _verdict(harm: Harm, run: Run) -> Verdict:
    catalog = load_catalog(CATALOG.read_bytes()).compiled
    left = await read_traces(run.commands.parsed)
    placed = [replace(p, emission=harm.becomes(p.emission)) for p in run.placed]
    emissions = {(p.emission.topic, p.partition, p.offset): p.emission for p in placed}
    refused = _refused(catalog, left.activities, emissions, harm.refuses)
    judged = [record for record in left.activities if position(record) not in refused]
    expected = [
        replace(p, emission=replace(p.emission, fault="refused", fate="dead letter"))
        if (p.emission.topic, p.partition, p.offset) in refused
        else p
        for p in placed
    ]
    verdict = compare(catalog, expected, replace(left, activities=judged), run.catch_ups, run.orders)
    faults = {name: places for name, places in verdict.faults.items() if name not in harm.again}
    return replace(verdict, faults=faults)


def _refused(
    catalog: Catalog,
    activities: Iterable[ConsumerRecord],
    emissions: Mapping[Position, Emission],
    refuses: Callable[[Activity | Order, Progress], bool],
) -> set[Position]:
    progress: dict[int, Progress] = {}
    refused = set()
    for record in activities:
        what = happened(record, emissions)
        if what is None:
            continue
        after, _ = judge(catalog, progress.get(what.learner, Progress.initial()), what)
        if refuses(what, after):
            refused.add(position(record))
        else:
            progress[what.learner] = after
    return refused


async def _with_traffic(run: Run, harm: Harm, seed: int, events: int, rate: float) -> int:
    striking = asyncio.ensure_future(harm.do(run))
    traffic = _traffic(run, seed, lambda sent: sent >= events and striking.done())
    try:
        # Silence only interrupts it.
        while (first := next(traffic, None)) is not None:
            emissions = chain([first], _until_silence(run, traffic))
            if run.redis is not None:
                await emit(run.commands.parsed, emissions, rate=rate, placed=run.placed.extend)
            else:
                connection = run.cluster.connection()
                await publisher.emit(
                    run.cluster.bootstrap, emissions, rate=rate, placed=run.placed.extend, **connection
                )
            await run.speaking.wait()
        return await striking
    finally:
        striking.cancel()


def _traffic(run: Run, seed: int, enough: Callable[[int], bool]) -> Iterator[Emission]:
    press = Publisher(run.ids, run.name, seed)
    sent = 0
    for number in count():
        start = FIRST_TERM + number * BETWEEN_TERMS
        happenings = press.publish(lms.term(seed + number, LEARNERS_A_TERM, start))
        faults = FAULTS if run.redis is None else ENTRY_FAULTS
        emissions = press.spoil(happenings, repeated=0.03, rubbish=0.02, faults=faults)
        for emission in emissions if run.redis is None else as_entries(emissions):
            while run.extra:
                yield run.extra.pop(0)
            if enough(sent):
                return
            yield emission
            sent += 1


def _until_silence(run: Run, traffic: Iterator[Emission]) -> Iterator[Emission]:
    for emission in traffic:
        yield emission
        if not run.speaking.is_set():
            return


def _commands(
    harm: Harm, cluster: Kafka, registry: Apicurio, redis: Redis | None, folder: Path, name: str
) -> Commands:
    more = {"BADGES_REPLICATION": str(len(cluster.nodes)), **security(cluster, folder), **ROOM}
    bus = Bus(cluster.bootstrap, "", redis.url) if redis else Bus(cluster.bootstrap, registry.url)
    return on_bus(bus, name, catalog=CATALOG, partitions=harm.partitions, **more)


def security(cluster: Kafka, folder: Path) -> dict[str, str]:
    """The settings with which our commands may use `cluster`."""
    if cluster.security == "PLAINTEXT":
        return {}
    password = folder / "password"
    password.write_text(cluster.user.password)
    return {
        "BADGES_KAFKA_SECURITY_PROTOCOL": cluster.security,
        "BADGES_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "BADGES_KAFKA_USERNAME": cluster.user.name,
        "BADGES_KAFKA_PASSWORD_FILE": str(password),
        "BADGES_KAFKA_CA_FILE": str(cluster.ca_file),
    }


def faults(verdict: Verdict, *names: str) -> int:
    """How many faults of these kinds an audit has found."""
    return sum(len(verdict.faults.get(name, ())) for name in names)


def words(verdict: Verdict) -> Iterable[str]:
    """The faults of an audit, one line per kind."""
    for name, places in verdict.faults.items():
        if places:
            yield f"{name}: {len(places)}, such as {', '.join(places[:5])}"

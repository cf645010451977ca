"""The demo: events on their way through a real Kafka, shown on the screen and compared with the core."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.live import Live

from streams.catalog import CatalogDocument, load_catalog
from streams.errors import FatalError
from streams.kafka.client import partitions_of, reader
from streams.kafka.topics import topics
from streams.sandbox import entries, lms, publisher
from streams.sandbox.audit import announcement, audit, settled
from streams.sandbox.board import Board, report
from streams.sandbox.bus import Bus, bus, emit, redis_bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.credly import CredlySimulator, Server
from streams.sandbox.groups import joined
from streams.sandbox.kafka import free_ports
from streams.sandbox.kept import keep
from streams.sandbox.process import Process, tail
from streams.sandbox.publisher import Emission, Publisher
from streams.sandbox.returned import returned
from streams.settings import Settings

CATALOG = Path(__file__).with_name("catalog.yaml")
PARTITIONS = 8
"""Enough that learners are spread, and few enough that two cores take them over in seconds."""
REPEATED = 0.02
RUBBISH = 0.01
"""Shares of the LMS's records: a term then has every kind of fault."""
JOIN_SECONDS = 60.0
SETTLE_SECONDS = 120.0
ISSUE_SECONDS = 60.0
"""Limits, not waits: several times what a slow machine needs."""
KEY = "CREDLY_API_KEY_DEMO"
SIGNING_KEY = "OPEN_BADGES_KEY_DEMO"
ROOM = {"BADGES_REDIS_STREAM_MAX_LEN": "100000"}
"""More than a term has: what was shown is compared with what is left in the end."""
API = {"BADGES_API_HTTP": "127.0.0.1:0", "BADGES_API_DEMO_LOGIN": "1", "BADGES_CONSOLE_WRITES": "1"}
PACE = {"BADGES_ISSUER_RATE": "200", "BADGES_ISSUER_IN_FLIGHT": "8"}


def run(
    console: Console,
    *,
    redis: bool = False,
    kept: bool = False,
    learners: int = 300,
    seed: int = 1,
    rate: float = 2_500,
) -> int:
    """Show a term of `learners` learners; return the exit code: 0 if the outcome is the core's, else 1.

    With `redis` the LMS is a stock one, on a Redis bus. A site that is `kept` has a worker that answers, and
    stays until a signal.
    """
    begun = time.monotonic()
    what = "a Redis" if redis else "a schema registry"
    console.print(f"Starting Kafka and {what} (the first time they are fetched) …")
    with redis_bus() if redis else bus() as running:
        console.print(f"Both run after {time.monotonic() - begun:.1f} s.")
        code = asyncio.run(_run(console, running, kept, learners, seed, rate))
    console.print(f"Everything has ended, after {time.monotonic() - begun:.0f} s.")
    return code


async def _run(console: Console, running: Bus, kept: bool, learners: int, seed: int, rate: float) -> int:
    key = secrets.token_urlsafe(16)
    catalog = load_catalog(CATALOG.read_bytes())
    with TemporaryDirectory(prefix="badge-streams-demo-") as temporary:
        folder = Path(temporary)
        async with Server(_credly(catalog, key)) as credly:
            commands = _commands(running, _catalog_at(credly.url, folder))
            board = Board({id: t.name for id, t in catalog.templates.items()}, credly.credly)
            await asyncio.to_thread(commands.run, "topics", "--create", "--all")
            keys = {KEY: key, SIGNING_KEY: _signing_key()}
            async with _workers(commands, folder, keys, answers=kept) as workers:
                console.print(f"A {', a '.join(workers)} and a simulated Credly run.")
                emissions = await _term(running, commands.parsed.topic_prefix, learners, seed)
                console.print(f"An LMS of {learners} learners emits {len(emissions):,} records: one term.\n")
                await _flow(console, commands.parsed, workers, emissions, rate, board)
                back = await returned(commands.parsed, within=ISSUE_SECONDS) if running.redis else None
                await _explain(console, commands, board.busiest)
                verdict = await audit(commands.parsed, catalog.compiled, board.placed)
                if back is not None:
                    console.print(f"{back.events:,} badge events are on the LMS's bus again.")
                    verdict = replace(verdict, faults={**verdict.faults, **back.faults})
                code = report(console, verdict, board)
                if kept:
                    credential = board.credentials.newest
                    await keep(console, commands.settings, workers, folder, board.busiest, credential)
                return code


def _commands(running: Bus, catalog: Path) -> Commands:
    name, token = f"demo-{uuid4().hex[:4]}", catalog.with_name("page-token")
    token.write_text(secrets.token_urlsafe(16))
    shown = {"BADGES_HTTP_TOKEN_FILE": str(token)}  # without, pages name no topic and no organization
    return on_bus(running, name, catalog=catalog, partitions=PARTITIONS, **PACE, **ROOM, **shown)


def _credly(catalog: CatalogDocument, key: str) -> CredlySimulator:
    credly = CredlySimulator()
    for organization in catalog.organizations.values():
        if organization.provider == "credly":
            credly.add_organization(organization.id, key)
    for template in catalog.templates.values():
        if catalog.organizations[template.organization].provider == "credly":
            credly.add_template(template.organization, template.id)
    return credly


def _signing_key() -> str:
    """The key of the academy, which ends with the demo."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _catalog_at(url: str, folder: Path) -> Path:
    """A file with the demo's catalog, its organizations at the Credly of this URL."""
    catalog = yaml.safe_load(CATALOG.read_bytes())
    for organization in catalog["organizations"]:
        if organization["provider"] == "credly":
            del organization["environment"]
            organization["url"] = url
    file = folder / "catalog.yaml"
    file.write_text(yaml.safe_dump(catalog, sort_keys=False))
    return file


async def _term(running: Bus, name: str, learners: int, seed: int) -> list[Emission]:
    happenings = lms.term(seed, learners)
    if running.redis:
        return list(entries.spoilt(name, seed, happenings, repeated=REPEATED, rubbish=RUBBISH))
    press = Publisher(await publisher.register(running.registry, name), name, seed)
    return list(press.spoil(press.publish(happenings), repeated=REPEATED, rubbish=RUBBISH))


@asynccontextmanager
async def _workers(
    commands: Commands, folder: Path, keys: Mapping[str, str], *, answers: bool
) -> AsyncIterator[Mapping[str, Process]]:
    """Tracker and relay, on a Redis bus a bridge, and one that `answers`; only the relay gets the keys."""
    on_redis = commands.parsed.bus == "redis"
    names = ["bridge"] * on_redis + ["tracker", "relay"] + ["api"] * answers
    # Whoever asks for a worker's pages has to know where they are before it listens.
    pages = dict(zip(names, (f"127.0.0.1:{port}" for port in free_ports(len(names))), strict=True))
    api = API | {"BADGES_CONSOLE_WORKERS": ",".join(pages.values())}
    more: Mapping[str, Mapping[str, str]] = {"relay": keys, "api": api}
    workers = {
        name: commands.start(name, log=folder / f"{name}.log", BADGES_HTTP=at, **more.get(name, {}))
        for name, at in pages.items()
    }
    try:
        yield workers
    finally:
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in workers.values()))


async def _flow(
    console: Console,
    settings: Settings,
    workers: Mapping[str, Process],
    emissions: Sequence[Emission],
    rate: float,
    board: Board,
) -> None:
    """Emit everything with the board on the screen, and wait until all its consequences are there."""
    board.total = len(emissions)
    done = asyncio.Event()
    try:
        with Live(board, console=console, refresh_per_second=8):
            async with asyncio.TaskGroup() as group:
                living = [group.create_task(_live(name, worker)) for name, worker in workers.items()]
                watching = group.create_task(_watch(settings, board, done))
                # From a backlog a worker reads one topic after the other, and badges come in another order.
                for consumer in (settings.app_id, settings.relay_id):
                    await joined(settings, consumer, within=JOIN_SECONDS)
                await emit(settings, emissions, rate=rate, placed=board.placed.extend)
                await settled(settings, board.placed, within=SETTLE_SECONDS)
                done.set()
                # Not for ever: the verdict shows a difference.
                with suppress(TimeoutError):
                    async with asyncio.timeout(ISSUE_SECONDS):
                        await watching
                for task in living:
                    task.cancel()
    except ExceptionGroup as failed:
        raise FatalError(str(failed.exceptions[0])) from failed.exceptions[0]


async def _live(name: str, worker: Process) -> None:
    """Never return; raise `FatalError` when the worker has ended."""
    while worker.exit_code is None:
        await asyncio.sleep(0.2)
    raise FatalError(f"the {name} ended with {worker.exit_code}:\n{tail(worker.log)}")


async def _watch(settings: Settings, board: Board, done: asyncio.Event) -> None:
    """Show what appears on our topics, until `done` is set and the issuers hold what the bus says."""
    names = topics(settings)
    async with reader(settings) as consumer:
        shown = (names.badges, names.dead_letters, names.credentials, names.issuances)
        tps = [tp for topic in shown for tp in await partitions_of(consumer, topic.name)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        while True:
            is_last = done.is_set()
            batches = await consumer.getmany(timeout_ms=200)
            for tp, records in batches.items():
                if tp.topic == names.dead_letters.name:
                    board.dead_letters += len(records)
                elif tp.topic != names.badges.name:
                    for record in records:
                        board.credentials.take(record, names)
                else:
                    board.take(event for r in records if (event := announcement(r, settings)))
            if is_last and not batches and board.issued == board.held:
                return


async def _explain(console: Console, commands: Commands, learner: int) -> None:
    said = await asyncio.to_thread(commands.run, "explain", "--learner", str(learner))
    console.rule(f"badge-streams explain --learner {learner}")
    console.print(said.rstrip(), markup=False, highlight=False)

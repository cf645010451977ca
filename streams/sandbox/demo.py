"""The demo: the whole way of an event on a real Kafka, told on the screen and held against the core."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from streams.catalog import CatalogDocument, load_catalog
from streams.errors import FatalError
from streams.kafka import partitions_of, reader
from streams.sandbox import lms, publisher
from streams.sandbox.audit import BadgeEvent, Verdict, audit, badge_event, settled
from streams.sandbox.bus import Bus, bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.process import Process, tail
from streams.sandbox.publisher import Emission, Placed, Publisher
from streams.settings import Settings
from streams.topics import topics

CATALOG = Path(__file__).with_name("catalog.yaml")
PARTITIONS = 8
REPEATED = 0.02
RUBBISH = 0.01
SETTLE_SECONDS = 120.0
LAST_EVENTS = 12


def run(console: Console, *, learners: int = 300, seed: int = 1, rate: float = 2_500) -> int:
    """Show a term of `learners` learners; return the exit code: 0 if the outcome is the core's, else 1."""
    begun = time.monotonic()
    console.print("Starting Kafka and a schema registry (the first time they are fetched) …")
    with bus() as running:
        console.print(f"Both run after {time.monotonic() - begun:.1f} s.")
        code = asyncio.run(_run(console, running, learners, seed, rate))
    console.print(f"Everything has ended, after {time.monotonic() - begun:.0f} s.")
    return code


@dataclass
class Board:
    """What is on the screen while events flow."""

    badges: Sequence[str]
    total: int
    placed: list[Placed] = field(default_factory=list)
    dead_letters: int = 0
    awarded: Counter[str] = field(default_factory=Counter)
    revoked: Counter[str] = field(default_factory=Counter)
    learners: Counter[int] = field(default_factory=Counter)
    last: deque[BadgeEvent] = field(default_factory=lambda: deque(maxlen=LAST_EVENTS))

    def take(self, events: Iterable[BadgeEvent]) -> None:
        """Count badge events and show them among the last ones."""
        for event in events:
            (self.awarded if event.kind == "awarded" else self.revoked)[event.template_name] += 1
            self.learners[event.learner] += 1
            self.last.append(event)

    @property
    def busiest(self) -> int:
        """The learner with the most badge events."""
        return max(self.learners, key=lambda learner: (self.learners[learner], -learner), default=1)

    def __rich__(self) -> Group:
        counts = Table("badge", "awarded", "revoked", "held", title="Badges on the bus", min_width=60)
        for name in self.badges:
            given, taken = self.awarded[name], self.revoked[name]
            counts.add_row(escape(name), f"{given}", f"{taken}", f"{given - taken}")
        flow = (
            f"events emitted {len(self.placed):,} of {self.total:,} · "
            f"badges awarded {self.awarded.total():,}, revoked {self.revoked.total():,} · "
            f"dead letters {self.dead_letters:,}"
        )
        return Group(counts, *(_line(event) for event in self.last), flow)


async def _run(console: Console, running: Bus, learners: int, seed: int, rate: float) -> int:
    prefix = f"demo-{uuid4().hex[:4]}"
    commands = on_bus(running, prefix, catalog=CATALOG, partitions=PARTITIONS)
    settings = commands.parsed
    catalog = load_catalog(CATALOG.read_bytes())
    await asyncio.to_thread(commands.run, "topics", "--create", "--all")
    console.print(
        f"Topics are made: {len(topics(settings).all)}, those with keys have {PARTITIONS} partitions."
    )
    emissions = await _term(running, prefix, learners, seed)
    console.print(f"An LMS with {learners} learners emits {len(emissions):,} records: one term.\n")
    board = Board(_badge_names(catalog), len(emissions))
    with TemporaryDirectory(prefix="badge-streams-demo-") as folder:
        worker = commands.start("tracker", log=Path(folder, "tracker.log"))
        try:
            await _flow(console, settings, worker, emissions, rate, board)
        finally:
            await asyncio.to_thread(worker.stop)
    await _explain(console, commands, board.busiest)
    return _tell(console, await audit(settings, catalog.compiled, board.placed), len(emissions))


async def _term(running: Bus, prefix: str, learners: int, seed: int) -> list[Emission]:
    press = Publisher(await publisher.register(running.registry, prefix), prefix, seed)
    return list(press.spoil(press.publish(lms.term(seed, learners)), repeated=REPEATED, rubbish=RUBBISH))


def _badge_names(catalog: CatalogDocument) -> list[str]:
    return [template.name for template in catalog.templates.values()]


async def _flow(
    console: Console,
    settings: Settings,
    worker: Process,
    emissions: Sequence[Emission],
    rate: float,
    board: Board,
) -> None:
    """Emit everything with the board on the screen, until the tracker has committed what follows from it."""
    done = asyncio.Event()
    try:
        with Live(board, console=console, refresh_per_second=8):
            async with asyncio.TaskGroup() as group:
                living = group.create_task(_live(worker))
                group.create_task(_watch(settings, board, done))
                await publisher.emit(settings.kafka, emissions, rate=rate, placed=board.placed.extend)
                await settled(settings, board.placed, within=SETTLE_SECONDS)
                done.set()
                living.cancel()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _live(worker: Process) -> None:
    """Never returns; raises `FatalError` when the worker has ended."""
    while worker.exit_code is None:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    raise FatalError(f"the tracker ended with {worker.exit_code}:\n{tail(worker.log)}")


async def _watch(settings: Settings, board: Board, done: asyncio.Event) -> None:
    """Show what becomes visible, until `done` is set and nothing more comes."""
    names = topics(settings)
    async with reader(settings) as consumer:
        tps = await partitions_of(consumer, names.badges.name)
        tps += await partitions_of(consumer, names.dead_letters.name)
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        while True:
            is_last = done.is_set()
            batches = await consumer.getmany(timeout_ms=200)
            for tp, records in batches.items():
                if tp.topic == names.dead_letters.name:
                    board.dead_letters += len(records)
                else:
                    board.take(e for r in records if (e := badge_event(r, settings)))
            if is_last and not batches:
                return


async def _explain(console: Console, commands: Commands, learner: int) -> None:
    said = await asyncio.to_thread(commands.run, "explain", "--learner", str(learner))
    console.rule(f"badge-streams explain --learner {learner}")
    console.print(said.rstrip(), markup=False, highlight=False)


def _tell(console: Console, verdict: Verdict, records: int) -> int:
    """Print what came out beside what the core says; return the exit code."""
    letters = (f"{count} {fault} ({reason})" for (fault, reason), count in verdict.dead_letters.items())
    console.rule("The outcome, held against the core run over the same events")
    console.print(
        f"{records:,} records on the bus; {verdict.activities:,} of them concern a badge; "
        f"{verdict.learners:,} learners have progress\n"
        f"{verdict.awarded:,} awards, {verdict.revoked:,} revocations\n"
        f"dead letters: {', '.join(sorted(letters))}"
    )
    for name, places in verdict.faults.items():
        if places:
            console.print(f"[red]{len(places)} {name}[/], such as {escape(places[0])}")
    expected = verdict.is_good and verdict.awarded > 0 and verdict.revoked > 0
    console.print("[green]As expected.[/]" if expected else "[red]Not as expected.[/]")
    return 0 if expected else 1


def _line(event: BadgeEvent) -> str:
    how = "[green]awarded[/]" if event.kind == "awarded" else "[red]revoked[/]"
    again = f", for the {event.generation}. time" if event.generation > 1 else ""
    return f"{how} {escape(f'{event.template_name} · {event.name} (learner {event.learner})')}{again}"

"""A site at work: a bus, a tracker, a term of events with some that nobody can read."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from streams.operate.dead_letters import Filter, Letter, listed
from streams.sandbox import lms, publisher
from streams.sandbox.audit import settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.publisher import Emission, Placed, Publisher
from streams.settings import Settings
from tests.here import on_bus
from tests.whole.full_site import FullSite, full_site

CATALOG = Path(__file__).parents[1] / "streams" / "sandbox" / "catalog.yaml"
LEARNERS = 40


@dataclass(frozen=True, slots=True)
class Site:
    """Where commands are run; `placed` is what its LMS has emitted."""

    commands: Commands
    kafka: str
    placed: list[Placed]

    def settle(self) -> None:
        """Wait until everything that was emitted is judged."""
        asyncio.run(settled(self.commands.parsed, self.placed, within=60))

    def emit(self, emissions: Sequence[Emission]) -> None:
        """Put more on the bus."""
        asyncio.run(publisher.emit(self.kafka, emissions, rate=5_000, placed=self.placed.extend))


async def letters(settings: Settings, wanted: Filter, *, redriven: bool = False) -> list[Letter]:
    """The dead letters of both workers, all at once."""
    return [letter async for letter in listed(settings, wanted, redriven=redriven)]


@pytest.fixture(scope="module")
def site(sandbox: Bus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    name = f"site-{uuid4().hex[:8]}"
    commands = on_bus(sandbox, name, catalog=CATALOG, partitions=3)
    commands.run("topics", "--create", "--all")
    press = Publisher(asyncio.run(publisher.register(sandbox.registry, name)), name, seed=2)
    emissions = list(press.spoil(press.publish(lms.term(2, LEARNERS)), repeated=0.02, rubbish=0.02))
    site = Site(commands, sandbox.kafka, [])
    tracker = commands.start("tracker", log=tmp_path_factory.mktemp("site") / "tracker.log")
    try:
        site.emit(emissions)
        site.settle()
        yield site
    finally:
        tracker.stop()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def full(sandbox: Bus, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullSite]:
    """A site with a relay and a Credly, too."""
    entered = full_site(sandbox, tmp_path_factory.mktemp("full"))
    yield loop.run(entered.__aenter__())
    loop.run(entered.__aexit__(None, None, None))

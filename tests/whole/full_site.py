"""A whole site: an LMS, a tracker, a relay, a Credly; each learner has earned each badge."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from streams.sandbox import lms, publisher
from streams.sandbox.audit import latest, read_topic, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.credly import CredlySimulator, Server
from streams.sandbox.process import Process
from streams.sandbox.publisher import Emission, Placed, Publisher
from tests.here import on_bus
from tests.relay.badge_bus import KEY, catalog, know, until

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATES = ("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11")
LEARNERS = 6
PARTITIONS = 3
PACE = {"BADGES_ISSUER_RATE": "1000", "BADGES_ISSUER_IN_FLIGHT": "8"}


@dataclass(slots=True)
class FullSite:
    """Where commands are run, and what else can be done there."""

    commands: Commands
    credly: CredlySimulator
    press: Publisher
    kafka: str
    folder: Path
    workers: dict[str, Process] = field(default_factory=dict)

    async def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        return await asyncio.to_thread(self.commands.run, *arguments, codes=codes)

    async def emit(self, emissions: Sequence[Emission]) -> None:
        """Put records on the bus, and wait until the tracker has worked them off."""
        placed: list[Placed] = []
        await publisher.emit(self.kafka, emissions, placed=placed.extend)
        await settled(self.commands.parsed, placed, within=60)

    async def table(self, topic: str) -> dict[bytes, bytes]:
        return dict(latest(await read_topic(self.commands.parsed, topic)))

    def badges_of(self, learner: int) -> int:
        return sum(badge.earner == str(learner) for badge in self.credly.badges.values())

    def start(self, worker: str) -> None:
        self.workers[worker] = self.commands.start(worker, log=self.folder / f"{worker}.log")

    def stop(self, worker: str) -> None:
        assert self.workers.pop(worker).stop() == 0


@asynccontextmanager
async def full_site(bus: Bus, folder: Path) -> AsyncIterator[FullSite]:
    name, credly = f"site-{uuid4().hex[:8]}", CredlySimulator()
    know(credly, {ORGANIZATION: TEMPLATES})
    async with Server(credly) as server:
        file = folder / "catalog.yaml"
        file.write_text(catalog(server.url, {ORGANIZATION: TEMPLATES}))
        commands = on_bus(bus, name, catalog=file, partitions=PARTITIONS, CREDLY_KEY_OF_THE_TEST=KEY, **PACE)
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        press = Publisher(await publisher.register(bus.registry, name), name)
        site = FullSite(commands, credly, press, bus.kafka, folder)
        try:
            site.start("tracker")
            site.start("relay")
            await site.emit(list(press.publish(lms.recalculations(1, 200, LEARNERS, 3))))
            await until(lambda: len(credly.held()) == LEARNERS * len(TEMPLATES), 60)
            yield site
        finally:
            for worker in list(site.workers.values()):
                worker.stop()

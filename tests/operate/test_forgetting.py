"""A learner is forgotten at a site where others go on learning."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from streams.errors import FatalError
from streams.sandbox import lms, publisher
from streams.sandbox.audit import latest, read, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.credly import Credly, Fault, Server
from streams.sandbox.publisher import Placed, Publisher
from streams.topics import topics
from tests.relay.badge_bus import KEY, catalog, know, until

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATES = ("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11")
LEARNERS = 6
PACE = {"BADGES_CREDLY_RATE": "1000", "BADGES_CREDLY_IN_FLIGHT": "8"}


@dataclass(frozen=True, slots=True)
class Site:
    """Each of its learners holds each badge."""

    commands: Commands
    credly: Credly

    def badges_of(self, learner: int) -> int:
        return sum(badge.earner == str(learner) for badge in self.credly.badges.values())

    async def table(self, topic: str) -> dict[bytes, bytes]:
        return dict(latest(await read(self.commands.parsed, topic)))

    async def forget(self, learner: int) -> str:
        return await asyncio.to_thread(self.commands.run, "forget", "--learner", str(learner))


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def site(sandbox: Bus, loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, name, credly = tmp_path_factory.mktemp("forget"), f"forget-{uuid4().hex[:8]}", Credly()
    know(credly, {ORGANIZATION: TEMPLATES})
    server = Server(credly)
    loop.run(server.__aenter__())
    file = folder / "catalog.yaml"
    file.write_text(catalog(server.url, {ORGANIZATION: TEMPLATES}))
    commands = on_bus(sandbox, name, catalog=file, partitions=3, RELAY_TEST_KEY=KEY, **PACE)
    commands.run("topics", "--create", "--all")
    workers = [commands.start(worker, log=folder / f"{worker}.log") for worker in ("tracker", "relay")]
    try:
        loop.run(_learn(sandbox, name, commands))
        loop.run(until(lambda: len(credly.held()) == LEARNERS * len(TEMPLATES), 60))
        yield Site(commands, credly)
    finally:
        for worker in workers:
            worker.stop()
        loop.run(server.__aexit__())


async def _learn(bus: Bus, name: str, commands: Commands) -> None:
    press = Publisher(await publisher.register(bus.registry, name), name)
    placed: list[Placed] = []
    events = press.publish(lms.recalculations(1, 200, LEARNERS, 3))
    await publisher.emit(bus.kafka, events, placed=placed.extend)
    await settled(commands.parsed, placed, within=60)


def test_nothing_is_left_of_a_forgotten_learner_but_what_ages_out(site: Site, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        # when
        said = await site.forget(3)
        # then
        names = topics(site.commands.parsed)
        assert b"3" not in await site.table(names.progress.name)
        issuances = (orjson.loads(raw) for raw in (await site.table(names.issuances.name)).values())
        assert 3 not in [issuance["learner"] for issuance in issuances]
        assert site.badges_of(3) == 0
        assert f"{len(TEMPLATES)} badges are deleted" in said
        latest_day = (datetime.now(UTC) + timedelta(days=15)).date().isoformat()
        assert f"{names.activities.name}: {latest_day}" in said
        assert all(topic.name in said for topic in names.all if topic != names.catalog)

    loop.run(scenario())


def test_the_others_keep_their_progress_and_their_badges(site: Site, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        names = topics(site.commands.parsed)
        before = await site.table(names.progress.name)
        await site.forget(3)
        assert await site.table(names.progress.name) == before
        assert [site.badges_of(learner) for learner in (1, 2, 4)] == [len(TEMPLATES)] * 3

    loop.run(scenario())


def test_a_badge_that_credly_does_not_delete_is_named_and_can_be_tried_again(
    site: Site, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        site.credly.schedule([Fault("error", call="erase", status=403, last=1)])
        with pytest.raises(FatalError, match="ended with 1"):
            await site.forget(5)
        assert site.badges_of(5) == 1
        await site.forget(5)
        assert site.badges_of(5) == 0

    loop.run(scenario())


def test_who_commands_while_no_tracker_runs_is_told_so(sandbox: Bus, app_prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(catalog("http://localhost:1", {ORGANIZATION: TEMPLATES}))
    commands = on_bus(sandbox, app_prefix, catalog=file, partitions=1)
    commands.run("topics", "--create", "--all")

    with pytest.raises(FatalError, match="is it running"):
        commands.run("forget", "--learner", "1", "--within", "2")

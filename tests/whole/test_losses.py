"""What loses data by its nature: it is said aloud, and a worker never begins from nothing in silence."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from streams.kafka.client import admin
from streams.kafka.topics import topics
from streams.sandbox import lms, publisher
from streams.sandbox.audit import announcement, read_topic, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.demo import CATALOG
from streams.sandbox.kafka import create_topics
from streams.sandbox.process import Process, tail
from streams.sandbox.publisher import Placed, Publisher
from tests import pages
from tests.here import on_bus

PARTITIONS = 2
BADGES = "badges-of-ours"


@pytest.fixture
def commands(sandbox: Bus, app_prefix: str) -> Commands:
    commands = on_bus(
        sandbox,
        app_prefix,
        catalog=CATALOG,
        partitions=PARTITIONS,
        BADGES_BADGE_TOPIC=f"{app_prefix}-{BADGES}",
    )
    commands.run("topics", "--create", "--all")
    return commands


async def test_a_retention_gap_is_said_once_and_counted_and_the_stream_goes_on(
    sandbox: Bus, commands: Commands, tmp_path: Path
) -> None:
    # given
    await _has_worked(sandbox, commands, tmp_path / "before")
    lost = await _emit(sandbox, commands, seed=2)
    ends = {TopicPartition(p.emission.topic, p.partition): p.offset + 1 for p in lost}
    assert ends
    async with admin(commands.parsed) as client:
        await client.delete_records({tp: RecordsToDelete(before_offset=end) for tp, end in ends.items()})
    kept = await _emit(sandbox, commands, seed=3)
    # when
    async with _tracker(commands, tmp_path / "after") as tracker:
        await settled(commands.parsed, kept, within=60)
        metrics = (await asyncio.to_thread(pages.read, tracker.log.read_text(), "metrics")).decode()
    # then
    # A line for each topic: the same error again, of another partition, is counted.
    said = re.findall(r"(\S+): retention removed offsets", tracker.log.read_text())
    assert set(said) <= {f"{tp.topic}-{tp.partition}" for tp in ends}
    assert sorted(name.rpartition("-")[0] for name in said) == sorted({tp.topic for tp in ends})
    counted = re.findall(r"badges_retention_gaps_total\{.*\} (\d+)", metrics)
    assert sum(map(int, counted)) == len(ends)


async def test_a_source_topic_that_was_created_again_stops_the_worker_until_its_epoch_is_raised(
    sandbox: Bus, commands: Commands, tmp_path: Path
) -> None:
    # given
    await _has_worked(sandbox, commands, tmp_path / "before")
    sources = [topic.name for topic in topics(commands.parsed).sources]
    await _create_again(sandbox, commands, sources)
    # when
    async with _tracker(commands, tmp_path / "after") as tracker:
        code = await asyncio.to_thread(tracker.wait, 30)
    # then
    assert code == 1
    assert re.search(
        r"the topic was deleted and created again; raise BADGES_SOURCE_EPOCH", tracker.log.read_text()
    )
    # and when the operator does so
    placed = await _emit(sandbox, commands, seed=1, events=300)
    async with _tracker(commands, tmp_path / "raised", BADGES_SOURCE_EPOCH="1") as tracker:
        await settled(commands.parsed, placed, within=60)
        assert tracker.exit_code is None


async def test_an_emptied_changelog_stops_the_worker(
    sandbox: Bus, commands: Commands, tmp_path: Path
) -> None:
    # given
    await _has_worked(sandbox, commands, tmp_path / "before")
    progress = topics(commands.parsed).progress
    await _create_again(sandbox, commands, [progress.name], **progress.configs(2_000_000))
    # when
    async with _tracker(commands, tmp_path / "after") as tracker:
        code = await asyncio.to_thread(tracker.wait, 30)
    # then
    assert code == 1
    assert "the changelog was emptied or created again" in tracker.log.read_text()


async def test_decisions_go_on_into_an_output_topic_that_was_created_again(
    sandbox: Bus, commands: Commands, tmp_path: Path
) -> None:
    async with _tracker(commands, tmp_path / "log"):
        await settled(commands.parsed, await _emit(sandbox, commands, seed=1), within=60)
        output = topics(commands.parsed).badges.name
        assert await read_topic(commands.parsed, output)
        # when
        await _create_again(sandbox, commands, [output])
        # then
        await settled(commands.parsed, await _emit(sandbox, commands, seed=2), within=60)
        assert any(
            announcement(record, commands.parsed) for record in await read_topic(commands.parsed, output)
        )


async def _has_worked(sandbox: Bus, commands: Commands, log: Path) -> None:
    """A tracker has judged what there was, and ended as it should."""
    async with _tracker(commands, log) as tracker:
        await settled(commands.parsed, await _emit(sandbox, commands, seed=1), within=60)
        tracker.stop()


@asynccontextmanager
async def _tracker(commands: Commands, log: Path, **settings: str) -> AsyncIterator[Process]:
    tracker = commands.start("tracker", log=log, **settings)
    try:
        yield tracker
    except BaseException as error:
        error.add_note(tail(log))
        raise
    finally:
        tracker.kill()


async def _emit(sandbox: Bus, commands: Commands, *, seed: int, events: int = 20_000) -> list[Placed]:
    prefix = commands.parsed.topic_prefix
    press = Publisher(await publisher.register(sandbox.registry, prefix), prefix, seed)
    placed: list[Placed] = []
    emissions = list(islice(press.publish(lms.term(seed, 100)), events))
    await publisher.emit(sandbox.kafka, emissions, rate=5_000, placed=placed.extend)
    return placed


async def _create_again(sandbox: Bus, commands: Commands, names: list[str], **configs: str) -> None:
    async with admin(commands.parsed) as client:
        await client.delete_topics(names)
        await _gone(client, names)
    await create_topics(sandbox.kafka, names, partitions=PARTITIONS, configs=configs)


async def _gone(client: AIOKafkaAdminClient, names: list[str]) -> None:
    async with asyncio.timeout(30):
        while set(names) & set(await client.list_topics()):
            await asyncio.sleep(0.1)

"""Records and topics as nobody should make them: the tracker sets aside what it must, and goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.catalog import load_catalog
from streams.kafka.orders import FORGET, ORDER
from streams.kafka.topics import Topics, topics
from streams.operate.dead_letters import Filter
from streams.sandbox import lms, publisher
from streams.sandbox.audit import audit, read_topic, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.demo import CATALOG
from streams.sandbox.process import Process, tail
from streams.sandbox.publisher import Emission, Placed, Publisher
from tests.faults.configs import alter
from tests.relay.badge_bus import until
from tests.sites import letters

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = """
  - id: {id}
    organization: {organization}
    name: Passed
    description: {description}
    requirements: [{{id: passed, event_type: {event_type}}}]
"""
TWO = ("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11")


@asynccontextmanager
async def tracker(commands: Commands, folder: Path) -> AsyncIterator[Process]:
    worker = commands.start("tracker", log=folder / "tracker.log")
    try:
        yield worker
    except BaseException as error:
        error.add_note(tail(worker.log))
        raise
    finally:
        worker.kill()


def site(bus: Bus, name: str, catalog: Path = CATALOG) -> tuple[Commands, Topics]:
    badges = {"BADGES_BADGE_TOPIC": f"{name}-badges-of-ours"}
    commands = on_bus(bus, name, catalog=catalog, partitions=2, **badges)
    commands.run("topics", "--create", "--all")
    return commands, topics(commands.parsed)


async def press(bus: Bus, name: str) -> Publisher:
    return Publisher(await publisher.register(bus.registry, name), name, seed=1)


def passes(of: Publisher, learner: int) -> Emission:
    data: Mapping[str, Any] = {
        "is_passing": True,
        "course": lms.course("course-v1:DemoX+Kafka101+2026"),
        "user": lms.user(learner),
    }
    [emission] = of.publish([lms.Happening(lms.PASSING, datetime.now(UTC), learner, data)])
    return emission


@pytest.fixture
async def producer(sandbox: Bus) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=sandbox.kafka, compression_type="gzip", max_request_size=4_000_000
    )
    await producer.start()
    yield producer
    await producer.stop()


async def test_topics_that_take_little_get_batches_that_fit(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    commands, names = site(sandbox, app_prefix)
    for topic in (names.activities, names.progress, names.badges, names.dead_letters):
        await alter(commands.parsed, topic.name, {"max.message.bytes": "60000"})
    placed: list[Placed] = []
    emissions = (await press(sandbox, app_prefix)).publish(lms.term(1, 100))
    await publisher.emit(sandbox.kafka, emissions, placed=placed.extend)
    # when
    async with tracker(commands, tmp_path):
        await settled(commands.parsed, placed, within=60)
    # then
    verdict = await audit(commands.parsed, load_catalog(CATALOG.read_bytes()).compiled, placed)
    assert {name: places for name, places in verdict.faults.items() if places} == {}
    assert verdict.awarded > 100


async def test_an_activity_whose_second_badge_event_is_too_large_leads_to_none(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    file = tmp_path / "catalog.yaml"
    texts = zip(TWO, ("short", "long " * 12_000), strict=True)
    named = {"organization": ORGANIZATION, "event_type": lms.PASSING}
    templates = (TEMPLATE.format(id=id, description=text, **named) for id, text in texts)
    file.write_text(f"version: 1\norganizations: [{{id: {ORGANIZATION}}}]\ntemplates:{''.join(templates)}")
    commands, names = site(sandbox, app_prefix, file)
    await alter(commands.parsed, names.badges.name, {"max.message.bytes": "50000"})
    placed: list[Placed] = []
    emission = passes(await press(sandbox, app_prefix), 1)
    # when
    async with tracker(commands, tmp_path):
        await publisher.emit(sandbox.kafka, [emission], placed=placed.extend)
        await settled(commands.parsed, placed, within=60)
    # then
    [letter] = await letters(commands.parsed, Filter())
    assert (letter.reason, letter.event[1]) == ("too_large", emission.id)
    assert await read_topic(commands.parsed, names.badges.name) == []


async def test_records_that_nobody_should_write_are_set_aside(
    sandbox: Bus, app_prefix: str, tmp_path: Path, producer: AIOKafkaProducer
) -> None:
    # given
    commands, names = site(sandbox, app_prefix)
    good = passes(await press(sandbox, app_prefix), 1)
    headers, activities = list(good.headers), names.activities.name
    places: list[Placed] = []
    async with tracker(commands, tmp_path) as worker:
        # when
        await producer.send_and_wait(activities, key=None, value=b"", headers=[(ORDER, FORGET)])
        await producer.send_and_wait(activities, key=b"1", value=good.value, headers=headers)
        await producer.send_and_wait(activities, key=b"1", value=b"[" * 100_000)
        names_of_many_bytes = [*headers, *[("é" * 70_000, b"")] * 10]
        await producer.send_and_wait(good.topic, key=good.key, value=good.value, headers=names_of_many_bytes)
        await publisher.emit(sandbox.kafka, [good], placed=places.extend)
        await settled(commands.parsed, places, within=60)
        # then
        await until(lambda: worker.exit_code is None, 1)
        found = Counter(letter.reason for letter in await letters(commands.parsed, Filter()))
        assert found == {"no_activity": 3}
        while not await read_topic(commands.parsed, names.badges.name):
            await asyncio.sleep(0.2)

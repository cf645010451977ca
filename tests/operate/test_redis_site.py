"""An operator's commands at a site whose bus is Redis."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.structs import ConsumerRecord
from confluent_kafka import Producer

from streams.errors import FatalError, UnreadableError
from streams.headers import Headers
from streams.kafka.dead_letters import set_aside
from streams.kafka.origin import on_the_bus
from streams.kafka.topics import topics
from streams.sandbox import entries, lms
from streams.sandbox.audit import read_topic, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.entries import as_entries, press
from streams.sandbox.lms import Happening
from streams.sandbox.process import Deadline
from streams.sandbox.publisher import Emission, Placed, Publisher
from streams.sandbox.redis import Redis
from tests.here import Here
from tests.sites import CATALOG

APPRENTICE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
KAFKA101 = "course-v1:DemoX+Kafka101+2026"


@dataclass(frozen=True, slots=True)
class RedisSite:
    """A bridge and a tracker at work."""

    commands: Commands
    redis: Redis
    prefix: str

    @property
    def stream(self) -> str:
        """The only one that is read."""
        return f"{self.prefix}-learning-badges-lifecycle"

    def emit(self, *emissions: Emission) -> list[Placed]:
        """Have the LMS emit these, and wait until they are judged."""
        placed: list[Placed] = []
        asyncio.run(entries.emit(self.redis.url, emissions, placed=placed.extend))
        asyncio.run(settled(self.commands.parsed, placed, within=60))
        return placed

    def passes(self, learner: int) -> Emission:
        """That a learner passes the course of the badge."""
        data = {"is_passing": True, "course": lms.course(KAFKA101), "user": lms.user(learner)}
        [emission] = self.press(learner).publish([Happening(lms.PASSING, datetime.now(UTC), learner, data)])
        [entry] = as_entries([emission])
        return entry

    def press(self, learner: int) -> Publisher:
        return press(self.prefix, seed=learner)

    def knows(self, learner: int) -> bool:
        """Whether the tracker has something of the learner."""
        settings = self.commands.parsed
        rows = asyncio.run(read_topic(settings, topics(settings).progress.name))
        return any(row.key == b"%d" % learner for row in rows)

    def unread(self, entry: Emission) -> Placed:
        """Add an entry to a stream that the commands know and the bridge does not read."""
        placed: list[Placed] = []
        unread = replace(entry, topic=f"{self.prefix}-other")
        asyncio.run(entries.emit(self.redis.url, [unread], placed=placed.extend))
        return placed[0]

    def letters(self, reason: str) -> list[dict[str, Any]]:
        listed = self.commands.run("dead-letters", "list", "--reason", reason, "--json")
        return [json.loads(line) for line in listed.splitlines()]

    def set_aside(self, placed: Placed, *, left: bool) -> str:
        """Put an entry among the dead letters, as a bridge that could not read it; the letter's id.

        If `left`, as one too large for them.
        """
        topic, entry, at = topics(self.commands.parsed).dead_letters.name, placed.emission, placed.offset
        outbox = Outbox(Producer({"bootstrap.servers": self.commands.settings["BADGES_KAFKA"]}), left)
        record = ConsumerRecord(entry.topic, 0, at, at >> 20, 0, None, entry.value, None, 0, 0, entry.headers)
        set_aside(outbox, topic, "bridge", on_the_bus(record), UnreadableError("newer_library", "7"))
        outbox.producer.flush(10)
        return max(str(letter["id"]) for letter in self.letters("newer_library"))


@dataclass(slots=True)
class Outbox:
    """Sends at once; what is `too_large` only without its value."""

    producer: Producer
    too_large: bool

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        if self.too_large and value is not None:
            raise UnreadableError("too_large")
        self.producer.produce(topic, value, key, partition=0, headers=list(headers))


@pytest.fixture(scope="module")
def site(sandbox: Bus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    name, folder = f"site-{uuid4().hex[:8]}", tmp_path_factory.mktemp("redis-site")
    with Redis() as redis:
        here = RedisSite(Here({}), redis, name)
        read = {"BADGES_SOURCE_TOPICS": here.stream}
        known = {"BADGES_SOURCE_TOPICS": f"{here.stream},{name}-other"}
        bus = Bus(sandbox.kafka, "", redis.url)
        commands = Here(on_bus(bus, name, catalog=CATALOG, partitions=2, **known).settings)
        commands.run("topics", "--create")
        workers = [commands.start(w, log=folder / f"{w}.log", **read) for w in ("bridge", "tracker")]
        try:
            here = replace(here, commands=commands)
            here.emit(*map(here.passes, range(1, 6)))
            yield here
        finally:
            for worker in workers:
                worker.stop()


def test_status_shows_who_reads_each_stream_and_how_far(site: RedisSite) -> None:
    def shown() -> tuple[dict[str, Any], dict[str, Any]]:
        status = json.loads(site.commands.run("status", "--json"))
        [stream] = [stream for stream in status["streams"] if stream["topic"] == f"{site.stream} (Redis)"]
        return status, stream

    status, stream = shown()
    deadline = Deadline(30, "the bridge does not read up")
    while stream["lag"] != 0:  # the badge events of the site come back to it
        deadline.wait()
        status, stream = shown()
    assert stream == {
        "worker": "bridge",
        "topic": f"{site.stream} (Redis)",
        "alive": 1,
        "assigned": 1,
        "partitions": 1,
        "lag": 0,
    }
    assert status["registry"] == "none, the schemas are built in"


def test_a_redis_that_is_away_hides_no_more_than_its_own_lag(site: RedisSite) -> None:
    away = Here({**site.commands.settings, "BADGES_REDIS": "redis://127.0.0.1:1"})

    status = json.loads(away.run("status", "--json", "--wait", "1"))

    assert {stream["topic"]: stream["lag"] for stream in status["streams"]}[f"{site.stream} (Redis)"] is None
    assert any(stream["worker"] == "tracker" and stream["alive"] for stream in status["streams"])


def test_the_topics_of_the_site_are_good_and_a_stream_is_none_of_them(site: RedisSite) -> None:
    rows = [json.loads(line) for line in site.commands.run("topics", "--json").splitlines()]

    assert {row["verdict"] for row in rows} == {"good"}
    assert f"{site.prefix}-tracker-activities" in {row["topic"] for row in rows}


def test_the_past_is_given_to_a_template_from_the_stream(site: RedisSite) -> None:
    said = site.commands.run("catch-up", "--template", APPRENTICE, "--since", "2026-01-01T00:00:00Z")

    sent, read = map(int, re.findall(r"\d+", said)[:2])
    assert sent >= 5
    assert read >= sent


def test_what_a_bridge_set_aside_is_listed_by_its_type_and_stays_if_it_cannot_be_read(
    site: RedisSite,
) -> None:
    # given
    good = site.passes(20)
    site.emit(replace(good, value=(good.value or b"") + b"\0"))
    # when
    [letter] = site.letters("bad_body")
    said = site.commands.run("dead-letters", "redrive", letter["id"], codes=(1,))
    # then
    assert (letter["agent"], letter["type"], letter["event"]) == ("bridge", lms.PASSING, good.id)
    assert said == "sent again: 0\n"


@pytest.mark.parametrize("left", [False, True])
def test_what_a_bridge_set_aside_is_sent_again_once_it_can_be_read(site: RedisSite, left: bool) -> None:
    # given
    learner = 30 + left
    letter = site.set_aside(site.unread(site.passes(learner)), left=left)
    assert not site.knows(learner)
    # when
    said = site.commands.run("dead-letters", "redrive", letter)
    # then
    assert said.startswith("sent again: 1")
    deadline = Deadline(30, "the learner is judged")
    while not site.knows(learner):
        deadline.wait()


def test_nothing_is_forgotten_before_all_that_is_on_a_stream_is_read(site: RedisSite) -> None:
    site.unread(site.passes(40))

    with pytest.raises(FatalError, match=f"the bridge has not read all of {site.prefix}-other within 1 s"):
        site.commands.run("forget", "--learner", "40", "--within", "1")


def test_a_learner_is_forgotten_and_the_stream_named_that_still_has_copies(
    site: RedisSite, tmp_path: Path
) -> None:
    reads = Here({**site.commands.settings, "BADGES_SOURCE_TOPICS": site.stream})
    relay = reads.start("relay", log=tmp_path / "relay.log")
    try:
        said = reads.run("forget", "--learner", "77")
    finally:
        relay.stop()

    assert "has forgotten learner 77" in said
    assert f"{site.stream}: once about 10,000 events more are on it" in said

"""`record` on a site whose bus is Redis; it asks no Kafka."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result
from redis import Redis as Client

from streams.cli import main
from streams.sandbox import entries, lms, publisher
from streams.sandbox.entries import spoilt
from streams.sandbox.publisher import Placed
from streams.sandbox.redis import Redis


@pytest.fixture
def placed(redis_server: Redis) -> list[Placed]:
    """What an LMS of some learners has emitted."""
    found: list[Placed] = []
    term = spoilt("dev", 5, lms.term(5, 12), repeated=0.02, rubbish=0.04)
    asyncio.run(entries.emit(redis_server.url, term, placed=found.extend))
    return found


def record(redis: Redis, *arguments: str, **settings: str) -> Result:
    site = {
        "BADGES_BUS": "redis",
        "BADGES_REDIS": redis.url,
        "BADGES_REGISTRY": "",
        "BADGES_TOPIC_PREFIX": "dev",
        "BADGES_SOURCE_TOPICS": ",".join(publisher.source_topics("dev")),
        "BADGES_KAFKA": "localhost:1",
    }
    return CliRunner().invoke(main, ["record", *arguments], env=site | settings)


def test_every_readable_entry_is_printed_in_order_of_time_at_its_place(
    redis_server: Redis, placed: list[Placed]
) -> None:
    ran = record(redis_server)

    told = [json.loads(line) for line in ran.stdout.splitlines()]
    places = [(t["source"]["topic"], t["source"]["offset"]) for t in told]
    good = [p for p in placed if p.emission.fate == "read"]
    assert Counter(places) == Counter((p.emission.topic, p.offset) for p in good)
    assert [t["source"]["timestamp"] for t in told] == sorted(t["source"]["timestamp"] for t in told)
    by_place = {(p.emission.topic, p.offset): p.emission for p in good}
    assert all(t["id"] == by_place[place].id for t, place in zip(told, places, strict=True))


def test_what_cannot_be_read_is_named_by_its_entry(redis_server: Redis, placed: list[Placed]) -> None:
    bad = [p for p in placed if p.emission.fate == "dead letter"]

    ran = record(redis_server)

    assert ran.exit_code == 1
    assert f"{len(bad)} could not be read" in ran.stderr
    first = bad[0].offset
    assert f"dev-learning-badges-lifecycle entry {first >> 20}-{first & 0xFFFFF}: " in ran.stderr


def test_a_stretch_of_time_is_recorded_alone(redis_server: Redis, placed: list[Placed]) -> None:
    middle = datetime.fromtimestamp((placed[len(placed) // 2].offset >> 20) / 1000, UTC)

    before, after = (record(redis_server, option, middle.isoformat()) for option in ("--until", "--since"))

    lines = [len(ran.stdout.splitlines()) for ran in (before, after)]
    assert all(lines)
    assert sum(lines) == sum(p.emission.fate == "read" for p in placed)


def test_more_than_a_page_of_a_stream_is_read(redis_server: Redis) -> None:
    term = spoilt("dev", 1, lms.recalculations(1, 2_500, learners=9, courses=3), repeated=0, rubbish=0)
    asyncio.run(entries.emit(redis_server.url, term))

    ran = record(redis_server, "--topic", "dev-learning-badges-lifecycle")

    assert len(ran.stdout.splitlines()) == 2_500


def test_reading_leaves_no_trace(redis_server: Redis, placed: list[Placed]) -> None:
    stream = placed[0].emission.topic
    with Client.from_url(redis_server.url) as client:
        before = client.xinfo_stream(stream)

        record(redis_server)

        assert client.xinfo_stream(stream) == before
        assert client.xinfo_groups(stream) == []


def test_a_stream_that_is_not_there_is_named_if_it_was_asked_for(redis_server: Redis) -> None:
    assert record(redis_server).exit_code == 0

    ran = record(redis_server, "--topic", "dev-nothing")

    assert ran.exit_code == 2
    assert ran.stderr == "stream dev-nothing does not exist, or is empty\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"requirepass": "opensesame"}, "it refuses the user name or password"),
        ({}, "cannot be reached within 0.3 s"),
    ],
)
def test_a_redis_that_does_not_answer_is_one_line(options: dict[str, str], said: str) -> None:
    with Redis(options=options) as redis:
        if not options:
            redis.kill()

        ran = record(redis, "--wait", "0.3")

    assert ran.exit_code == 1
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith(f"Redis at {redis.url}")
    assert said in ran.stderr


def test_a_key_of_another_kind_is_said(redis_server: Redis) -> None:
    with Client.from_url(redis_server.url) as client:
        client.set("dev-learning-badges-lifecycle", "a text")

    ran = record(redis_server)

    assert ran.exit_code == 1
    assert "WRONGTYPE" in ran.stderr

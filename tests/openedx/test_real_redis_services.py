"""The real `edx-event-bus-redis` at both ends of a Redis bus.

The long form: `REAL_EVENTS=20000 REAL_KILLS=15 REAL_RATE=150`, and this file alone.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from redis.asyncio import Redis as Client

from streams.bus import schemas
from streams.bus.entries import entry_id
from streams.catalog import load_catalog
from streams.sandbox import lms
from streams.sandbox.audit import audit, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from streams.sandbox.entries import as_entries, press
from streams.sandbox.lms import Happening
from streams.sandbox.publisher import Emission, Placed
from streams.sandbox.redis import Redis
from streams.sandbox.returned import returned
from tests.faults.fleet import Fleet
from tests.faults.harms import kill_bridges
from tests.faults.run import Run
from tests.openedx.test_real_services import CATALOG, KAFKA101, consumer, produce

EVENTS = int(os.environ.get("REAL_EVENTS", "1000"))
KILLS = int(os.environ.get("REAL_KILLS", "3"))
RATE = float(os.environ.get("REAL_RATE", "100"))
STREAM = "dev-learning-badges-lifecycle"
THEIRS = {"sourcehost", "id"}
"""What is drawn or depends on the machine."""


async def test_the_sandboxs_entries_are_those_of_the_real_producer(
    openedx_python: Path, redis_server: Redis
) -> None:
    produce(openedx_python, ("redis", redis_server.url, "dev"), [_passed(n) for n in range(1, 4)])

    async with Client.from_url(redis_server.url) as client:
        entries: Any = await client.xrange(STREAM)

    for number, (_, fields) in enumerate(entries, start=1):
        [ours] = as_entries(press("dev").publish([_happening(number, fields[b"time"].decode())]))
        real = [(name.decode(), value) for name, value in fields.items()]
        assert [name for name, _ in real] == [*dict(ours.headers), "event_data"]
        assert _comparable(real) == _comparable([*ours.headers, ("event_data", ours.value or b"")])
    assert len(entries) == 3


@pytest.mark.timeout(900)
async def test_what_the_real_producer_sends_counts_once_and_reaches_the_real_consumer_once_though_bridges_die(
    openedx_python: Path, sandbox: Bus, redis_server: Redis, app_prefix: str, tmp_path: Path
) -> None:
    # given
    commands = _site(sandbox, redis_server, app_prefix)
    settings, address = commands.parsed, ("redis", redis_server.url, app_prefix)
    await asyncio.to_thread(commands.run, "topics", "--create")
    async with AsyncExitStack() as ends:
        fleet = await ends.enter_async_context(Fleet(commands, tmp_path, lambda _: {}, runs="bridge"))
        nothing: Any = None  # neither cluster nor registry is harmed
        run = Run(nothing, nothing, commands, fleet, random.Random(1), {}, ends, {}, redis_server)
        ends.callback(commands.start("tracker", log=tmp_path / "tracker.log").kill)
        received = ends.enter_context(consumer(openedx_python, f"{app_prefix}-lms", *address))
        for name in ("worker-1", "worker-2"):
            fleet.start(name)
        # when
        producing = asyncio.create_task(asyncio.to_thread(produce, openedx_python, address, _paced()))
        blows = await kill_bridges(run, KILLS)
        await producing
        # then
        placed = await _on(redis_server, settings.lifecycle_topic)
        await settled(settings, placed, within=120)
        verdict = await audit(settings, load_catalog(CATALOG.read_bytes()).compiled, placed)
        back = await returned(settings, within=60)
        ids = [(await asyncio.to_thread(received.next))["id"] for _ in range(back.events)]
    faults = {**verdict.faults, **back.faults}
    assert {name: places for name, places in faults.items() if places} == {}
    assert (len(placed), blows) == (EVENTS, KILLS + 1)
    assert back.events == len(set(ids)) == verdict.awarded + verdict.revoked
    assert verdict.awarded > EVENTS / 5


def _site(sandbox: Bus, redis: Redis, name: str) -> Commands:
    only = {
        "BADGES_SOURCE_TOPICS": f"{name}-learning-badges-lifecycle",
        "BADGES_REDIS_STREAM_MAX_LEN": "100000",
    }
    return on_bus(Bus(sandbox.kafka, "", redis.url), name, catalog=CATALOG, partitions=4, **only)


def _paced() -> Iterator[dict[str, object]]:
    """Each learner passes, fails, passes, … in turn, as many a second as go on while bridges are killed."""
    learners = max(1, EVENTS // 4)
    for number in range(EVENTS):
        yield _passed(number % learners + 1) | {"is_passing": number // learners % 2 == 0}
        time.sleep(1 / RATE)


async def _on(redis: Redis, stream: str) -> list[Placed]:
    """What the LMS has put on a stream."""
    async with Client.from_url(redis.url) as client:
        entries: Any = await client.xrange(stream)
    return [
        Placed(_emission(stream, fields), 0, entry_id(id).offset)
        for id, fields in entries
        if fields[b"source"] == b"openedx/lms/web"
    ]


def _emission(stream: str, fields: Mapping[bytes, bytes]) -> Emission:
    said = {name.decode(): value for name, value in fields.items()}
    body = said.pop("event_data")
    schema: Any = schemas.schema(lms.PASSING)
    decoded: Any = fastavro.schemaless_reader(BytesIO(body), schema, None)
    data, time = decoded["course_passing_status"], datetime.fromisoformat(said["time"].decode())
    happening = Happening(lms.PASSING, time, data["user"]["id"], data)
    return Emission(stream, None, body, tuple(said.items()), happening, said["id"].decode())


def _passed(learner: int) -> dict[str, object]:
    return {"learner": learner, "course": KAFKA101, "is_passing": True}


def _happening(learner: int, time: str) -> Happening:
    pii = {"username": f"u{learner}", "email": f"u{learner}@example.org", "name": f"Learner {learner}"}
    user = {"id": learner, "is_active": True, "pii": pii}
    data = {"is_passing": True, "course": lms.course(KAFKA101), "user": user}
    return Happening(lms.PASSING, datetime.fromisoformat(time), learner, data)


def _comparable(fields: list[tuple[str, bytes]]) -> dict[str, bytes]:
    return {name: value for name, value in fields if name not in THEIRS}

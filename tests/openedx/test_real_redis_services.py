"""The real `edx-event-bus-redis` at both ends of a Redis bus."""

from datetime import datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis as Client

from streams.sandbox import lms
from streams.sandbox.entries import as_entries, press
from streams.sandbox.lms import Happening
from streams.sandbox.redis import Redis
from tests.openedx.test_real_services import KAFKA101, produce

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


def _passed(learner: int) -> dict[str, object]:
    return {"learner": learner, "course": KAFKA101, "is_passing": True}


def _happening(learner: int, time: str) -> Happening:
    pii = {"username": f"u{learner}", "email": f"u{learner}@example.org", "name": f"Learner {learner}"}
    user = {"id": learner, "is_active": True, "pii": pii}
    data = {"is_passing": True, "course": lms.course(KAFKA101), "user": user}
    return Happening(lms.PASSING, datetime.fromisoformat(time), learner, data)


def _comparable(fields: list[tuple[str, bytes]]) -> dict[str, bytes]:
    return {name: value for name, value in fields if name not in THEIRS}

"""Hints that something has happened at an issuer: from anybody, and never believed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

from aiohttp.test_utils import make_mocked_request

from streams.headers import header
from streams.kafka.orders import LOOK, ORDER
from streams.relay.hints import SECONDS, Hints
from streams.runtime.app import App
from tests.relay.scene import TOPICS
from tests.relay.virtual import virtual_clock
from tests.relay.world import ORGANIZATION, World, in_world
from tests.runtime.recording import RecordingUnit
from tests.runtime.world import Sent

DECISIONS = TOPICS.decisions.name


class Worker:
    """Stands for the app: owns a partition, or none."""

    def __init__(self) -> None:
        self.partition: Any = SimpleNamespace(ready=True, tp=SimpleNamespace(topic=DECISIONS))
        self.sent: list[Sent] = []

    @property
    def owned(self) -> dict[str, Any]:
        return {"0": self.partition} if self.partition else {}

    @asynccontextmanager
    async def unit_of(self, _: Any) -> AsyncIterator[RecordingUnit]:
        unit = RecordingUnit(TOPICS.decisions, TOPICS.issuances)
        yield unit
        self.sent += unit.sent


@contextmanager
def taking(here: World, worker: Worker) -> Iterator[Hints]:
    hints = Hints(cast(App, worker), DECISIONS, here.organizations, virtual_clock())
    try:
        yield hints
    finally:
        hints.stop()


async def hinted(hints: Hints, organization: str = ORGANIZATION) -> int:
    request = make_mocked_request("POST", "/", match_info={"organization": organization})
    return (await hints.take(request)).status


@in_world()
async def test_a_hint_goes_to_the_owner_of_the_feed(here: World) -> None:
    worker = Worker()
    with taking(here, worker) as hints:
        assert await hinted(hints, ORGANIZATION.upper()) == 200
        await asyncio.sleep(0.1)
    [sent] = worker.sent
    assert (sent.topic, sent.key, sent.value) == (DECISIONS, ORGANIZATION.encode(), None)
    assert header(sent.headers, ORDER) == LOOK


@in_world()
async def test_a_flood_of_hints_is_one_look_in_five_seconds_and_the_last_one_counts(here: World) -> None:
    worker = Worker()
    with taking(here, worker) as hints:
        for _ in range(1_000):
            assert await hinted(hints) == 200
            await asyncio.sleep(0.02)
        await asyncio.sleep(SECONDS)
    assert len(worker.sent) == 5


@in_world()
async def test_a_hint_of_nobody_is_not_found_and_one_that_cannot_be_passed_on_is_to_come_again(
    here: World,
) -> None:
    worker = Worker()
    with taking(here, worker) as hints:
        assert await hinted(hints, "another") == 404
        worker.partition = None
        assert await hinted(hints) == 503
        await asyncio.sleep(SECONDS)
    assert worker.sent == []

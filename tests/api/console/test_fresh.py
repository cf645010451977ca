"""What takes a while is asked once at a time, and shown as it was until there is more."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from streams.api.console.fresh import Found, Fresh
from streams.clock import Clock
from streams.errors import FatalError

BEGIN = datetime(2026, 11, 26, tzinfo=UTC)


class Source:
    """Answers when it is told to; `now` is the time."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = BEGIN
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.took = self.passed = 0.0

    async def ask(self) -> int:
        self.asked += 1
        self.passed += self.took
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return self.asked

    def fresh(self) -> Fresh[int]:
        return Fresh(self.ask, Clock(lambda: self.passed, lambda: self.now), seconds=5)


async def test_who_does_not_wait_gets_what_was_there_and_the_next_what_came() -> None:
    source = Source()
    fresh = source.fresh()

    first = await fresh.get(0)
    source.open.set()
    second = await fresh.get(9)

    assert first == Found()
    assert second == Found(1, BEGIN)
    assert source.asked == 1


@pytest.mark.parametrize(("took", "rest"), [(0, 5), (3, 30)])
async def test_it_is_asked_again_once_it_is_old_and_later_where_it_takes_long(took: float, rest: int) -> None:
    source = Source()
    source.took = took
    source.open.set()
    fresh = source.fresh()

    await fresh.get(9)
    source.now = BEGIN + timedelta(seconds=rest)
    same = await fresh.get(9)
    source.now = BEGIN + timedelta(seconds=rest + 1)
    newer = await fresh.get(9)

    assert (same.value, newer.value) == (1, 2)
    assert newer.at == source.now


async def test_what_was_known_stays_with_the_trouble_and_is_asked_again() -> None:
    source = Source()
    source.open.set()
    fresh = source.fresh()
    await fresh.get(9)

    source.now, source.error = BEGIN + timedelta(seconds=6), FatalError("Kafka\nis away")
    found = await fresh.get(9)
    source.error = None
    after = await fresh.get(9)

    assert found == Found(1, BEGIN, "Kafka is away")
    assert (after.value, after.trouble) == (3, "")

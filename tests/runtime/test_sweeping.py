"""The rows of a table whose time is over are deleted, and no others."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from streams.clock import Clock
from streams.runtime.sweeping import DAY_SECONDS, sweep
from tests.runtime.world import Broker, World

NOW = datetime(2026, 3, 14, tzinfo=UTC)


async def test_rows_that_are_over_are_deleted_at_once_and_every_day() -> None:
    # given
    broker = Broker(rows={b"1": b"over", b"2": b"stays", b"3": b"over tomorrow"})
    partition = (await World(broker).owner()).partition
    slept: list[float] = []
    days = asyncio.Queue[None]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await days.get()

    def over(key: bytes, raw: bytes, now: datetime) -> bool:
        return raw == b"over" or (raw == b"over tomorrow" and len(slept) > 0)

    # when
    sweeping = asyncio.ensure_future(sweep(partition, over, replace(Clock(), wall=lambda: NOW, sleep=sleep)))
    try:
        async with asyncio.timeout(5):
            while not slept or b"1" in partition.rows:
                await asyncio.sleep(0)
            # then
            assert set(partition.rows) == {b"2", b"3"}
            # when
            days.put_nowait(None)
            while b"3" in partition.rows:
                await asyncio.sleep(0)
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
    # then
    assert set(partition.rows) == {b"2"}
    assert set(slept) == {DAY_SECONDS}
    assert broker.rows == partition.rows

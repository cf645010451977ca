"""Time, randomness and waiting, as arguments; and a time as other services take it."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, randomness and sleep, as arguments."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before the next try, in seconds: twice as long each time, at most `longest`."""

    first: float
    longest: float

    def seconds(self, failures: int, draw: float) -> float:
        """The wait after the `failures`-th failure: half of it certain, half by `draw` between 0 and 1."""
        doublings = min(failures - 1, 60)  # more make no difference, and a thousand would overflow
        full = min(self.longest, self.first * 2.0**doublings)
        return full * (0.5 + draw / 2)


async def change_within(changed: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Clear `changed`, then wait until it is set or `seconds` have passed (`math.inf`: no limit)."""
    changed.clear()
    if seconds == math.inf:
        await changed.wait()
        return
    waits = (asyncio.ensure_future(changed.wait()), asyncio.ensure_future(clock.sleep(seconds)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def zulu(time: datetime) -> str:
    """A time in UTC to the second, as `2026-03-14T15:09:26Z`; the year has four digits, whatever it is."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Time, randomness and patience, as arguments."""

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
    """How long to wait before the next try: each time twice as long, with jitter, at most `longest`."""

    first: float
    longest: float

    def seconds(self, failures: int, draw: float) -> float:
        """The wait behind the `failures`-th failure; `draw` lies between 0 and 1."""
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 60))
        return full * (0.5 + draw / 2)


async def change_within(changed: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait until `changed` is set or so many seconds have passed."""
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

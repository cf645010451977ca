"""What takes a while to find out, for pages that do not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from aiokafka.errors import KafkaError

from streams.clock import Clock
from streams.errors import BadgeStreamsError

T = TypeVar("T")

SHARE = 10
"""Whoever looks again and again takes a tenth of a processor: to count a million badges takes seconds."""
TROUBLES = (KafkaError, BadgeStreamsError, OSError, TimeoutError)
"""What asking somebody else may end with."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found and when, None where nothing has been yet; why it was not found anew, if so."""

    value: T | None = None
    at: datetime | None = None
    trouble: str = ""


class Fresh(Generic[T]):
    """Asks again when somebody wants to know and what is known is older than `seconds`; once at a time.

    What takes long is asked less often: it is as old as it took `SHARE` times, at least.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Clock, seconds: float) -> None:
        self._ask = ask
        self._clock = clock
        self._seconds = seconds
        self._found: Found[T] = Found()
        self._asking: asyncio.Task[None] | None = None
        self._took = 0.0

    async def get(self, within: float) -> Found[T]:
        """What is known after at most so many seconds: asked just now, or before."""
        if self._asking is None and self._is_old():
            self._asking = asyncio.create_task(self._renew())
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=within)
        return self._found

    def _is_old(self) -> bool:
        at = self._found.at
        rest = max(self._seconds, SHARE * self._took)
        return at is None or (self._clock.wall() - at).total_seconds() > rest

    async def _renew(self) -> None:
        began = self._clock.monotonic()
        try:
            self._found = Found(await self._ask(), self._clock.wall())
            self._took = self._clock.monotonic() - began
        except TROUBLES as error:
            self._found = Found(self._found.value, self._found.at, trouble(error))
        finally:
            self._asking = None


def trouble(error: BaseException) -> str:
    """What went wrong, on one line."""
    return " ".join(str(error).split()) or type(error).__name__

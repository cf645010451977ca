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

TROUBLES = (KafkaError, BadgeStreamsError, OSError, TimeoutError)
"""What asking somebody else may end with."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found and when, None where nothing has been yet; why it was not found anew, if so."""

    value: T | None = None
    at: datetime | None = None
    trouble: str = ""


class Fresh(Generic[T]):
    """Asks again when somebody wants to know and what is known is older than `seconds`; once at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Clock, seconds: float) -> None:
        self._ask = ask
        self._clock = clock
        self._seconds = seconds
        self._found: Found[T] = Found()
        self._asking: asyncio.Task[None] | None = None

    async def get(self, within: float) -> Found[T]:
        """What is known after at most so many seconds: asked just now, or before."""
        if self._asking is None and self._is_old():
            self._asking = asyncio.create_task(self._renew())
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=within)
        return self._found

    def _is_old(self) -> bool:
        at = self._found.at
        return at is None or (self._clock.wall() - at).total_seconds() > self._seconds

    async def _renew(self) -> None:
        try:
            self._found = Found(await self._ask(), self._clock.wall())
        except TROUBLES as error:
            self._found = Found(self._found.value, self._found.at, trouble(error))
        finally:
            self._asking = None


def trouble(error: BaseException) -> str:
    """What went wrong, on one line."""
    return " ".join(str(error).split()) or type(error).__name__

"""An event loop whose time passes at once: whenever nothing is ready, it jumps to the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from streams.clock import Clock

T = TypeVar("T")
EPOCH = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    jumped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everything waits for something that never comes")
        self.jumped += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped


def in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an hour of waiting takes no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def virtual_clock() -> Clock:
    """The clock of the running virtual loop, without jitter."""
    loop = asyncio.get_running_loop()
    return Clock(
        monotonic=loop.time,
        wall=lambda: EPOCH + timedelta(seconds=loop.time()),
        sleep=asyncio.sleep,
        random=lambda: 1.0,
    )

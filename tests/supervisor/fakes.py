"""Workers of a fake kind, and what a test sees of the site that runs them."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp

from streams.supervisor.child import Worker
from streams.supervisor.supervisor import Patience

FAKE = Path(__file__).with_name("fake_worker.py")
SWIFT = Patience(first=0.01, longest=0.04, steady=60, look=0.05, misses=2, start=2, end=5)


RunSite = Callable[..., AbstractAsyncContextManager["Site"]]


class Fake:
    """A worker of the fake kind, and what became of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._folder = folder / name
        self._folder.mkdir()
        self.does("well")
        self.worker = Worker(name, [sys.executable, str(FAKE), str(self._folder)])

    def does(self, how: str) -> None:
        self._folder.joinpath("how").write_text(how)

    @property
    def pids(self) -> list[int]:
        """Of each start so far."""
        return [int(file.read_text() or 0) for file in sorted(self._folder.glob("start-*"))]

    @property
    def serves(self) -> bool:
        """Whether the last that was started is at work."""
        return len(list(self._folder.glob("serving-*"))) == len(self.pids) > 0


class Site:
    """A supervisor that runs, its pages and the lines of its workers."""

    def __init__(
        self,
        base: str,
        session: aiohttp.ClientSession,
        running: "asyncio.Task[None]",
        lines: list[tuple[str, str]],
    ) -> None:
        self.address = base.removeprefix("http://")
        self._session = session
        self.running = running
        self.lines = lines

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        answer = await self._session.get(f"http://{self.address}{path}", headers=headers)
        await answer.read()
        return answer

    async def end(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await self.running


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

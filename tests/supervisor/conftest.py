"""A supervisor in this process, and fake workers for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from streams.supervisor.supervisor import Patience, Supervisor
from tests.pages import address
from tests.supervisor.fakes import SWIFT, Fake, RunSite, Site, until


@pytest.fixture
def run_site(caplog: pytest.LogCaptureFixture) -> RunSite:
    """Starts a supervisor of these workers, which ends with the `with` block."""
    caplog.set_level("INFO", "streams")

    @asynccontextmanager
    async def start(*fakes: Fake, patience: Patience = SWIFT) -> AsyncIterator[Site]:
        lines: list[tuple[str, str]] = []
        supervisor = Supervisor(
            [fake.worker for fake in fakes],
            "127.0.0.1:0",
            lambda name, line: lines.append((name, line.decode())),
            patience,
        )
        running = asyncio.ensure_future(supervisor.run())
        await until(lambda: running.done() or address(caplog.text) is not None)
        async with aiohttp.ClientSession() as session:
            found = Site(address(caplog.text) or "", session, running, lines)
            try:
                yield found
            finally:
                if not running.done():
                    await found.end()

    return start


@pytest.fixture
def tracker(tmp_path: Path) -> Fake:
    return Fake(tmp_path, "tracker")


@pytest.fixture
def relay(tmp_path: Path) -> Fake:
    return Fake(tmp_path, "relay")

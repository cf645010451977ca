"""A registry in memory, a client of it, and readers of what is on the bus."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from streams.bus import registry, schemas
from streams.bus.reader import Event, Reader
from streams.bus.registry import Registry
from streams.errors import WaitNeeded
from streams.headers import Headers
from streams.settings import Settings
from tests.bus.registry_server import RegistryServer, registry_server

Read = Callable[[bytes | None, Headers], Awaitable[Event | None]]

TIMESTAMP_MS = 1_790_000_000_000
"""After what the recorded messages say of their time."""


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RegistryServer]:
    monkeypatch.setattr(registry, "WAIT_INITIAL", 0.01)
    async with registry_server() as running:
        yield running


@pytest.fixture
async def client(server: RegistryServer) -> AsyncIterator[Registry]:
    registry = Registry(Settings(registry=server.url, schema_wait_seconds=0))
    await registry.start()
    yield registry
    await registry.stop()


@pytest.fixture
def reader(client: Registry) -> Reader:
    return Reader(client, "test", schemas.event_types())


@pytest.fixture
def read(reader: Reader) -> Read:
    """Reads a record, and fetches the writer's schema if the reader asks for it."""

    async def read(value: bytes | None, headers: Headers) -> Event | None:
        try:
            return reader.read(value, headers, TIMESTAMP_MS)
        except WaitNeeded as needed:
            await needed.until()
            return reader.read(value, headers, TIMESTAMP_MS)

    return read

"""The harms' own tools do what they say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from streams.sandbox.kafka import free_ports
from tests.bus.registry_server import registry_server
from tests.faults.proxy import LaggingRegistry, Proxy

LIMIT_SECONDS = 10.0


class Echo:
    """A server that answers what it is sent; `heard` is set when something has come."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(100):
            self.heard.set()
            writer.write(chunk)
        writer.close()


@asynccontextmanager
async def line(
    *, idle_seconds: float | None = None
) -> AsyncIterator[tuple[Proxy, Echo, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy to an echo."""
    port, behind = free_ports(2)
    echo, proxy = Echo(), Proxy(port, behind, idle_seconds=idle_seconds)
    server = await asyncio.start_server(echo, "127.0.0.1", behind)
    async with server, proxy.listening(), asyncio.timeout(LIMIT_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield proxy, echo, reader, writer
        finally:
            writer.close()


async def test_what_passes_a_proxy_arrives() -> None:
    async with line() as (_, _, reader, writer):
        writer.write(b"word")

        assert await reader.readexactly(4) == b"word"


async def test_where_answers_are_cut_requests_arrive_and_answers_come_once_it_is_healed() -> None:
    async with line() as (proxy, echo, reader, writer):
        proxy.cut("answers")
        writer.write(b"word")
        await echo.heard.wait()
        answer = asyncio.ensure_future(reader.readexactly(4))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answer), 0.05)

        proxy.heal()

        assert await answer == b"word"


async def test_a_connection_that_was_idle_too_long_swallows_what_comes() -> None:
    async with line(idle_seconds=0.0) as (proxy, echo, _, writer):
        writer.write(b"word")
        while not proxy.swallowed:
            await asyncio.sleep(0)

        assert not echo.heard.is_set()


async def test_a_lagging_node_denies_a_schema_until_its_time_has_come() -> None:
    async with registry_server("") as registry, aiohttp.ClientSession() as http:
        registry.holds(7, '"string"')
        late, soon = (
            LaggingRegistry(registry.url.rstrip("/"), 60.0),
            LaggingRegistry(registry.url.rstrip("/"), 0.0),
        )
        async with late.listening(), soon.listening():
            statuses = [(await http.get(f"{node.url}/schemas/ids/7")).status for node in (late, soon)]

    assert statuses == [404, 200]
    assert late.denied == 1

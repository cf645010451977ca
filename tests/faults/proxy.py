"""Stands between a worker and a server, and does what networks do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import aiohttp
from aiohttp import web

Direction = Literal["requests", "answers"]

CHUNK_BYTES = 65_536


class Proxy:
    """A TCP proxy from `port` to the port `behind`, both of 127.0.0.1.

    Where a direction is cut, what goes there waits until it is healed, as by TCP; nothing is closed. With
    `idle_seconds`, a connection on which nothing has passed for so long swallows what comes, in silence: so
    do load balancers and firewalls that have forgotten it.
    """

    def __init__(self, port: int, behind: int, *, idle_seconds: float | None = None) -> None:
        self._port = port
        self._behind = behind
        self._idle_seconds = idle_seconds
        self._open = {"requests": asyncio.Event(), "answers": asyncio.Event()}
        self._connections: set[asyncio.Task[None]] = set()
        self.swallowed = 0
        self.heal()

    def cut(self, *directions: Direction) -> None:
        """Let nothing pass there."""
        for direction in directions:
            self._open[direction].clear()

    def heal(self) -> None:
        """Let everything pass again."""
        for passable in self._open.values():
            passable.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The proxy at work."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.close()
            return
        line = _Line(self._idle_seconds)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(line, "requests", reader, behind_writer))
                both.create_task(self._pass_on(line, "answers", behind_reader, writer))
        except* OSError:
            pass
        finally:
            writer.close()
            behind_writer.close()

    async def _pass_on(
        self, line: "_Line", direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._open[direction].wait()
            if line.is_forgotten():
                self.swallowed += 1
                continue
            writer.write(chunk)
            await writer.drain()
        # Whoever closes its end closes the other one's too.
        raise ConnectionResetError


class _Line:
    """When something last passed on a connection; one that was idle too long stays forgotten."""

    def __init__(self, idle_seconds: float | None) -> None:
        self._idle_seconds = idle_seconds
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()

    def is_forgotten(self) -> bool:
        now = self._clock()
        if self._idle_seconds is not None and now - self._last > self._idle_seconds:
            return True
        self._last = now
        return False


class LaggingRegistry:
    """A node of a registry that learns of a schema `seconds` after it is first asked for it.

    Until then it answers as for a schema that nobody has registered. `denied` counts these answers.
    """

    def __init__(self, behind: str, seconds: float) -> None:
        self._behind = behind
        self._seconds = seconds
        self._asked: dict[str, float] = {}
        self.url = ""
        self.denied = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The node at work, at `url`."""
        async with AsyncExitStack() as stack:
            self._http = await stack.enter_async_context(aiohttp.ClientSession())
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield

    async def _answer(self, request: web.Request) -> web.Response:
        if self._lags(request.path):
            self.denied += 1
            text = json.dumps({"error_code": 40403, "message": "Schema not found"})
            return web.Response(status=404, text=text, content_type="application/json")
        async with self._http.request(
            request.method,
            self._behind + request.path_qs,
            data=await request.read(),
            headers={"Content-Type": request.content_type},
        ) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    def _lags(self, path: str) -> bool:
        if not re.fullmatch(r"/schemas/ids/\d+", path):
            return False
        now = asyncio.get_running_loop().time()
        return now - self._asked.setdefault(path, now) < self._seconds

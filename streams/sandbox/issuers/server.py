"""A simulated issuer behind HTTP.

Under `/_sandbox/` it can be looked at and given orders: `journal` (GET), `faults` (POST a JSON list, which
replaces the schedule), and what the issuer's own server adds.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Self

import click
import orjson
from aiohttp import web

from streams.sandbox.issuers.faults import Fault
from streams.sandbox.issuers.simulator import Simulator

BODY_BYTES = 16 * 1024 * 1024
"""Of a request: an order may be a long list, and aiohttp by itself takes 1 MiB."""

Orders = Mapping[str, Callable[..., Any]]
"""By name what to do with each item of an order."""


class IssuerServer:
    """Serves a simulator on a port, 0 for any free one, as long as its context lasts."""

    def __init__(self, simulator: Simulator, host: str = "127.0.0.1", port: int = 0) -> None:
        self._simulator = simulator
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens; only within the context."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    @property
    def orders(self) -> Orders:
        """The orders that it takes, besides `faults`."""
        return {}

    def shown(self, what: str) -> list[Any]:
        """What can be looked at, besides the journal; raises `KeyError` for anything else."""
        raise KeyError(what)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=BODY_BYTES)
        application.router.add_route("GET", "/_sandbox/{what}", self._show)
        application.router.add_route("POST", "/_sandbox/{what}", self._order)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        seconds = self._simulator.slow_before(request.method, request.raw_path, body)
        if seconds:
            await asyncio.sleep(seconds)
        reply = self._simulator.handle(request.method, request.raw_path, request.headers, body)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.reset and request.transport is not None:
            request.transport.abort()
        html = reply.body.startswith(b"<")
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers=reply.headers,
            content_type="text/html" if html else "application/json",
        )

    async def _show(self, request: web.Request) -> web.Response:
        what = request.match_info["what"]
        try:
            items = self._simulator.journal if what == "journal" else self.shown(what)
        except KeyError:
            raise web.HTTPNotFound from None
        since = int(request.query.get("since", "0"))
        return _json([asdict(item) for item in items[since:]])

    async def _order(self, request: web.Request) -> web.Response:
        items: list[dict[str, Any]] = orjson.loads(await request.read())
        what = request.match_info["what"]
        if what == "faults":
            self._simulator.schedule(Fault(**item) for item in items)
        elif what in self.orders:
            for item in items:
                self.orders[what](**item)
        else:
            raise web.HTTPNotFound
        return _json({"told": len(items)})


def serve(server: IssuerServer) -> None:
    """Print the server's address, and serve until this process is ended."""

    async def run() -> None:
        async with server:
            click.echo(server.url)
            await asyncio.Event().wait()

    asyncio.run(run())


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")

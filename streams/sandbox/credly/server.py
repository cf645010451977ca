"""The service behind HTTP.

Under `/_sandbox/` it can be looked at and given orders: `journal`, `badges` (GET), `organizations`, `tokens`,
`accounts`, `templates`, `badges`, `replacements`, `faults`, `manners` (POST a JSON list; for faults it
replaces the schedule, for manners an item changes what it names).
"""

import asyncio
from dataclasses import asdict, replace
from typing import Any

import orjson
from aiohttp import web

from streams.sandbox.credly.faults import Fault
from streams.sandbox.credly.service import CredlySimulator
from streams.sandbox.credly.tokens import Token

BODY_BYTES = 16 * 1024 * 1024
"""Of a request: an order may be a long list, and aiohttp by itself takes 1 MiB."""


class Server:
    """Serves a `CredlySimulator` on a port, 0 for any free one, as long as its context lasts."""

    def __init__(self, credly: CredlySimulator, host: str = "127.0.0.1", port: int = 0) -> None:
        self.credly = credly
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens; only within the context."""
        assert self._runner is not None
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> "Server":
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
        seconds = self.credly.slow_before(request.method, request.raw_path)
        if seconds:
            await asyncio.sleep(seconds)
        reply = self.credly.handle(request.method, request.raw_path, request.headers, body)
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
        match request.match_info["what"]:
            case "journal":
                since = int(request.query.get("since", "0"))
                return _json([asdict(entry) for entry in self.credly.journal[since:]])
            case "badges":
                return _json([asdict(badge) for badge in self.credly.badges.values()])
        raise web.HTTPNotFound

    async def _order(self, request: web.Request) -> web.Response:
        items: list[dict[str, Any]] = orjson.loads(await request.read())
        match request.match_info["what"]:
            case "organizations":
                for item in items:
                    self.credly.add_organization(**item)
            case "templates":
                for item in items:
                    self.credly.add_template(**item)
            case "badges":
                for item in items:
                    self.credly.set_state(**item)
            case "tokens":
                for item in items:
                    self.credly.add_token(Token(**item))
            case "accounts":
                for item in items:
                    self.credly.add_account(*item["emails"])
            case "replacements":
                for item in items:
                    self.credly.replace(**item)
            case "manners":
                for item in items:
                    self.credly.manners = replace(self.credly.manners, **item)
            case "faults":
                self.credly.schedule(Fault(**item) for item in items)
            case _:
                raise web.HTTPNotFound
        return _json({"told": len(items)})


def _json(value: object) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")

"""A schema registry in memory that speaks the Confluent API, with faults on demand."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class RegistryServer:
    """`failures`: the statuses that answer the next requests. `asked`: how many requests, by path.

    `late`: for how many questions no id is known yet.
    """

    url: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    subjects: dict[tuple[str, str], int] = field(default_factory=dict)
    late: int = 0
    failures: list[int] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    authorizations: list[str | None] = field(default_factory=list)

    def holds(self, schema_id: int, schema: object) -> None:
        """Add a schema under this id, its text unchanged."""
        self.texts[schema_id] = schema if isinstance(schema, str) else json.dumps(schema)

    async def schema(self, request: web.Request) -> web.Response:
        if (failure := self._noted(request)) is not None:
            return failure
        text = None if self.late else self.texts.get(int(request.match_info["id"]))
        self.late = max(0, self.late - 1)
        if text is None:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response({"schema": text})

    async def register(self, request: web.Request) -> web.Response:
        if (failure := self._noted(request)) is not None:
            return failure
        key = (request.match_info["subject"], (await request.json())["schema"])
        new = key not in self.subjects
        if new and request.path.endswith("/versions"):
            self.subjects[key] = len(self.subjects) + 1
            self.texts[self.subjects[key]] = key[1]
        elif new:
            return web.json_response({"error_code": 40403, "message": "Schema not found"}, status=404)
        return web.json_response({"id": self.subjects[key]})

    def _noted(self, request: web.Request) -> web.Response | None:
        self.asked[request.path] += 1
        self.authorizations.append(request.headers.get("Authorization"))
        if not self.failures:
            return None
        failure = self.failures.pop(0)
        return web.json_response({"error_code": failure, "message": "no"}, status=failure)

    async def something_else(self, request: web.Request) -> web.Response:
        """A proxy in front of a registry that is away: answers with the status and body in the path."""
        status, body = int(request.match_info["status"]), request.match_info["body"]
        headers = {"Location": "/login"} if status == 302 else {}
        return web.Response(status=status, text=body, headers=headers)


@asynccontextmanager
async def registry_server(prefix: str = "/apis/ccompat/v7") -> AsyncIterator[RegistryServer]:
    """The server, listening on a free port below `prefix`."""
    server = RegistryServer()
    app = web.Application()
    app.router.add_get(prefix + "/schemas/ids/{id}", server.schema)
    app.router.add_post(prefix + "/subjects/{subject}/versions", server.register)
    app.router.add_post(prefix + "/subjects/{subject}", server.register)
    app.router.add_get("/instead/{status}/{body}/schemas/ids/{id}", server.something_else)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}/"
    try:
        yield server
    finally:
        await runner.cleanup()

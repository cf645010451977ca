"""The pages of all workers as one: `/metrics`, `/live`, `/ready`, `/health`.

Each worker serves its own at a port of this machine, and judges by itself who may see what: what a request
shows is passed on, so that nothing is said here which a worker would not say (decision 0049).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from streams import metrics
from streams.runtime.pages import json
from streams.supervisor.merging import ABSENT, NOT_READY, combined, merged

ANSWER_SECONDS = 3.0
"""A worker is seldom too busy to answer for one second; below the 5 s that probes wait."""
SILENT_SECONDS = 0.25
"""For a worker that has not answered since it was started, or to the last question. One that is well answers
in milliseconds, and the others' pages are not to wait for one that is not."""

VERDICTS = ("live", "ready")
OK, UNAUTHORIZED = 200, 401


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said; status 0 if nothing."""

    status: int
    body: bytes

    def json(self, absent: dict[str, Any]) -> dict[str, Any]:
        """The body, read; `absent` where there is none, or it is that of a fault."""
        try:
            said: dict[str, Any] = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return absent
        return said


class WorkerPages:
    """Asks workers for their pages; `ports` has where they are, by the workers' names."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._silent = set(ports)
        self._session = aiohttp.ClientSession()

    def ended(self, worker: str) -> None:
        """The worker has ended: until the next one answers, nobody waits long for it."""
        self._silent.add(worker)

    async def ask(self, worker: str, path: str, shown: str = "", within: float | None = None) -> Answer:
        """What the worker answers, `within` so many seconds, to a request that shows this authorization."""
        headers = {"Authorization": shown} if shown else {}
        url = f"http://127.0.0.1:{self._ports[worker]}{path}"
        limit = aiohttp.ClientTimeout(within or ANSWER_SECONDS)
        try:
            async with self._session.get(url, headers=headers, timeout=limit) as answer:
                said = Answer(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            self._silent.add(worker)
            return Answer(0, b"")
        self._silent.discard(worker)
        return said

    async def ask_all(self, request: web.Request) -> dict[str, Answer]:
        """What each worker answers to a request that was made here."""
        shown = request.headers.get("Authorization", "")
        limits = {name: SILENT_SECONDS if name in self._silent else ANSWER_SECONDS for name in self._ports}
        asked = (self.ask(name, request.path, shown, within) for name, within in limits.items())
        answers = await asyncio.gather(*asked)
        return dict(zip(self._ports, answers, strict=True))

    async def close(self) -> None:
        """Ask no more."""
        await self._session.close()


def routes(workers: WorkerPages, restarts: Mapping[str, int]) -> Sequence[web.RouteDef]:
    """The site's pages; `restarts` counts them by worker."""

    async def verdict(request: web.Request) -> web.Response:
        verdicts = {name: said.json(ABSENT) for name, said in (await workers.ask_all(request)).items()}
        whole = combined(verdicts)
        return json(200 if whole["ok"] else 503, whole | {"workers": verdicts})

    async def health(request: web.Request) -> web.Response:
        said = {
            name: answer.json(dict.fromkeys(VERDICTS, ABSENT)) | {"restarts": restarts[name]}
            for name, answer in (await workers.ask_all(request)).items()
        }
        whole = {about: combined({name: one[about] for name, one in said.items()}) for about in VERDICTS}
        return json(200, whole | {"workers": said})

    async def measured(request: web.Request) -> web.Response:
        answers = await workers.ask_all(request)
        if any(answer.status == UNAUTHORIZED for answer in answers.values()):
            return web.Response(status=UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
        pages = {
            name: answer.body.decode() if answer.status == OK else NOT_READY
            for name, answer in answers.items()
        }
        body = merged(pages, metrics.WORKER_RESTARTS.collect())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [
        web.get("/metrics", measured),
        web.get("/live", verdict),
        web.get("/ready", verdict),
        web.get("/health", health),
    ]

"""Takes hints that something has happened at an issuer: Credly's webhooks (decision 0100).

Anybody may send one, so nothing in it is believed: it makes the organization's feed be read sooner, by the
worker that reads it.
"""

import asyncio
import math

from aiohttp import web

from streams.clock import Clock
from streams.kafka.orders import LOOK, ORDER
from streams.relay.organizations import Organizations
from streams.runtime.app import App
from streams.runtime.partition import Partition

PATH = "/hints/{organization}"
SECONDS = 5.0
"""Between two looks for hints: however many come, an issuer is asked no more often."""


class Hints:
    """One worker's: each goes through the decisions, `topic`, to the owner of the feed."""

    def __init__(self, app: App, topic: str, organizations: Organizations, clock: Clock) -> None:
        self._app = app
        self._topic = topic
        self._organizations = organizations
        self._clock = clock
        self._told: dict[str, float] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}

    async def take(self, request: web.Request) -> web.Response:
        """Answer a hint: 200, also to one of many; 503 if this worker cannot pass it on at present."""
        id = request.match_info["organization"].lower()
        if not any(of.id == id and of.issuer.traits.feeds for of in self._organizations):
            return web.Response(status=404)
        if self._partition() is None:
            return web.Response(status=503)
        if id not in self._telling:
            self._telling[id] = asyncio.ensure_future(self._tell(id))
        return web.Response()

    def stop(self) -> None:
        """Pass nothing more on."""
        for task in self._telling.values():
            task.cancel()

    async def _tell(self, id: str) -> None:
        """Say so once enough time has passed since the last: what has happened since then shows, too."""
        since = self._clock.monotonic() - self._told.get(id, -math.inf)
        await self._clock.sleep(max(0.0, SECONDS - since))
        self._told[id] = self._clock.monotonic()
        del self._telling[id]
        # Without a partition by now: its next owner begins by reading the feed.
        if partition := self._partition():
            async with self._app.unit_of(partition) as unit:
                unit.send(self._topic, key=id.encode(), value=None, headers=[(ORDER, LOOK)])

    def _partition(self) -> Partition | None:
        """One in which this worker may commit."""
        owned = self._app.owned.values()
        return next((of for of in owned if of.ready and of.tp.topic == self._topic), None)

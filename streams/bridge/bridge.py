"""What the two ways of a bridge work with."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.structs import TopicPartition

from streams import metrics
from streams.bridge.cursor import Cursor, Kind, Look, Loss, near_loss, unread
from streams.bus import redis
from streams.bus.entries import EntryReader
from streams.catalog.in_force import CATALOG_WANTED, CatalogInForce
from streams.clock import Clock, Patience
from streams.kafka.dead_letters import REASONS
from streams.kafka.topics import Topics
from streams.runtime.app import App
from streams.runtime.pages import Pages
from streams.runtime.partition import Partition
from streams.settings import Settings

log = logging.getLogger(__name__)

AGENT, CARRIES = "bridge", "carry"
DEFAULT_HTTP = "127.0.0.1:8070"  # decision 0011
PATIENCE = Patience(0.2, 10.0)
"""Seconds between tries while Redis is in trouble: soon after a failover, and no more than ten late after a
long one."""
LOSSES: Mapping[Kind, str] = {
    "trimmed": "entries were removed before they were read",
    "evicted": "the stream is gone, or another one is in its place: it was evicted or deleted",
    "crashed": "the stream has lost its end: Redis has crashed, or an older copy was restored",
    "clock": "the stream is another one, with earlier ids: the clock of Redis was set back",
}
"""What may have gone missing, in words; `docs/operate.md` says the way out of each."""


class Bridge:
    """What both ways work with; `pages` is a resource of the app as well, opened before."""

    def __init__(self, app: App, settings: Settings, names: Topics) -> None:
        self.app = app
        self.settings = settings
        self.names = names
        self.clock = Clock()
        self.redis = redis.client(settings)
        self.catalogs = CatalogInForce(settings, names.catalog.name)
        self.reader = EntryReader(AGENT)
        self.pages = Pages(app, settings, settings.http or DEFAULT_HTTP, self.describe)
        self._troubles: dict[tuple[TopicPartition, str], str] = {}
        self._read: dict[str, dict[str, Any]] = {}
        self._eviction = ""
        metrics.begin(metrics.DEAD_LETTERS, [AGENT], REASONS)
        metrics.begin(metrics.RECORDS_READ, names.streams)
        metrics.begin(metrics.RECORDS_DROPPED, [AGENT], ["no_rule"])
        metrics.begin(metrics.RECORDS_DROPPED, [CARRIES], ["other_type", "other_source", "bad_badge"])
        for counter in (metrics.REDIS_LOSSES, metrics.ENTRIES_LOST):
            metrics.begin(counter, {*names.streams, names.badges.name}, LOSSES)

    async def start(self) -> None:
        """Know the catalog before anything is read."""
        await self.catalogs.start(self.take_catalog, self.app.fail)
        await self.app.wait_for(self.catalogs.loaded, CATALOG_WANTED)

    async def stop(self) -> None:
        """Close what `start` opened."""
        await self.catalogs.stop()
        await self.redis.aclose()

    def take_catalog(self) -> None:
        """Read only what the catalog in force names; called whenever another one comes into force."""
        self.reader.wanted = self.catalogs.compiled.event_types
        what = ", ".join(sorted(self.reader.wanted)) or "nothing"
        log.info("reading %s for %s", ", ".join(self.names.streams), what)

    async def patiently(self, partition: Partition, what: str, do: Callable[[], Awaitable[None]]) -> None:
        """Do something, again while Redis is in trouble; `/ready` says so meanwhile."""
        failures = 0
        try:
            while True:
                try:
                    await do()
                    self.good(partition, what)
                    return
                except redis.TROUBLES as error:
                    failures += 1
                    await self._troubled(partition, what, redis.trouble(error))
                    await self.clock.sleep(PATIENCE.seconds(failures, self.clock.random()))
        finally:
            self._troubles.pop((partition.tp, what), None)

    def good(self, partition: Partition, what: str) -> None:
        """Redis does what is asked of it about something in a partition."""
        if self._troubles.pop((partition.tp, what), None) is not None:
            log.info("%s: Redis is good again", what)
            self._show_waiting(partition)

    async def look_at_memory(self) -> None:
        """Warn where Redis may evict a whole stream."""
        before, self._eviction = self._eviction, await redis.eviction(self.redis)
        if self._eviction and self._eviction != before:
            why = "Redis may evict whole streams when its memory is full: its maxmemory-policy is %s"
            log.warning(why, self._eviction)

    def lost(self, what: str, loss: Loss) -> None:
        """Say and count what went missing in Redis."""
        metrics.REDIS_LOSSES.labels(what, loss.kind).inc()
        metrics.ENTRIES_LOST.labels(what, loss.kind).inc(loss.entries)
        log.error("%s: %s; entries known to be lost: %d", what, LOSSES[loss.kind], loss.entries)

    def show(self, stream: str, cursor: Cursor, look: Look) -> None:
        """Have pages say how far a stream is read, by the last look at it."""
        left = unread(cursor, look)
        metrics.UNREAD_ENTRIES.labels(stream).set(left)
        metrics.NEAR_LOSS.labels(stream).set(near_loss(left, look, self.settings.redis_stream_max_len))
        self._read[stream] = {"entry": str(cursor.last.id), "unread": left, "epoch": cursor.epoch}

    def show_no_more(self, stream: str) -> None:
        """Say no more of a stream: another bridge may read it."""
        if self._read.pop(stream, None) is not None:
            for gauge in (metrics.UNREAD_ENTRIES, metrics.NEAR_LOSS):
                gauge.remove(stream)

    def describe(self) -> dict[str, Any]:
        """What `/health` says in addition to the stream's state."""
        return {
            "streams": self._read,
            "redis": {what: why for (_, what), why in self._troubles.items()} or "good",
            "eviction": self._eviction or "none",
            "event_types": sorted(self.reader.wanted),
            "catalog": self.catalogs.describe(),
        }

    async def _troubled(self, partition: Partition, what: str, why: str) -> None:
        if self._troubles.get((partition.tp, what)) != why:
            log.warning("%s: Redis is in trouble: %s", what, why)
        self._troubles[partition.tp, what] = why
        self._show_waiting(partition)
        # After a failover a connection may lead to a server that is none any more.
        await self.redis.connection_pool.disconnect(inuse_connections=False)

    def _show_waiting(self, partition: Partition) -> None:
        waits = any(tp == partition.tp for tp, _ in self._troubles)
        partition.waits_for = "Redis" if waits else ""

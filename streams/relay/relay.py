"""What the agents and the reconcilers of a relay work with."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import web
from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.bus.reader import Reader
from streams.bus.registry import registry_of
from streams.catalog.in_force import CATALOG_WANTED, CatalogInForce
from streams.clock import Clock
from streams.issuers.client import Http
from streams.kafka.dead_letters import REASONS
from streams.kafka.forgotten import over_before
from streams.kafka.topics import Topics
from streams.relay import expiry
from streams.relay.backlog import Backlog
from streams.relay.badge_events import KINDS, word_of
from streams.relay.feed import Feeds
from streams.relay.hints import PATH, Hints
from streams.relay.history import never_called, read_up
from streams.relay.issuance import Word
from streams.relay.keys import reach
from streams.relay.organizations import Organizations
from streams.relay.ownership import Ownership
from streams.relay.pace import Limits
from streams.relay.reconciler import Reconciler
from streams.relay.table import PartitionStore, is_over
from streams.relay.terms import terms
from streams.runtime.app import App
from streams.runtime.pages import Pages
from streams.runtime.partition import Partition
from streams.runtime.sweeping import sweep
from streams.settings import Settings

log = logging.getLogger(__name__)

AGENTS = ("receive", "relay")
DEFAULT_HTTP = "127.0.0.1:8090"  # decision 0011
COUNT_SECONDS = 5.0
"""At most how old the gauges are; shorter than a usual scrape interval of 15 to 60 seconds."""


class Relay:
    """What the agents and the reconcilers work with.

    `pages` and `registry` are resources of the app as well, opened before.
    """

    def __init__(self, app: App, settings: Settings, names: Topics) -> None:
        self.app = app
        self.settings = settings
        self.names = names
        self.registry = registry_of(settings)
        self.catalogs = CatalogInForce(settings, names.catalog.name)
        self.reader = Reader(self.registry, "receive", frozenset(KINDS))
        metrics.begin(metrics.DEAD_LETTERS, AGENTS, REASONS)
        metrics.begin(metrics.RECORDS_DROPPED, ["receive"], ["other_type", "other_source"])
        self.http = Http()
        limits = Limits(
            in_flight=settings.issuer_in_flight,
            rate=settings.issuer_rate,
            part=1 - settings.issuer_command_share,
            lag=timedelta(seconds=settings.issuer_lag_seconds),
            give_up=timedelta(hours=settings.issuer_give_up_hours),
        )
        self.clock = Clock()
        ownership = Ownership(settings.earner_prefix, settings.adopted)
        self.organizations = Organizations(limits, self.http, self.clock, reach(settings), ownership)
        self._hints = Hints(app, names.decisions.name, self.organizations, self.clock)
        more = [web.post(PATH, self._hints.take)] if settings.issuer_feed_seconds else []
        self.pages = Pages(app, settings, settings.http or DEFAULT_HTTP, self.describe, more)
        self.reconcilers: dict[int, Reconciler] = {}
        self.feeds: dict[int, Feeds] = {}
        self._owned = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._backlog = Backlog(self.organizations, self.reconcilers)

    async def start(self) -> None:
        """Know the catalog before anything is read."""
        await self.catalogs.start(self.take_catalog, self.app.fail)
        await self.app.wait_for(self.catalogs.loaded, CATALOG_WANTED)
        self._tasks = [asyncio.ensure_future(self._guarded(t)) for t in (self._count, self._watch_keys)]

    async def stop(self) -> None:
        """Close what `start` opened."""
        self._hints.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.catalogs.stop()
        await self.http.close()
        await self.organizations.close()

    def take_catalog(self) -> None:
        """Work by the catalog in force; called whenever another one comes into force."""
        self.organizations.take(*terms(self.catalogs.document))
        for reconciler in self.reconcilers.values():
            reconciler.catalog_changed()

    def partition_ready(self, partition: Partition) -> None:
        """Reconcile an assigned partition of the table for as long as it stays assigned."""
        if partition.tp.topic == self.names.decisions.name:
            letters, credentials = self.names.relay_dead_letters.name, self.names.credentials.name
            store = PartitionStore(self.app, partition, letters, credentials)
            ours = partial(getattr, self.app, "in_session")
            first = never_called(partition.rows)
            number = partition.tp.partition
            reconciler = Reconciler(
                store, self.organizations, self.clock, ours=ours, history=first, number=number
            )
            self.reconcilers[number] = reconciler
            partition.run(partial(self._reconcile, partition, reconciler))
            if seconds := self.settings.issuer_feed_seconds:
                count = partition.host.partitions[partition.tp.topic]
                topic = self.names.decisions.name
                feeds = Feeds(store, self.organizations, self.clock, topic, number, count, seconds)
                self.feeds[number] = feeds
                partition.run(feeds.run)
            partition.run(partial(sweep, partition, self._is_over, self.clock))

    async def _reconcile(self, partition: Partition, reconciler: Reconciler) -> None:
        # Of the limits a worker has the share of its partitions: their next owner has it after this one.
        self._owned += 1
        self._share(partition)
        try:
            await read_up(partition, self.names.badges.name, self.clock, first=reconciler.history)
            await reconciler.run()
        finally:
            self._owned -= 1
            self._share(partition)

    def _share(self, partition: Partition) -> None:
        # A worker without a partition makes no call but one an hour, for when a key expires.
        self.organizations.share(max(1, self._owned) / partition.host.partitions[partition.tp.topic])

    def describe(self) -> dict[str, Any]:
        """What `/health` says beside the stream's state."""
        return {
            "topics": [self.names.badges.name],
            "event_types": sorted(KINDS),
            "catalog": self.catalogs.describe(),
            "registry": self.registry.where,
            "organizations": {
                organization.id: {"held_back": organization.held or None, "rate": organization.rate}
                for organization in self.organizations
            },
        }

    def read(self, record: ConsumerRecord, timestamp: int) -> Word | None:
        """The word in a record; None if it is no badge event. Raises `UnreadableError` or `WaitNeeded`."""
        event = self.reader.read(record.value, record.headers, timestamp)
        return None if event is None else word_of(event, record)

    def _is_over(self, key: bytes, raw: bytes, now: datetime) -> bool:
        return is_over(key, raw, over_before(now, self.settings.forgotten_days))

    async def _guarded(self, task: Callable[[], Any]) -> None:
        with self.app.ends_worker():
            await task()

    async def _count(self) -> None:
        while True:
            self._backlog.count(self.clock.wall().timestamp())
            await asyncio.sleep(COUNT_SECONDS)

    async def _watch_keys(self) -> None:
        await expiry.watch(self.organizations, self.clock)

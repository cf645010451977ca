"""What both agents of a tracker work with."""

import logging
from datetime import datetime
from functools import partial
from typing import Any, get_args

from streams import metrics
from streams.badges import Kind
from streams.bus.emitter import BadgeEmitter
from streams.bus.reader import Reader
from streams.bus.registry import registry_of
from streams.catalog.in_force import CATALOG_WANTED, CatalogInForce
from streams.clock import Clock
from streams.kafka.dead_letters import REASONS
from streams.kafka.forgotten import over_before
from streams.kafka.topics import Topics
from streams.runtime.app import App
from streams.runtime.pages import Pages
from streams.runtime.partition import Partition
from streams.runtime.sweeping import sweep
from streams.settings import Settings
from streams.tracker.held import Held
from streams.tracker.rows import is_over

log = logging.getLogger(__name__)
AGENTS = ("rekey", "track")
DEFAULT_HTTP = "127.0.0.1:8080"


class Tracker:
    """What both agents work with; `pages` and `registry` are resources of the app as well, opened before."""

    def __init__(self, app: App, settings: Settings, names: Topics) -> None:
        self.app = app
        self.settings = settings
        self.names = names
        self.registry = registry_of(settings)
        self.catalogs = CatalogInForce(settings, names.catalog.name)
        self.reader = Reader(self.registry, "rekey")
        self.emitter = BadgeEmitter(self.registry, settings, names.badges.name)
        self.held = Held()
        metrics.begin(metrics.DEAD_LETTERS, AGENTS, REASONS)
        metrics.begin(metrics.RECORDS_DROPPED, ["rekey"], ["no_rule"])
        self.pages = Pages(app, settings, settings.http or DEFAULT_HTTP, self.describe)

    async def start(self) -> None:
        """Be able to judge and to emit before anything is read."""
        await self.catalogs.start(self.take_catalog, self.app.fail)
        await self.app.wait_for(self.catalogs.loaded, CATALOG_WANTED)
        self.app.waits_for = "the schema registry"
        await self.emitter.start()
        self.app.waits_for = ""

    async def stop(self) -> None:
        """Close what `start` opened."""
        await self.catalogs.stop()

    def partition_ready(self, partition: Partition) -> None:
        """Sweep an assigned partition of the table and count what is held, while it stays assigned."""
        if partition.tp.topic == self.names.activities.name:
            partition.run(partial(sweep, partition, self._is_over, Clock()))
            partition.run(partial(self.held.follow, partition.tp.partition, partition.rows))

    def _is_over(self, key: bytes, raw: bytes, now: datetime) -> bool:
        return is_over(key, raw, over_before(now, self.settings.forgotten_days))

    def take_catalog(self) -> None:
        """Read only what the catalog in force names; called whenever another one comes into force."""
        self.reader.wanted = self.catalogs.compiled.event_types
        templates = self.catalogs.document.templates
        metrics.begin(metrics.DECISIONS, get_args(Kind), templates)
        for template in templates:
            metrics.HELD.labels(template)
        log.info(
            "reading %s for %s",
            ", ".join(self.names.read),
            ", ".join(sorted(self.reader.wanted)) or "nothing",
        )

    def describe(self) -> dict[str, Any]:
        """What `/health` says in addition to the stream's state."""
        return {
            "topics": list(self.names.read),
            "event_types": sorted(self.reader.wanted),
            "catalog": self.catalogs.describe(),
            "registry": self.registry.where,
        }

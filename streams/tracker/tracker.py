"""What both agents of a tracker work with."""

import logging
from typing import Any

from streams.bus.emitter import BadgeEmitter
from streams.bus.reader import Reader
from streams.bus.registry import Registry
from streams.catalog.in_force import CATALOG_WANTED, CatalogInForce
from streams.kafka.topics import Topics
from streams.runtime.app import App
from streams.runtime.pages import Pages
from streams.settings import Settings

log = logging.getLogger(__name__)
DEFAULT_HTTP = "127.0.0.1:8080"


class Tracker:
    """What both agents work with."""

    def __init__(self, app: App, settings: Settings, names: Topics) -> None:
        self.app = app
        self.settings = settings
        self.names = names
        self.registry = Registry(settings)
        self.catalogs = CatalogInForce(settings, names.catalog.name)
        self.reader = Reader(self.registry, "rekey")
        self.emitter = BadgeEmitter(self.registry, settings, names.badges.name)
        self.pages = Pages(app, settings.http or DEFAULT_HTTP, self.describe)

    async def start(self) -> None:
        """Be able to judge and to emit before anything is read."""
        await self.pages.start()
        await self.registry.start()
        await self.catalogs.start(self.take_catalog, self.app.fail)
        await self.app.wait_for(self.catalogs.loaded, CATALOG_WANTED)
        await self.emitter.start()

    async def stop(self) -> None:
        """Close what `start` opened."""
        await self.catalogs.stop()
        await self.registry.stop()
        await self.pages.stop()

    def take_catalog(self) -> None:
        """Read only what the catalog in force names; called whenever another one comes into force."""
        self.reader.wanted = self.catalogs.compiled.event_types
        sources = ", ".join(topic.name for topic in self.names.sources)
        log.info("reading %s for %s", sources, ", ".join(sorted(self.reader.wanted)) or "nothing")

    def describe(self) -> dict[str, Any]:
        """What `/health` says in addition to the stream's state."""
        return {
            "topics": [topic.name for topic in self.names.sources],
            "event_types": sorted(self.reader.wanted),
            "catalog": self.catalogs.describe(),
        }

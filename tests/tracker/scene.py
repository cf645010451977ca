"""A tracker that judges and encodes without Kafka and without a registry."""

from pathlib import Path
from typing import cast
from uuid import UUID

import yaml

from streams.bus.emitter import BadgeEmitter
from streams.bus.reader import Reader
from streams.catalog import CatalogDocument, load_catalog
from streams.kafka.topics import topics
from streams.runtime.app import App
from streams.settings import Settings
from streams.tracker.tracker import Tracker
from tests.bus.memory import MemoryRegistry
from tests.bus.messages import message
from tests.catalog.fixed import FixedCatalog

PASSED = message("course_passing_status_updated.as_lms_emits")
LEARNER: int = PASSED.payload["user"]["id"]
ORGANIZATION, TEMPLATE = str(UUID(int=1)), str(UUID(int=2))
SETTINGS = Settings(catalog=Path("nowhere"), source_epoch=3)


def catalog(*conditions: dict[str, object]) -> CatalogDocument:
    """A badge for one passing status on which the conditions hold."""
    requirement = {"id": "passed", "event_type": PASSED.event_type, "rules": list(conditions)}
    template = {
        "id": TEMPLATE,
        "organization": ORGANIZATION,
        "name": "A badge",
        "requirements": [requirement],
    }
    organization = {"id": ORGANIZATION, "api_key": {"env": "KEY"}}
    declared = {"version": 1, "organizations": [organization], "templates": [template]}
    return load_catalog(yaml.safe_dump(declared))


async def tracker(document: CatalogDocument | None = None) -> Tracker:
    """A tracker with this catalog in force, which knows the schema of `PASSED`."""
    made = Tracker(cast(App, None), SETTINGS, topics(SETTINGS))
    made.catalogs = FixedCatalog(SETTINGS, document or catalog())
    registry = MemoryRegistry(SETTINGS, PASSED)
    made.reader = Reader(registry, "test", made.catalogs.compiled.event_types)
    made.emitter = BadgeEmitter(registry, SETTINGS, made.names.badges.name)
    await made.emitter.start()
    return made

"""A relay that reads badge events and knows a catalog, without Kafka and without an issuer."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from aiokafka.structs import ConsumerRecord

from streams.badges import Kind, badge_id, decision_id
from streams.bus.emitter import GENERATION
from streams.bus.reader import Reader
from streams.catalog import load_catalog
from streams.headers import header
from streams.kafka.origin import origin_headers
from streams.kafka.topics import topics
from streams.relay.badge_events import KINDS
from streams.relay.relay import Relay
from streams.runtime.app import App
from streams.settings import Settings
from tests.bus.memory import MemoryRegistry, record, record_of
from tests.bus.messages import Message, message
from tests.catalog.fixed import FixedCatalog
from tests.relay.badge_bus import catalog
from tests.relay.world import ORGANIZATION


def ours(name: str, kind: Kind) -> Message:
    """A recorded badge event as our tracker would have written it: with computed ids, and numbered."""
    real = message(name)
    badge = badge_id(real.payload["template"]["uuid"], real.payload["user"]["id"])
    id = str(decision_id(badge, kind, 1)).encode()
    headers = [(key, id if key == "ce_id" else value) for key, value in real.headers]
    value = real.value.replace(real.payload["uuid"].encode(), str(badge).encode())
    decoded = {field: {**real.payload, "uuid": str(badge)} for field in real.decoded}
    return replace(real, headers=(*headers, (GENERATION, b"1")), value=value, decoded=decoded)


AWARDED, REVOKED = ours("badge_awarded.credly", "awarded"), ours("badge_revoked.credly", "revoked")
BADGE: str = AWARDED.payload["uuid"]
TEMPLATE: str = AWARDED.payload["template"]["uuid"]
LEARNER: int = AWARDED.payload["user"]["id"]
SETTINGS = Settings(
    catalog=Path("nowhere"), source=(header(AWARDED.headers, "ce_source") or b"").decode(), source_epoch=3
)
TOPICS = topics(SETTINGS)


def relay(*templates: str) -> Relay:
    """A relay whose catalog has these templates; by default that of the recorded badge events."""
    made = Relay(cast(App, None), SETTINGS, TOPICS)
    document = load_catalog(catalog("https://credly.test", {ORGANIZATION: templates or (TEMPLATE,)}))
    made.catalogs = FixedCatalog(SETTINGS, document)
    made.reader = Reader(MemoryRegistry(SETTINGS, AWARDED, REVOKED), "receive", frozenset(KINDS))
    made.take_catalog()
    return made


def decision(**changes: Any) -> ConsumerRecord:
    """The award as receive has forwarded it."""
    headers = (*AWARDED.headers, *origin_headers(record_of(AWARDED), SETTINGS.source_epoch))
    there = record(AWARDED.value, headers, key=BADGE.encode(), topic=TOPICS.decisions.name, offset=107)
    return replace(there, **changes)

"""The relay: from badge events to badges at Credly.

`receive` takes the badge events that our tracker sent and keys them by badge; `relay` writes what they ask
for into the table of issuances, and a reconciler for each assigned partition makes Credly follow. `app`
(for `faust -A streams.relay`) is built when first asked for, so importing this module neither reads the
environment nor connects.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

import orjson
from aiokafka.structs import ConsumerRecord

from streams import credly, metrics, origin
from streams.badges import Activity, Source
from streams.bus import schemas
from streams.bus.emitter import GENERATION
from streams.bus.reader import Reader
from streams.bus.registry import Registry
from streams.catalogs import CatalogInForce
from streams.commands import FORGET, command_of
from streams.credly import Answer, Recipient
from streams.credly_http import Http
from streams.deadletters import set_aside
from streams.errors import UnreadableError
from streams.health import Pages
from streams.issuances import (
    BadgeEvent,
    Issuance,
    Kind,
    Original,
    desire,
    dump,
    forget,
    gone,
    letter_due,
    load,
)
from streams.organizations import Clock, Limits, Organization, Organizations, terms
from streams.reconciler import Change, Reconciler
from streams.runtime import App, Batch, Partition, Unit
from streams.settings import Settings, load_settings
from streams.topics import Topics, topics

log = logging.getLogger(__name__)

DEFAULT_HTTP = "127.0.0.1:8090"
AGENT = "relay"
ISSUANCE_BYTES = 512 * 1024
GENERATION_DIGITS = 18
"""More than these the table cannot hold."""
COUNT_SECONDS = 5.0
KEY_EXPIRY_SECONDS = 3600.0
KEY_EXPIRY_PATIENCE = 60.0
KEY_EXPIRY_ALARM = timedelta(days=14)
NO_ORGANIZATION = "unknown"

KINDS: Mapping[str, Kind] = {schemas.BADGE_AWARDED: "awarded", schemas.BADGE_REVOKED: "revoked"}
_TYPES = frozenset(event_type.encode() for event_type in KINDS)
_OF_ORGANIZATION = (
    metrics.CREDLY_PENDING,
    metrics.CREDLY_OLDEST,
    metrics.CREDLY_BREAKER,
    metrics.CREDLY_PAUSED,
    metrics.CREDLY_KEY_EXPIRY,
)


class Relay:
    """What the agents and the reconcilers work with."""

    def __init__(self, app: App, settings: Settings, names: Topics) -> None:
        self.app = app
        self.settings = settings
        self.names = names
        self.registry = Registry(settings)
        self.catalogs = CatalogInForce(settings, names.catalog.name)
        self.reader = Reader(self.registry, AGENT, frozenset(KINDS))
        self.pages = Pages(app, settings.http or DEFAULT_HTTP, self.describe)
        self.http = Http()
        limits = Limits(in_flight=settings.credly_in_flight, rate=settings.credly_rate)
        self.clock = Clock()
        self.organizations = Organizations(limits, self.http, self.clock)
        self.reconcilers: dict[int, Reconciler] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._backlog = Backlog(self.organizations, self.reconcilers)

    async def start(self) -> None:
        """Know the catalog before anything is read."""
        await self.pages.start()
        await self.registry.start()
        await self.catalogs.start(self.take_catalog, self.app.fail)
        self._tasks = [asyncio.ensure_future(self._guarded(t)) for t in (self._count, self._watch_keys)]

    async def stop(self) -> None:
        """Close what `start` opened."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.catalogs.stop()
        await self.registry.stop()
        await self.http.close()
        await self.pages.stop()

    def take_catalog(self) -> None:
        """Work by the catalog in force; called whenever another one comes into force."""
        self.organizations.take(*terms(self.catalogs.document))
        for reconciler in self.reconcilers.values():
            reconciler.catalog_changed()

    def partition_ready(self, partition: Partition) -> None:
        """Reconcile an assigned partition of the table for as long as it stays assigned."""
        if partition.tp.topic == self.names.decisions.name:
            store = PartitionStore(self.app, partition, self.names.relay_dead_letters.name)
            reconciler = Reconciler(store, self.organizations, self.clock)
            self.reconcilers[partition.tp.partition] = reconciler
            partition.run(reconciler.run)

    def describe(self) -> dict[str, Any]:
        """What `/health` says beside the stream's state."""
        return {
            "topics": [self.names.badges.name],
            "event_types": sorted(KINDS),
            "catalog": self.catalogs.describe(),
            "organizations": {
                organization.id: {"held_back": organization.held or None, "rate": organization.rate}
                for organization in self.organizations
            },
        }

    def read(self, record: ConsumerRecord, source: Source, timestamp: int) -> BadgeEvent | None:
        """The badge event in a record. Raises `UnreadableError` or `SchemaNeeded`."""
        activity = self.reader.read(record.value, record.headers, source, timestamp)
        return None if activity is None else badge_event(activity, record)

    async def _guarded(self, task: Callable[[], Any]) -> None:
        with self.app.ends_worker():
            await task()

    async def _count(self) -> None:
        while True:
            self._backlog.count(self.clock.wall().timestamp())
            await asyncio.sleep(COUNT_SECONDS)

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.gather(*(self._ask_expiry(organization) for organization in self.organizations))
            await asyncio.sleep(KEY_EXPIRY_SECONDS)

    async def _ask_expiry(self, organization: Organization) -> None:
        request = credly.tokens(organization.id)
        try:
            async with asyncio.timeout(KEY_EXPIRY_PATIENCE), organization.turn() as turn:
                answer = await turn.call(request)
                expiry = credly.read_tokens(answer, turn.key)
                if isinstance(answer, Answer) and answer.status == 200:
                    # Else without an outcome: a key that may not ask for this may still do its work.
                    turn.outcome = expiry
        except TimeoutError:
            return
        if expiry.at is None and isinstance(answer, Answer):
            metrics.CREDLY_KEY_EXPIRY.remove(organization.id)
        if expiry.at is not None:
            metrics.CREDLY_KEY_EXPIRY.labels(organization.id).set(expiry.at.timestamp())
            if expiry.at - datetime.now(UTC) < KEY_EXPIRY_ALARM:
                log.error("organization %s: its key expires at %s", organization.id, expiry.at)


class Backlog:
    """The gauges of what waits for Credly: pending by organization, parked by template.

    What an organization that left the catalog said of itself is taken back: it would be true for ever.
    """

    def __init__(self, organizations: Organizations, reconcilers: Mapping[int, Reconciler]) -> None:
        self._organizations = organizations
        self._reconcilers = reconcilers
        self._counted: set[str] = set()
        self._parked: set[str] = set()

    def count(self, now: float) -> None:
        """Count as of `now` (Unix time)."""
        names = []
        for known in self._organizations:
            names.append(known.id)
            known.show()
        pending = dict.fromkeys(names, 0)
        oldest = dict.fromkeys(names, now)
        parked = dict.fromkeys(self._parked, 0)
        for reconciler in self._reconcilers.values():
            census = reconciler.census()
            for organization, count in census.pending.items():
                name = organization or NO_ORGANIZATION
                pending[name] = pending.get(name, 0) + count
                oldest[name] = min(oldest.get(name, now), census.oldest[organization])
            for template, count in census.parked.items():
                parked[template] = parked.get(template, 0) + count
        for name, count in pending.items():
            metrics.CREDLY_PENDING.labels(name).set(count)
            metrics.CREDLY_OLDEST.labels(name).set(max(0.0, now - oldest[name]))
        for template, count in parked.items():
            metrics.CREDLY_PARKED.labels(template).set(count)
        self._counted |= pending.keys()
        for name in self._counted - pending.keys():
            for gauge in _OF_ORGANIZATION:
                gauge.remove(name)
        self._parked = set(parked)


class PartitionStore:
    """One partition of the table, with what may be done to it."""

    def __init__(self, app: App, partition: Partition, letters: str) -> None:
        self._app = app
        self._partition = partition
        self._letters = letters

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        """Every issuance as of now."""
        return ((badge, load(orjson.loads(raw))) for badge, raw in list(self._partition.state.items()))

    def get(self, badge: bytes) -> Issuance | None:
        """The issuance of a badge, as far as it is durable."""
        raw = self._partition.state.get(badge)
        return None if raw is None else load(orjson.loads(raw))

    async def save(self, changes: Sequence[tuple[bytes, Change]]) -> Sequence[Issuance]:
        """Apply the changes in one unit of work; return when it is committed."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        results = []
        async with self._app.unit_of(self._partition) as unit:
            for badge, change in changes:
                raw = unit.get(badge)
                assert raw is not None
                before = load(orjson.loads(raw))
                after = change(before)
                if after != before:
                    unit.put(badge, None if gone(after) else orjson.dumps(dump(after)))
                if letter_due(before, after):
                    self._set_aside(unit, before, after)
                results.append(after)
            unit.after_commit.append(partial(_resolve, committed))
        await committed
        return results

    def _set_aside(self, unit: Unit, before: Issuance, after: Issuance) -> None:
        if before.original is None:
            return
        key, headers = origin.original(before.original.headers)
        source, _ = origin.read_origin(before.original.headers)
        error = UnreadableError("refused", after.refused)
        set_aside(unit, self._letters, AGENT, before.original, key, headers, source, error)


class Receiving:
    """One unit's receiving: takes our badge events and keys them by badge."""

    def __init__(self, relay: Relay, unit: Unit) -> None:
        self._relay = relay
        self._unit = unit
        self._epoch = relay.settings.source_epoch
        self._source = relay.settings.source.encode()
        self._other_types = 0
        self._other_sources = 0

    def step(self, record: ConsumerRecord) -> None:
        """Forward, drop or set aside one record of the bus."""
        if not any(name == "ce_type" and value in _TYPES for name, value in record.headers):
            self._other_types += 1
            return
        if next((value for name, value in record.headers if name == "ce_source"), None) != self._source:
            self._other_sources += 1
            return
        names, source = self._relay.names, origin.source_of(record, self._epoch)
        try:
            event = self._relay.read(record, source, record.timestamp)
            if event is None:
                return
            if self._relay.organizations.of(event.template) is None:
                raise UnreadableError("unknown_template", f"the catalog has no template {event.template}")
            headers = [*record.headers, *origin.origin_headers(record, self._epoch)]
            key = event.badge.encode()
            self._unit.send(names.decisions.name, key=key, value=record.value, headers=headers)
        except UnreadableError as error:
            letters = names.relay_dead_letters.name
            set_aside(self._unit, letters, AGENT, record, record.key, record.headers, source, error)

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        metrics.RECORDS_DROPPED.labels(AGENT, "other_type").inc(self._other_types)
        metrics.RECORDS_DROPPED.labels(AGENT, "other_source").inc(self._other_sources)


class Desiring:
    """One unit's relaying: writes down what is desired of each badge."""

    def __init__(self, relay: Relay, unit: Unit, batch: Batch) -> None:
        self._relay = relay
        self._unit = unit
        self._partition = batch.partition
        self._changed: dict[bytes, None] = {}

    def step(self, record: ConsumerRecord) -> None:
        """Follow one badge event or command, or set it aside."""
        if command_of(record.value, record.headers) == FORGET:
            self._forget(record.key, datetime.fromtimestamp(record.timestamp / 1000, UTC))
            return
        names = self._relay.names
        key, headers = record.key, record.headers
        source = Source(record.topic, record.partition, record.offset)
        try:
            source, timestamp = origin.read_origin(record.headers)
            key, headers = origin.original(record.headers)
            event = self._relay.read(record, source, timestamp)
            if event is None:
                return
            badge = event.badge.encode()
            if record.key == badge:
                self._desire(badge, event)
            else:
                # Redriven under another key: it belongs where the badge's issuance is.
                self._unit.send(names.decisions.name, key=badge, value=record.value, headers=record.headers)
        except UnreadableError as error:
            set_aside(self._unit, names.relay_dead_letters.name, AGENT, record, key, headers, source, error)

    def follow(self) -> None:
        """Have the reconciler look at what has changed, once it is committed."""
        reconciler = self._relay.reconcilers.get(self._partition.tp.partition)
        if reconciler is not None:
            reconciler.follow(self._changed)

    def _forget(self, learner: bytes, at: datetime) -> None:
        """Have all the learner's badges of this partition deleted; the learner's id is in each row."""
        rows = {**self._partition.state, **self._unit.table}
        for badge, raw in rows.items():
            if raw is None or learner not in raw:
                continue
            issuance = load(orjson.loads(raw))
            if b"%d" % issuance.learner == learner:
                self._unit.put(badge, orjson.dumps(dump(forget(issuance, at))))
                self._changed[badge] = None

    def _desire(self, badge: bytes, event: BadgeEvent) -> None:
        raw = self._unit.get(badge)
        before = None if raw is None else load(orjson.loads(raw))
        if before is not None and before.kind == "forgotten":
            raise UnreadableError("forgotten", "the learner is forgotten, and the badge being deleted")
        after = desire(before, event)
        if after is before:
            return
        dumped = orjson.dumps(dump(after))
        if len(dumped) > min(ISSUANCE_BYTES, self._unit.value_bytes):
            raise UnreadableError("too_large", f"an issuance of {len(dumped)} bytes")
        self._unit.put(badge, dumped)
        self._changed[badge] = None


def _resolve(future: asyncio.Future[None]) -> None:
    # Who waits may have been cancelled.
    if not future.done():
        future.set_result(None)


def badge_event(activity: Activity, record: ConsumerRecord) -> BadgeEvent:
    """The badge event of a decoded record; raise `UnreadableError` where it makes no sense."""
    badge, template = activity.data["uuid"], activity.data["template"]["uuid"]
    try:
        badge, template = str(UUID(badge)), template.lower()
        given = next((value for name, value in record.headers if name == GENERATION), None)
        generation = None if given is None else _generation(given)
    except ValueError:
        raise UnreadableError("bad_badge", "its id is no UUID, or its generation no number") from None
    user = activity.user
    assert user is not None
    return BadgeEvent(
        kind=KINDS[activity.type],
        badge=badge,
        template=template,
        learner=activity.learner,
        generation=generation,
        decision=activity.id,
        time=activity.time,
        recipient=Recipient(user.username, user.email, user.name),
        original=Original(record.value, tuple(record.headers)),
    )


def _generation(given: bytes) -> int:
    if not given.isdigit() or len(given) > GENERATION_DIGITS:
        raise ValueError("no number of a decision")
    return int(given)


def build(settings: Settings) -> App:
    """The Faust app of the relay under `settings`."""
    names = topics(settings)
    app = App(
        settings.relay_id,
        settings,
        needs=(names.badges, names.catalog, *names.relay),
        sources=frozenset((names.badges.name,)),
        origin="streams",
    )
    relay = Relay(app, settings, names)
    app.resources.append(relay)
    app.on_partition_ready = relay.partition_ready
    app.Table("issuances", input_topic=names.decisions.name, changelog=names.issuances.name)

    @app.agent(app.batches(names.badges.name), name="receive")
    async def receive(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                receiving = Receiving(relay, unit)
                await relay.reader.each(batch, receiving.step, unit.wait)
                unit.after_commit.append(receiving.count)

    @app.agent(app.batches(names.decisions.name), name="relay")
    async def relay_decisions(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                desiring = Desiring(relay, unit, batch)
                await relay.reader.each(batch, desiring.step, unit.wait)
                unit.after_commit.append(desiring.follow)

    return app


@cache
def _app() -> App:
    return build(load_settings())


def __getattr__(name: str) -> App:
    if name == "app":
        return _app()
    raise AttributeError(name)

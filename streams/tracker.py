"""The tracker: from the bus's events to badge events.

`rekey` forwards what a rule of the catalog matches, keyed by learner; `track` keeps each learner's
progress and emits what the core decides. `app` (for `faust -A streams.tracker`) is built when first asked
for, so importing this module neither reads the environment nor connects.
"""

import functools
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord

from streams import metrics, origin
from streams.badges import Activity, Catalog, Decision, Progress, Source, User, dump, judge, load
from streams.bus.emitter import BadgeEmitter, BadgeEvent
from streams.bus.reader import Reader
from streams.bus.registry import Registry
from streams.catalogs import CatalogInForce
from streams.commands import FORGET, command_of
from streams.deadletters import set_aside
from streams.errors import UnreadableError
from streams.health import Pages
from streams.runtime import App, Batch, Unit
from streams.settings import Settings, load_settings
from streams.topics import Topics, topics

log = logging.getLogger(__name__)

PROGRESS_BYTES = 512 * 1024
GROWTH_BYTES = 8 * 1024
"""What one activity adds to a progress beside its own data, by a generous estimate."""
ESCAPED = 6
"""How many bytes of JSON a byte of text can become."""
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
        """What `/health` says beside the stream's state."""
        return {
            "topics": [topic.name for topic in self.names.sources],
            "event_types": sorted(self.reader.wanted),
            "catalog": self.catalogs.describe(),
        }


class Rekeying:
    """One unit's rekeying: reads, drops what no rule matches, forwards the rest by learner."""

    def __init__(self, tracker: Tracker, unit: Unit) -> None:
        self._tracker = tracker
        self._unit = unit
        self._catalog = tracker.catalogs.compiled
        self._epoch = tracker.settings.source_epoch
        self._topic = tracker.names.activities.name
        self._forwarded = 0
        self._irrelevant = 0

    def step(self, record: ConsumerRecord) -> None:
        """Forward, drop or set aside one record of the bus."""
        try:
            seen = self._tracker.reader.glance(record.value, record.headers, record.timestamp)
            if seen is None:
                return
            if not self._catalog.relevant(seen):
                self._irrelevant += 1
                return
            headers = [*record.headers, *origin.origin_headers(record, self._epoch)]
            key = b"%d" % seen.learner
            self._unit.send(self._topic, key=key, value=record.value, headers=headers)
            self._forwarded += 1
        except UnreadableError as error:
            letters = self._tracker.names.dead_letters.name
            source = origin.source_of(record, self._epoch)
            set_aside(self._unit, letters, "rekey", record, record.key, record.headers, source, error)

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        metrics.ACTIVITIES_MATCHED.inc(self._forwarded)
        metrics.RECORDS_DROPPED.labels("rekey", "no_rule").inc(self._irrelevant)


class Tracking:
    """One unit's tracking: each learner's progress is loaded once, judged per activity, stored once."""

    def __init__(self, tracker: Tracker, unit: Unit) -> None:
        self._tracker = tracker
        self._unit = unit
        self._document = tracker.catalogs.document
        self._progress: dict[bytes, Progress] = {}
        self._changed: set[bytes] = set()
        self._sizes: dict[bytes, int] = {}
        self._most = min(PROGRESS_BYTES, unit.value_bytes)
        self._judgements = 0
        self._decisions: list[Decision] = []

    def step(self, record: ConsumerRecord) -> None:
        """Judge one activity, or set it aside; what was set aside leaves the progress as it was."""
        if command_of(record.value, record.headers) == FORGET and record.key is not None:
            self._forget(record.key)
            return
        try:
            source, timestamp = origin.read_origin(record.headers)
        except UnreadableError as error:
            place = Source(record.topic, record.partition, record.offset)
            self._set_aside(record, record.key, record.headers, place, error)
            return
        try:
            activity = self._tracker.reader.read(record.value, record.headers, source, timestamp)
            if activity is not None:
                self._take(record, activity)
            self._unit.read[source.topic, source.partition] = (source.epoch, source.offset)
        except UnreadableError as error:
            key, headers = origin.original(record.headers)
            self._set_aside(record, key, headers, source, error)

    def store(self) -> None:
        """Write the progress of every learner whom an activity changed."""
        for key in self._changed:
            progress = self._progress[key]
            forgotten = progress is Progress.initial()
            self._unit.put(key, None if forgotten else orjson.dumps(dump(progress)))

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        now = time.time()
        metrics.ACTIVITIES_JUDGED.inc(self._judgements)
        for decision in self._decisions:
            metrics.DECISIONS.labels(decision.kind, decision.template).inc()
            metrics.DECISION_LATENCY.observe(max(0.0, now - decision.time.timestamp()))

    def _forget(self, key: bytes) -> None:
        self._progress[key] = Progress.initial()
        self._changed.add(key)
        log.info("a learner is forgotten")

    def _take(self, record: ConsumerRecord, activity: Activity) -> None:
        key = b"%d" % activity.learner
        if record.key == key:
            self._judge(key, activity, len(record.value))
        else:
            # Redriven under another key: it belongs where the learner's progress is.
            activities = self._tracker.names.activities.name
            self._unit.send(activities, key=key, value=record.value, headers=record.headers)

    def _judge(self, key: bytes, activity: Activity, size: int) -> None:
        before = self._progress.get(key)
        if before is None:
            before = self._load(key)
        self._judgements += 1
        after, decisions = _judged(self._document.compiled, before, activity)
        if after is before:
            return
        self._bound(key, after, size)
        badges = self._tracker.names.badges.name
        events = [self._encode(decision, after.user) for decision in decisions]
        for event in events:
            # Before the first is sent: an activity's decisions are all sent, or it is set aside.
            self._unit.check_size(badges, event.key, event.value, event.headers)
        for event in events:
            self._unit.send(badges, key=event.key, value=event.value, headers=event.headers)
        self._decisions.extend(decisions)
        self._progress[key] = after
        self._changed.add(key)

    def _encode(self, decision: Decision, user: User | None) -> BadgeEvent:
        template = self._document.templates[decision.template]
        provider = self._document.organizations[template.organization].provider
        return self._tracker.emitter.encode(decision, user, template, provider)

    def _load(self, key: bytes) -> Progress:
        raw = self._unit.get(key)
        if raw is None:
            return Progress.initial()
        self._sizes[key] = len(raw)
        return load(orjson.loads(raw))

    def _bound(self, key: bytes, after: Progress, size: int) -> None:
        """Refuse a progress that grew too large; it is measured only where it may come near the bound."""
        before = self._sizes.get(key, 0)
        estimate = before + ESCAPED * size + GROWTH_BYTES
        if estimate > self._most // 2:
            estimate = len(orjson.dumps(dump(after)))
            if estimate > self._most:
                raise UnreadableError("progress_too_large", f"more than {self._most} bytes")
        self._sizes[key] = estimate

    def _set_aside(
        self,
        record: ConsumerRecord,
        key: bytes | None,
        headers: origin.Headers,
        source: Source,
        error: UnreadableError,
    ) -> None:
        letters = self._tracker.names.dead_letters.name
        set_aside(self._unit, letters, "track", record, key, headers, source, error)


def _judged(
    catalog: Catalog, progress: Progress, activity: Activity
) -> tuple[Progress, tuple[Decision, ...]]:
    try:
        return judge(catalog, progress, activity)
    except Exception as error:
        # Judging is pure, so whatever it raises concerns this one record: the stream goes on without it.
        log.exception("activity %s cannot be judged", activity.id)
        raise UnreadableError("judging_failed", type(error).__name__) from error


def build(settings: Settings) -> App:
    """The Faust app of the tracker under `settings`."""
    names = topics(settings)
    sources = frozenset(topic.name for topic in names.sources)
    app = App(
        settings.app_id,
        settings,
        needs=(*names.sources, names.badges, *names.tracker),
        sources=sources,
        origin="streams",
    )
    tracker = Tracker(app, settings, names)
    app.resources.append(tracker)
    app.Table(
        "progress",
        help="What each learner has done towards each badge.",
        input_topic=names.activities.name,
        changelog=names.progress.name,
    )

    @app.agent(app.batches(*sorted(sources)), name="rekey")
    async def rekey(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                rekeying = Rekeying(tracker, unit)
                await tracker.reader.each(batch, rekeying.step, unit.wait)
                unit.after_commit.append(rekeying.count)

    @app.agent(app.batches(names.activities.name), name="track")
    async def track(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                tracking = Tracking(tracker, unit)
                await tracker.reader.each(batch, tracking.step, unit.wait)
                tracking.store()
                unit.after_commit.append(tracking.count)

    return app


@functools.cache
def _app() -> App:
    return build(load_settings())


def __getattr__(name: str) -> App:
    if name == "app":
        return _app()
    raise AttributeError(name)

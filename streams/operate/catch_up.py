"""Giving activities of the past once more, to a few templates: what is on the bus, or in a recording."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import SEEK_END
from typing import IO

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import ConsumerRecord

from streams.badges import Catalog
from streams.bus.activities import activity_of, parsed, written
from streams.bus.reader import AHEAD_MS
from streams.errors import FatalError, UnreadableError
from streams.kafka import checks
from streams.kafka.client import partition_of
from streams.kafka.topics import RECORD_OVERHEAD
from streams.operate.catalog import active
from streams.operate.meter import NO_METER, Meter
from streams.operate.record import Wanted, record
from streams.operate.sending import BATCH_BYTES, BATCH_RECORDS, Message, producer, send
from streams.operate.site import Site, site
from streams.operate.streams import place
from streams.settings import Settings

Report = Callable[[str, UnreadableError], None]
"""Hears of what cannot be read: where it is, and why."""


@dataclass(slots=True)
class Told:
    """How many activities were read, and how many are `sent` because they concern one of the templates.

    `report` hears of what cannot be read, once it is counted.
    """

    report: Report
    read: int = 0
    sent: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)

    def not_read(self, where: str, error: UnreadableError) -> None:
        """Take note of what cannot be read."""
        self.unreadable[error.reason] += 1
        self.report(where, error)


async def catch_up(
    settings: Settings,
    templates: Collection[str],
    since: datetime | None,
    recording: IO[bytes] | None,
    told: Told,
    meter: Meter = NO_METER,
) -> None:
    """Give the activities of `since` and later to `templates` once more; `told` hears of each as it is sent.

    They come from the bus in the order of their records' timestamps, or from the lines of a `recording` in
    theirs, and go through the activities' topic, so that each learner's tracker judges them beside what
    happens now. Given again they change nothing (decision 0075).

    Raises `ConfigurationError` for a template that is not active in the catalog in force, `FatalError` where
    not all could be sent.
    """
    ids = frozenset(id.lower() for id in templates)
    async with site(settings) as here:
        catalog = await active(here, ids)
        if recording is not None:
            lines = _recorded(recording, meter)
        elif types := _types(catalog, ids):
            lines = _on_the_bus(settings, types, since, told.not_read, meter)
        else:
            return  # other badges alone concern them
        activities = here.topics.activities.name
        async with aclosing(lines), producer(settings, f"{activities}-catch-up") as sending:
            partitions, largest = len(await here.existing(activities)), await _largest(here, activities)
            sender = Sender(sending, activities, partitions, largest, told)
            async for where, line in lines:
                told.read += 1
                try:
                    if (pair := given_again(line, ids, catalog, since)) is not None:
                        await sender.take(*pair)
                except UnreadableError as error:
                    told.not_read(where or _place(settings, line), error)
            await sender.flush()


def given_again(
    raw: bytes, templates: frozenset[str], catalog: Catalog, since: datetime | None
) -> tuple[bytes, bytes] | None:
    """The key and the line by which an activity is given again to `templates`.

    None where it concerns none of them, or was before `since`. Raises `UnreadableError` where the line is no
    activity.
    """
    value = parsed(raw)
    if "order" in value:
        raise UnreadableError("no_activity", "an order: award and revoke give it")
    value["catch_up"] = sorted(templates)
    activity = activity_of(value, catalog.event_types)
    if activity is None or (since is not None and activity.time < since) or not catalog.match(activity):
        return None
    return b"%d" % activity.learner, written(value)


@dataclass(slots=True)
class Sender:
    """Sends activities to `topic`, a transaction for as many as are bounded."""

    producer: AIOKafkaProducer
    topic: str
    partitions: int
    largest: int
    told: Told
    due: list[Message] = field(default_factory=list)
    size: int = 0

    async def take(self, key: bytes, value: bytes) -> None:
        """Send it, with others; raise `UnreadableError` where it is larger than the topic takes."""
        if len(key) + len(value) > self.largest:
            raise UnreadableError("too_large", f"more than {self.largest} bytes")
        partition = partition_of(key, self.partitions)
        self.due.append({"topic": self.topic, "key": key, "value": value, "partition": partition})
        self.size += len(value)
        if len(self.due) >= BATCH_RECORDS or self.size >= BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Send what was taken."""
        if not self.due:
            return
        so_far = f"{self.told.sent} activities were sent; run it again: what was given changes nothing"
        try:
            await send(self.producer, self.due)
        except ProducerFenced:
            raise FatalError(f"somebody else catches up just now: {so_far}") from None
        except KafkaError as error:
            raise FatalError(f"{self.topic}: {error!r}: {so_far}") from error
        self.told.sent += len(self.due)
        self.due, self.size = [], 0


def _types(catalog: Catalog, templates: Collection[str]) -> frozenset[str]:
    """The types of the activities that the templates' requirements and penalties see."""
    found: set[str] = set()
    for id in templates:
        compiled = catalog.active[catalog.turns[id]]
        found.update(type for r in compiled.requirements.values() for type in r.event_types)
        found.update(type for penalty in compiled.template.penalties for type in penalty.event_types)
    return frozenset(found)


async def _on_the_bus(
    settings: Settings, types: frozenset[str], since: datetime | None, unreadable: Report, meter: Meter
) -> AsyncGenerator[tuple[str, bytes]]:
    def report(found: ConsumerRecord, error: UnreadableError) -> None:
        unreadable(place(settings, found.topic, found.partition, found.offset), error)

    written = since and datetime.fromtimestamp(max(0, since.timestamp() - AHEAD_MS / 1000), UTC)
    async with aclosing(record(settings, Wanted(since=written, types=types), report, meter)) as lines:
        async for line in lines:
            yield "", line


async def _recorded(recording: IO[bytes], meter: Meter) -> AsyncGenerator[tuple[str, bytes]]:
    if recording.seekable():
        meter.expect(recording.seek(0, SEEK_END))
        recording.seek(0)
    for number, line in enumerate(recording, start=1):
        meter.advance(len(line))
        if line.strip():
            yield f"line {number}", line


def _place(settings: Settings, line: bytes) -> str:
    """Where the record of a line lies that was read from the bus."""
    source = parsed(line)["source"]
    return place(settings, source["topic"], source["partition"], source["offset"])


async def _largest(here: Site, topic: str) -> int:
    """How many bytes a record of the topic may have."""
    found = await checks.configs(await here.admin(), [topic])
    return int(found[topic]["max.message.bytes"]) - RECORD_OVERHEAD

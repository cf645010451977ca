"""Follows the changelogs and the catalogs into the store: all partitions, what was committed alone."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams import metrics
from streams.api.rows import RowError, badge_of, consent_row, issuance_row, learner_of, progress_row
from streams.api.store import Batch, Place, Store
from streams.catalog.in_force import Revision
from streams.clock import Clock, Patience
from streams.errors import FatalError
from streams.kafka.client import admin, partitions_of, reader
from streams.kafka.topics import Topics
from streams.relay.rows import is_issuance
from streams.settings import Settings

log = logging.getLogger(__name__)

FETCH_BYTES = 128 * 1024
"""Of one partition at once: all partitions of both changelogs together may lie fetched, in 200 MiB."""
RECORDS = 2_000
"""In one transaction: enough that its commit is no part of the cost, in a tenth of a second."""
POLL_MS = 250
"""How long to wait for records. What a broker has is sent at once."""
PAUSE_SECONDS = 0.05
"""After a batch that was not full: many records that come one by one then cost one transaction, and an answer
is still younger than a person can tell."""
SAVE_SECONDS = 1.0
"""How often it is written down how old what is known may be; another start begins with that."""
OLD_SECONDS = 12 * 3_600.0
"""A store that was read up longer ago is made again: Kafka keeps the record that deletes a key for a day at
least (`delete.retention.ms`), and after that a learner who was forgotten meanwhile would stay."""
LOOK_SECONDS = 30.0
"""How often a topic is looked for that is not there: the relay's, where a site begins without one, or that of
consents, where it was made without."""
RETRY = Patience(first=0.5, longest=15)


class Again(Exception):  # noqa: N818 - not an error: it asks for something
    """The store is to be made again, for the reason that the message gives."""


class Reconnect(Exception):  # noqa: N818 - not an error: it asks for something
    """The topics are to be looked at again."""


@dataclass(slots=True)
class Progressing:
    """How old what is known may be: `as_of` (Unix time) all that was committed is known of.

    All that was there at `since`, which ends at `ends`, is being read.
    """

    as_of: float | None = None
    since: float = 0.0
    ends: Mapping[TopicPartition, int] = field(default_factory=dict)

    def seen(
        self, position: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], at: float
    ) -> bool:
        """Read up to `position`; the partitions ended at `ends` at the time `at`. True if `as_of` moved."""
        if not self.ends:
            self.since, self.ends = at, ends
        if any(position[tp] < end for tp, end in self.ends.items()):
            return False
        self.as_of, self.since, self.ends = self.since, at, ends
        return True


class Follower:
    """Keeps one store up to date, with a consumer that belongs to no group.

    `trouble` says why it is not, empty while it is; `relay` whether there is a relay's table, `consents`
    whether consents can be kept. `changed` is called after a batch, on the loop, with the batch.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        names: Topics,
        clock: Clock,
        changed: Callable[[Batch], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._store = store
        self._names = names
        self._clock = clock
        self._changed = changed
        self._progressing = Progressing(as_of=store.read_up_at)
        self._saved = float("-inf")
        self._failures = 0
        self.trouble = ""
        self.relay = True
        self.consents = False

    @property
    def as_of(self) -> float | None:
        """When all that was committed was known (Unix time); None before that was so for the first time."""
        return self._progressing.as_of

    async def run(self) -> None:
        """Follow until cancelled, whatever becomes of Kafka."""
        while True:
            try:
                await self._follow()
            except Again as why:
                log.warning("the store is made again: %s", why)
                self._progressing = Progressing()
                await asyncio.to_thread(self._store.clear)
            except Reconnect:
                pass
            except sqlite3.Error as error:
                raise FatalError(f"the store cannot be written: {error}") from error
            except (KafkaError, FatalError, OSError) as error:
                self._failures += 1
                self.trouble = str(error) or type(error).__name__
                log.warning("the topics cannot be followed: %s", self.trouble)
                await self._clock.sleep(RETRY.seconds(self._failures, self._clock.random()))

    async def _follow(self) -> None:
        async with reader(self._settings, fetch_bytes=FETCH_BYTES, fetch_wait_ms=POLL_MS) as consumer:
            tps, missing = await self._partitions(consumer)
            await self._take_up(consumer, tps)
            self.trouble, self._failures = "", 0
            look_at = self._clock.monotonic() + LOOK_SECONDS
            while True:
                await self._step(consumer)
                if missing and self._clock.monotonic() > look_at:
                    raise Reconnect

    async def _partitions(self, consumer: AIOKafkaConsumer) -> tuple[list[TopicPartition], bool]:
        """What is to be followed, and whether the relay's is missing."""
        needed = (self._names.progress, self._names.catalog)
        found = {topic.name: await partitions_of(consumer, topic.name) for topic in needed}
        if missing := [name for name, tps in found.items() if not tps]:
            raise FatalError(f"no topic {', '.join(missing)} (badge-streams topics --create makes it)")
        issued = await partitions_of(consumer, self._names.issuances.name)
        signed = await partitions_of(consumer, self._names.credentials.name)
        consents = await partitions_of(consumer, self._names.consents.name)
        self.relay, self.consents = bool(issued), bool(consents)
        optional = (issued, signed, consents)
        return [tp for tps in (*found.values(), *optional) for tp in tps], not all(optional)

    async def _take_up(self, consumer: AIOKafkaConsumer, tps: list[TopicPartition]) -> None:
        """Go on where the store ends; raise `Again` where that is no place to go on from."""
        # Before the assignment: once aiokafka fetches, a broker answers each question only after a fetch.
        ends, begins = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
        async with admin(self._settings) as client:
            cluster = str((await client.describe_cluster())["cluster_id"])
        if not self._store.belongs_to(cluster):
            raise Again("it is of another cluster")
        places = self._store.places
        at = self._store.read_up_at
        if at is not None and self._clock.wall().timestamp() - at > OLD_SECONDS:
            raise Again("it was read up more than half a day ago")
        for (topic, partition), place in places.items():
            if place.next > ends.get(TopicPartition(topic, partition), 0):
                raise Again(f"{topic}-{partition} is shorter than it was")
        consumer.assign(tps)
        for tp in tps:
            known = places.get((tp.topic, tp.partition))
            # The last record is read again: it shows whether this is still the same topic.
            consumer.seek(tp, begins[tp] if known is None else max(begins[tp], known.last))

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        try:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS)
        except OffsetOutOfRangeError as error:
            raise Again(f"{error} is no offset any more") from None
        position = {tp: await consumer.position(tp) for tp in consumer.assignment()}
        if fetched:
            # In a thread: who asks meanwhile is answered.
            await self._changed(await asyncio.to_thread(self._take_over, fetched, position))
        await self._note_age(consumer, position)
        if 0 < sum(map(len, fetched.values())) < RECORDS:
            await self._clock.sleep(PAUSE_SECONDS)

    async def _note_age(self, consumer: AIOKafkaConsumer, position: Mapping[TopicPartition, int]) -> None:
        # As of the last answers: while the brokers say nothing, this does not move.
        heard = [consumer.last_poll_timestamp(tp) for tp in position]
        if None in heard:
            return
        at = min(heard) / 1000
        if self.as_of is not None and at - self.as_of > OLD_SECONDS:
            raise Again("Kafka was away for more than half a day")
        ends = {tp: consumer.last_stable_offset(tp) for tp in position}
        if (
            self._progressing.seen(position, ends, at)
            and (as_of := self.as_of or 0) - self._saved > SAVE_SECONDS
        ):
            self._saved = as_of
            await asyncio.to_thread(self._store.read_up, as_of)

    def _take_over(
        self, fetched: Mapping[TopicPartition, list[ConsumerRecord]], position: Mapping[TopicPartition, int]
    ) -> Batch:
        batch, places = Batch(), self._store.places
        for tp, records in fetched.items():
            known = places.get((tp.topic, tp.partition))
            if known and records[0].offset == known.last and records[0].timestamp != known.timestamp:
                raise Again(f"{tp.topic}-{tp.partition} was made again")
            for record in records:
                try:
                    self._take(batch, record)
                except RowError as error:
                    metrics.API_UNREADABLE.labels(tp.topic).inc()
                    log.error("%s-%d at %d is left out: %s", tp.topic, tp.partition, record.offset, error)
            last = records[-1]
            batch.places[tp.topic, tp.partition] = Place(position[tp], last.offset, last.timestamp)
        self._store.apply(batch)
        return batch

    def _take(self, batch: Batch, record: ConsumerRecord) -> None:
        if record.topic == self._names.progress.name:
            batch.progress[learner_of(record.key)] = (
                None if record.value is None else progress_row(record.value)
            )
        elif record.topic == self._names.issuances.name:
            if is_issuance(record.key or b"") and (badge := badge_of(record.key)) is not None:
                batch.issuances[badge] = None if record.value is None else issuance_row(record.value)
        elif record.topic == self._names.credentials.name:
            batch.published[(record.key or b"").decode("utf-8", "replace")] = record.value
        elif record.topic == self._names.consents.name:
            if (badge := badge_of(record.key)) is not None:
                batch.consents[badge] = None if record.value is None else consent_row(record.value)
        elif record.key is not None and record.value is not None:
            name = record.key.decode("utf-8", "replace")
            batch.revisions.append(Revision(name, record.offset, record.timestamp, record.value))

"""One assigned input partition: its producer, its part of the table, its one unit at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.kafka.changelog import read_table
from streams.kafka.client import TRANSACTION_SECONDS, connection, start
from streams.runtime import recovery
from streams.runtime.fetched import Fetched
from streams.runtime.unit import Batch, Unit

if TYPE_CHECKING:
    from streams.runtime.app import App
    from streams.runtime.table import Table

log = logging.getLogger(__name__)

BATCH_BYTES = 400_000
RETRY_MS = 20
"""While the last transaction's markers are still being written, the coordinator refuses one offset commit in
a hundred; waiting aiokafka's 100 ms then tripled the latency's 99th percentile."""
COMMIT_SECONDS = 2 * TRANSACTION_SECONDS
"""After its timeout the broker aborts a transaction; a commit still waiting by now waits for nothing."""


class Partition:
    """What a worker holds for a partition as long as the consumer group assigns it.

    `term` counts how often the partition was taken away: what was begun in an earlier term is dropped.
    """

    def __init__(self, app: "App", tp: TopicPartition, table: "Table | None") -> None:
        self.app = app
        self.tp = tp
        self.table = table
        self.rows: dict[bytes, bytes] = {}
        self.term = 0
        self.lock = asyncio.Lock()
        self.suspended = asyncio.Event()
        self.ready = False
        self.fetched: Fetched | None = None
        self.delivered: int | None = None
        self.begun = False
        self.turn = 0
        self.committed: int | None = None
        self.behind_since: float | None = None
        self._taken = False
        self._read: recovery.Read = {}
        self._producer: AIOKafkaProducer | None = None
        self._commit: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        labels = (tp.topic, str(tp.partition))
        self._commits = metrics.COMMITS.labels(*labels)
        self._last_commit = metrics.LAST_COMMIT.labels(*labels)

    @property
    def idle(self) -> bool:
        """True where the next batch may be delivered."""
        return self.ready and self.delivered is None

    @property
    def waiting(self) -> bool:
        """True where a batch is delivered whose unit has not begun."""
        return self.delivered is not None and not self.begun

    @property
    def unfinished(self) -> int | None:
        """The first offset taken from aiokafka that is not worked off; None where all is."""
        if self.delivered is not None:
            return self.delivered
        return None if self.fetched is None else self.fetched.position

    def deliver(self, fetched: Fetched, turn: int) -> Batch:
        """The next batch of what was fetched; `turn` says when it was this partition's turn."""
        self.fetched = fetched
        self.delivered = fetched.position
        self.begun = False
        self.turn = turn
        return Batch(self, fetched)

    def begin(self) -> None:
        """The agent has begun a unit: there is room for another batch."""
        self.begun = True
        self.app.partition_ready(self)

    def seen_behind(self, behind: bool) -> None:
        """Remember since when there has been lag without a commit (`behind_since`, monotonic seconds)."""
        if not behind:
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = time.monotonic()

    async def take(self) -> None:
        """Become the owner: fence the previous one, recover the table, seek to what was committed."""
        self._producer = self._new_producer()
        await start(self._producer, self.app.settings)
        keys = 0
        if self.table is not None:
            self.rows = await read_table(self.app.settings, self.table.changelog, self.tp.partition)
            keys = len(self.rows)
        last = await recovery.last_commit(self.app, self.tp)
        self.committed = await recovery.starting_offset(self.app, self.tp, last, keys)
        self._read = last.read if last else {}
        self._taken = True
        self._open()

    async def keep(self) -> None:
        """Go on after a rebalance that left the partition here; start over if anybody was in between."""
        if not self._taken or not await self._is_committed():
            await self.release()
            await self.take()
        else:
            self._open()

    async def _is_committed(self) -> bool:
        last = await recovery.last_commit(self.app, self.tp)
        return (last.offset if last else None) == self.committed

    def suspend(self) -> None:
        """Deliver nothing more, and drop what is delivered and not yet committing."""
        self.ready = False
        self.term += 1
        self.suspended.set()
        self._drop_fetched()
        self.delivered = None
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def drained(self) -> None:
        """Wait for the unit that is open or committing."""
        async with self.lock:
            pass

    async def release(self) -> None:
        """Give the partition up: close the producer, forget the table."""
        producer, self._producer = self._producer, None
        self._taken = False
        self.rows = {}
        if producer is not None:
            await producer.stop()

    def run(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run `task` for as long as the partition stays assigned; its exception ends the worker."""

        async def guarded() -> None:
            with self.app.ends_worker():
                await task()

        self._tasks.append(asyncio.ensure_future(guarded()))

    def new_builder(self, topic: str) -> BatchBuilder:
        """An empty record batch, as large as `topic` takes."""
        return BatchBuilder(min(BATCH_BYTES, self.app.max_message_bytes[topic]), 0, is_transactional=True)

    def commit_soon(self, unit: Unit) -> None:
        """Commit in the background; the partition's lock is free again afterwards."""
        self._commit = asyncio.ensure_future(self._committing(unit))

    def _open(self) -> None:
        assert self.committed is not None
        self.app.kafka_consumer.seek(self.tp, self.committed)
        self.app.kafka_consumer.resume(self.tp)
        self.suspended.clear()
        self.behind_since = None
        self.ready = True
        log.info("%s-%d: ready at offset %d", self.tp.topic, self.tp.partition, self.committed)
        self.app.partition_ready(self)

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **connection(self.app.settings),
            client_id=f"{self.app.conf.id}-{self.tp.topic}-{self.tp.partition}",
            transactional_id=f"{self.app.conf.id}-{self.tp.topic}-{self.tp.partition}",
            transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
            retry_backoff_ms=RETRY_MS,
        )

    async def _committing(self, unit: Unit) -> None:
        try:
            with self.app.ends_worker():
                await self._transaction(unit)
        finally:
            self.lock.release()

    async def _transaction(self, unit: Unit) -> None:
        written = unit.changelog(self.table.changelog, self.tp.partition) if self.table is not None else {}
        read = {**self._read, **unit.read} if unit.read else self._read
        keys = self._keys_after(written)
        position = unit.position
        if position is None and keys < len(self.rows):
            # Whoever takes over refuses a table with fewer keys than the last commit says.
            position = self.committed
        offset = None
        if position is not None:
            offset = OffsetAndMetadata(position, recovery.metadata(self.app, self.tp, keys, read))
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._commit_with(unit, offset)
        except ProducerFenced as error:
            metrics.ABORTS.labels(self.tp.topic).inc()
            raise FatalError(f"{self.tp.topic}-{self.tp.partition}: another worker has taken over") from error
        except (KafkaError, TimeoutError) as error:
            metrics.ABORTS.labels(self.tp.topic).inc()
            raise FatalError(f"{self.tp.topic}-{self.tp.partition}: commit failed: {error!r}") from error
        self._read = read
        self._committed(unit, written)

    async def _commit_with(self, unit: Unit, offset: OffsetAndMetadata | None) -> None:
        producer = self._producer
        assert producer is not None
        await producer.begin_transaction()
        sent = [
            await producer.send_batch(builder, topic, partition=partition)
            for (topic, partition), builders in unit.builders.items()
            for builder in builders
        ]
        if offset is not None:
            await producer.send_offsets_to_transaction({self.tp: offset}, self.app.conf.id)
        # A batch that failed does not fail aiokafka's transaction.
        await asyncio.gather(*sent)
        await producer.commit_transaction()

    def _committed(self, unit: Unit, written: Mapping[bytes, bytes | None]) -> None:
        rows = self.rows
        for key, value in written.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        if unit.position is not None:
            self.committed = unit.position
            if not unit.abandoned:
                self.delivered = None
                if self.fetched is not None and self.fetched.done:
                    self._drop_fetched()
        self.behind_since = None
        self._commits.inc()
        self._last_commit.set_to_current_time()
        for done in unit.after_commit:
            done()
        unit.after_commit.clear()
        self.app.partition_ready(self)

    def _drop_fetched(self) -> None:
        if self.fetched is not None:
            self.fetched.drop()
            self.fetched = None

    def _keys_after(self, written: Mapping[bytes, bytes | None]) -> int:
        rows = self.rows
        appeared = sum(value is not None and key not in rows for key, value in written.items())
        gone = sum(value is None and key in rows for key, value in written.items())
        return len(rows) + appeared - gone

"""The unit of work: what one batch causes, in one Kafka transaction with its offset (decision 0006)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from types import TracebackType
from typing import Protocol

from streams import metrics
from streams.errors import UnreadableError, WaitNeeded
from streams.headers import Headers
from streams.kafka.client import partition_of
from streams.kafka.topics import RECORD_OVERHEAD
from streams.runtime.fetched import Fetched, Record, Sealed
from streams.runtime.partition import Partition
from streams.runtime.work import Outbox, Work

UNIT_RECORDS = 8_000
"""Records of a unit, at the most: enough to share a commit's round trips and, of an activity's learner, the
reading and writing of a row (half as many wrote a third more rows), and worked off in 0.1 to 0.2 s, after
which other partitions have their turn."""
UNIT_SECONDS = 0.25
"""A unit takes no more records after this time: each may touch hundreds of templates, and until the unit ends
nothing else happens in the worker. A session (`SESSION_MS`) is thirty times as long."""
UTF8_BYTES = 4
"""Bytes of a character, at the most."""


class Steps(Protocol):
    """What an agent does with the records of a batch."""

    def step(self, record: Record) -> None:
        """Take one record; raise `WaitNeeded`, having done nothing, where something has to come first."""

    def set_aside(self, record: Record, error: UnreadableError) -> None:
        """Send one record to the dead letters."""


class Batch:
    """The next records that were fetched of one partition; `taken` of them were taken so far.

    There may be none, where a fetch held markers and aborted records only. What is not taken comes again.
    `now` tells monotonic seconds.
    """

    __slots__ = ("_fetched", "_now", "partition", "taken", "term")

    def __init__(
        self, partition: Partition, fetched: Fetched, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.partition = partition
        self.term = partition.term
        self.taken = 0
        self._fetched = fetched
        self._now = now

    def __iter__(self) -> Iterator[Record]:
        """Take the records, as many as a unit may have; each is there once."""
        now = self._now
        end = now() + UNIT_SECONDS
        for record in islice(self._fetched, UNIT_RECORDS):
            self.taken += 1
            yield record
            if now() >= end:
                return

    def work_off(self, steps: Steps) -> None:
        """Take one step for each record.

        Where a record needs something first, it and what follows it come again once that has come; other
        partitions go on meanwhile.
        """
        for record in self:
            try:
                if isinstance(record.value, Sealed):
                    steps.set_aside(replace(record, value=None), record.value.error)
                else:
                    steps.step(record)
            except WaitNeeded as needed:
                self.taken -= 1
                self._fetched.put_back(record)
                self.partition.wait_for(needed)
                return

    @property
    def topic(self) -> str:
        """The topic that the records come from."""
        return str(self.partition.tp.topic)

    @property
    def position(self) -> int:
        """The offset after what was taken: where the next batch begins."""
        return self._fetched.position


class Unit:
    """Collects sends and table writes; on leaving the `async with` they are committed in the background.

    `read` tells how far into its sources (topic and partition: epoch and offset) the unit brings the table;
    it is committed with the offset, so that a source topic that was deleted and created again is known by
    its end.

    Nothing is sent before the body has ended. An exception of the body ends the worker and nothing is
    acknowledged.
    """

    __slots__ = ("_batch", "_host", "_outbox", "_partition", "_term", "after_commit", "read", "table")

    def __init__(self, partition: Partition, batch: Batch | None) -> None:
        self._partition = partition
        self._host = partition.host
        self._batch = batch
        self._term = batch.term if batch else partition.term
        self._outbox = Outbox()
        self.table: dict[bytes, bytes | None] = {}
        self.after_commit: list[Callable[[], None]] = []
        self.read: dict[tuple[str, int], tuple[int, int]] = {}

    @property
    def abandoned(self) -> bool:
        """True once another worker may own the partition."""
        return self._term != self._partition.term

    @property
    def value_bytes(self) -> int:
        """How many bytes a value of the table may have: its changelog takes no more."""
        table = self._partition.table
        assert table is not None
        # Once for the framing, once for the key: a learner's or a badge's id.
        return self._host.max_message_bytes[table.changelog] - 2 * RECORD_OVERHEAD

    async def __aenter__(self) -> "Unit":
        await self._partition.lock.acquire()
        if self._batch is not None and not self.abandoned:
            self._partition.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._batch is not None:
            metrics.RECORDS_READ.labels(self._batch.topic).inc(self._batch.taken)
        if kind is None and not self.abandoned:
            self._partition.commit_soon(self._work())
        else:
            self._partition.lock.release()

    def get(self, key: bytes) -> bytes | None:
        """The table's value for `key`, with what this unit has written."""
        if key in self.table:
            return self.table[key]
        return self._partition.rows.get(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write to the table; None deletes. Several writes of a key become one changelog record."""
        # A copy of the exact size: what orjson returns keeps its whole buffer alive.
        self.table[key] = None if value is None else bytes(memoryview(value))

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Send a record when the unit commits, to the partition of its key unless one is given.

        Raises `UnreadableError` where the record is larger than the topic takes.
        """
        self.check_size(topic, key, value, headers)
        if partition is None:
            partition = partition_of(key or b"", self._host.partitions[topic])
        self._outbox.add(topic, partition, key, value, list(headers))

    def check_size(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Raise `UnreadableError` where such a record is larger than the topic takes."""
        limit = self._host.max_message_bytes[topic] - RECORD_OVERHEAD
        size = len(key or b"") + len(value or b"")
        if headers:
            size += sum(len(k) + len(v or b"") + 4 for k, v in headers)
        if size * UTF8_BYTES > limit:
            # Near the limit the names' own bytes count, of which a character has several.
            size += sum(len(k.encode()) - len(k) for k, _ in headers)
            if size > limit:
                raise UnreadableError("too_large", f"{size} bytes for {topic}")

    def _work(self) -> Work:
        position = self._batch.position if self._batch else None
        return Work(self._term, position, self._outbox, self.table, self.read, self.after_commit)

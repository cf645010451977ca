"""One assigned input partition: its rows of the table, its one unit at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Literal

from aiokafka.structs import TopicPartition

from streams import metrics
from streams.errors import WaitNeeded
from streams.kafka.changelog import read_table
from streams.runtime import ownership, recovery
from streams.runtime.fetched import Fetched
from streams.runtime.host import Host, KeptTable
from streams.runtime.recovery import Commit
from streams.runtime.transaction import Committer, ExpiredError
from streams.runtime.work import Work
from streams.settings import Settings

log = logging.getLogger(__name__)

State = Literal["vacant", "taking", "idle", "delivered", "working", "suspended"]

NEXT: Mapping[State, frozenset[State]] = {
    "vacant": frozenset(("taking", "vacant")),
    "taking": frozenset(("idle", "vacant")),
    "idle": frozenset(("delivered", "suspended")),
    "delivered": frozenset(("working", "suspended")),
    "working": frozenset(("idle", "suspended")),
    "suspended": frozenset(("idle", "vacant", "suspended")),
}
READY = frozenset[State](("idle", "delivered", "working"))
AT_ONCE = nullcontext()
BUSY = frozenset[State](("delivered", "working"))
CANCEL_SECONDS = 0.05
"""A task that goes on after it was cancelled is cancelled again. Before Python 3.12 `asyncio.wait_for`, by
which redis-py sends, takes a cancellation for nothing where what it waits for is done at that moment."""


class Partition:
    """What a worker holds for a partition for as long as the consumer group assigns it.

             keep             recovered          deliver             begin
     vacant ───────▶ taking ────────────▶ idle ──────────▶ delivered ────────▶ working
      ▲  ▲             │                  ▲ │ ▲                │                │ │
      │  └── suspend ──┘                  │ │ └── committed ───│────────────────┘ │
      │                                   │ │                  │                  │
      │               keep, nobody was in │ └──── suspend ─────┤                  │
      │               between             │                    │                  │
      └────────── release ─────────── suspended ◀──────────────┴──────────────────┘

    vacant     nothing is held
    taking     the former owner is made sure to have ended, then the table is read
    idle       the next batch may be delivered
    delivered  an agent has a batch; its unit has not begun
    working    the batch's unit is open, or being committed
    suspended  a rebalance goes on: the rows are kept, in case the partition stays here

    A vacant partition may be suspended or released, a suspended one suspended again: it stays what it is.
    A unit without a batch changes no state. `term` counts how often the partition was suspended: what was
    delivered in an earlier term is dropped.
    """

    def __init__(
        self,
        host: Host,
        tp: TopicPartition,
        table: KeptTable | None,
        *,
        read: Callable[[Settings, str, int], Awaitable[dict[bytes, bytes]]] = read_table,
    ) -> None:
        self.host = host
        self.tp = tp
        self.table = table
        self.state: State = "vacant"
        self.rows: dict[bytes, bytes] = {}
        self.term = 0
        self.lock = asyncio.Lock()
        self.waits_for = ""
        self.fetched: Fetched | None = None
        self.turn = 0
        self.committed: int | None = None
        self.lagging_since: float | None = None
        self._read_table = read
        self._delivered_from = 0
        self._last: Commit | None = None
        self._committer: Committer | None = None
        self._commit: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        labels = (tp.topic, str(tp.partition))
        self._commits = metrics.COMMITS.labels(*labels)
        self._last_commit = metrics.LAST_COMMIT.labels(*labels)
        for counter in (metrics.RECORDS_READ, metrics.ABORTS, metrics.GAPS):
            metrics.begin(counter, [tp.topic])

    @property
    def ready(self) -> bool:
        """True once the partition is taken and its table recovered, until it is suspended."""
        return self.state in READY

    @property
    def unfinished(self) -> int | None:
        """The first offset that was taken from aiokafka and is not committed; None where there is none."""
        if self.fetched is None:
            return None
        return self._delivered_from if self.state in BUSY else self.fetched.position

    def deliver(self, fetched: Fetched, turn: int) -> None:
        """The agent is given the next batch of what was fetched, in this partition's `turn`."""
        self._become("delivered")
        self.fetched = fetched
        self._delivered_from = fetched.position
        self.turn = turn

    def begin(self) -> None:
        """The unit of the delivered batch has begun: another partition's batch may wait for the agent."""
        self._become("working")
        self.host.wake()

    def seen_lagging(self, lagging: bool, now: float) -> None:
        """Remember since when there has been lag without a commit (`lagging_since`, monotonic seconds).

        While the partition waits for others there is none: it could not commit.
        """
        if not lagging or self.waits_for:
            self.lagging_since = None
        elif self.lagging_since is None:
            self.lagging_since = now

    async def keep(self, committer: Committer, turn: AbstractAsyncContextManager[object] = AT_ONCE) -> None:
        """Be the owner after a rebalance: go on where nobody was in between, else begin from nothing.

        Only to begin it waits for its `turn`. It does neither where another rebalance has come in between.
        """
        known = self._last
        if self.state == "suspended" and known is not None and self._committer is committer:
            last = await recovery.last_commit(self.host, self.tp)
            if ownership.is_untouched(last, known, committer):
                if await self._claim(known, committer):
                    self._open()
                return
        async with turn:
            self.release()
            await self._take(committer)

    def suspend(self) -> None:
        """Deliver nothing more; drop what is delivered and not yet being committed."""
        self._become("vacant" if self.state in ("vacant", "taking") else "suspended")
        self.term += 1
        self.waits_for = ""
        self._drop_fetched()
        self._ending |= self._tasks
        self._tasks.clear()
        for task in self._ending:
            task.cancel()

    async def drained(self) -> None:
        """Wait for the unit that is open or being committed, and for the tasks that a suspension ends."""
        while self._ending:
            await asyncio.wait(self._ending, timeout=CANCEL_SECONDS)
            for task in self._ending:
                task.cancel()
        async with self.lock:
            pass

    def finished(self) -> Commit | None:
        """What to commit once the partition is suspended and drained, so that nobody need fence this worker.

        None where it has claimed nothing, or a commit has failed.
        """
        self._last = self._last and ownership.finished(self._last)
        return self._last

    def release(self) -> None:
        """Give the partition up, and forget the rows."""
        self._become("vacant")
        self._committer = self._last = None
        self.rows = {}

    def run(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run `task` until the partition is suspended; its exception ends the worker."""

        async def guarded() -> None:
            with self.host.ends_worker():
                await task()

        running = asyncio.ensure_future(guarded())
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        running.add_done_callback(self._ending.discard)

    def wait_for(self, needed: WaitNeeded) -> None:
        """Deliver nothing until what is needed has come; `waits_for` says what that is."""
        log.info("%s-%d: waits for %s", self.tp.topic, self.tp.partition, needed.what)
        self.waits_for = needed.what

        async def waiting() -> None:
            await needed.until()
            self.waits_for = ""
            self.host.wake()

        self.run(waiting)

    def commit_soon(self, work: Work) -> None:
        """Commit in the background; the partition's lock, which the caller holds, is free afterwards."""
        self._commit = asyncio.ensure_future(self._committing(work))

    async def _take(self, committer: Committer) -> None:
        """Fence the former owner first: only then are the table and the committed offset final."""
        self._become("taking")
        await committer.start()
        last = await ownership.last_commit(self.host, self.tp, committer)
        first = last or await self._first()
        if not await self._claim(first, committer):
            self.release()
            return
        if self.table is not None:
            self.rows = await self._read_table(self.host.settings, self.table.changelog, self.tp.partition)
        self.committed = await recovery.starting_offset(self.host, self.tp, first, len(self.rows))
        self._open()

    async def _first(self) -> Commit:
        """What to claim of a partition that has no commit."""
        begin = await recovery.starting_offset(self.host, self.tp, None, 0)
        return Commit(begin, self.host.epoch_of(self.tp.topic))

    async def _claim(self, last: Commit, committer: Committer) -> bool:
        # Before it is sent: where a rebalance cuts this off, nobody knows whether the claim has arrived.
        self._last, self._committer = last, committer
        return await ownership.claim(self.host, self.tp, last, committer)

    def _open(self) -> None:
        assert self.committed is not None
        self.host.kafka_consumer.seek(self.tp, self.committed)
        self.host.kafka_consumer.resume(self.tp)
        self.lagging_since = None
        self._become("idle")
        log.info("%s-%d: ready at offset %d", self.tp.topic, self.tp.partition, self.committed)
        self.host.wake()

    def _become(self, state: State) -> None:
        if state not in NEXT[self.state]:
            raise RuntimeError(f"{self.tp.topic}-{self.tp.partition}: from {self.state} to {state}")
        self.state = state

    async def _committing(self, work: Work) -> None:
        try:
            with self.host.ends_worker():
                try:
                    await self._transaction(work)
                except ExpiredError:
                    self._begin_again(work)
        finally:
            self.lock.release()

    def _begin_again(self, work: Work) -> None:
        """Let go of all, and be taken with another producer; `work` is lost (decision 0034)."""
        log.warning("%s-%d: its producer has expired, another is taken", self.tp.topic, self.tp.partition)
        if work.term != self.term:
            self.release()  # in a rebalance the next owner, who may be this one, takes it
            return
        self.suspend()
        self.release()
        self.host.retake(self.tp)

    async def _transaction(self, work: Work) -> None:
        assert self._committer is not None
        if self.table is not None:
            for key, value in work.rows.items():
                work.outbox.add(self.table.changelog, self.tp.partition, key, value, [])
        commit = self._commit_of(work, self._committer.name)
        # Nobody knows what is committed until the answer: without it, the next owner fences this worker.
        known, self._last = self._last, None
        await self._committer.commit(self.tp, work.outbox, commit and recovery.written(commit))
        self._last = commit or known
        self._committed(work)

    def _commit_of(self, work: Work, owner: str) -> Commit | None:
        """What to commit with `work`; None if there is nothing to say."""
        keys = _keys_after(self.rows, work.rows)
        position = work.position
        if position is None and keys != len(self.rows):
            # A successor refuses a table with fewer keys than the last commit says: say how many there are.
            position = self.committed
        if position is None:
            return None
        read = self._last.read if self._last else {}
        return Commit(position, self.host.epoch_of(self.tp.topic), keys, {**read, **work.read}, owner)

    def _committed(self, work: Work) -> None:
        _write(self.rows, work.rows)
        if work.position is not None:
            self.committed = work.position
            if work.term == self.term:
                self._become("idle")
                if self.fetched is not None and self.fetched.done:
                    self._drop_fetched()
        self.lagging_since = None
        self._commits.inc()
        self._last_commit.set_to_current_time()
        for done in work.after_commit:
            done()
        # Who is called may hold the unit, and the unit this list: without the circle both are freed at once.
        work.after_commit.clear()
        self.host.wake()

    def _drop_fetched(self) -> None:
        if self.fetched is not None:
            self.fetched.drop()
            self.fetched = None


def _keys_after(rows: Mapping[bytes, bytes], written: Mapping[bytes, bytes | None]) -> int:
    """How many keys the table holds once this is written."""
    appeared = sum(value is not None and key not in rows for key, value in written.items())
    gone = sum(value is None and key in rows for key, value in written.items())
    return len(rows) + appeared - gone


def _write(rows: dict[bytes, bytes], written: Mapping[bytes, bytes | None]) -> None:
    for key, value in written.items():
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value

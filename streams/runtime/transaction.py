"""A worker's producer: what its partitions' units come to, committed together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerIdMapping, KafkaError, ProducerFenced, UnknownProducerId
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.kafka.client import TRANSACTION_SECONDS, connection, start
from streams.runtime.host import Host
from streams.runtime.work import BATCH_BYTES, Outbox, batches

RETRY_MS = 5
"""While the last transaction's markers are still being written, the coordinator refuses to add offsets to the
next, which a transaction without records begins with; waiting aiokafka's 100 ms then tripled the latency's
99th percentile. A worker has one producer: it may ask this often for as long as a broker is away."""
EXPIRED = (InvalidProducerIdMapping, UnknownProducerId)
"""What a broker says of a transactional id that it has forgotten: `transactional.id.expiration.ms`, a week by
default, has passed since its last transaction."""
COMMIT_SECONDS = 2 * TRANSACTION_SECONDS
"""After its timeout the broker aborts a transaction; a commit still waiting by now waits for nothing."""
TRANSACTION_RECORDS = 16_000
"""After so many records the next unit waits for the next transaction: a few full units, some megabytes."""

PAUSE_SECONDS = 0.003
"""After a transaction, before the next may begin: the coordinator takes a millisecond or two to write its
markers and refuses the next until then. The partitions that the transaction has freed are delivered
meanwhile; without a pause the first of them would begin another alone, and the others wait for both."""


class ExpiredError(Exception):
    """The broker has forgotten the producer: nothing was committed, and nothing can be by this one."""


class Producer(Protocol):
    """What a worker does with its producer; aiokafka's is one."""

    async def start(self) -> None:
        """Connect, and fence whoever had the same transactional id."""

    async def stop(self) -> None:
        """Disconnect."""

    async def begin_transaction(self) -> None:
        """Begin a transaction."""

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> Awaitable[object]:
        """Send a record batch; what is returned is done once the broker has it."""

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None:
        """Commit offsets with the transaction."""

    async def commit_transaction(self) -> None:
        """Commit the transaction."""


def new_producer(host: Host, name: str) -> Producer:
    """A producer with this transactional id: as it starts, it fences every earlier one that has it."""
    producer: Producer = AIOKafkaProducer(
        **connection(host.settings),
        client_id=host.group,
        transactional_id=name,
        transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
        max_batch_size=BATCH_BYTES,
        # A unit's records are complete when they are sent: there is nothing to wait for.
        linger_ms=0,
        retry_backoff_ms=RETRY_MS,
    )
    return producer


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """A unit's part of a transaction; `done` when that is committed, or has failed."""

    outbox: Outbox
    tp: TopicPartition
    offset: OffsetAndMetadata | None
    done: asyncio.Future[None]


class Committer:
    """A worker's producer: all units that wait are committed in one transaction, one after the other.

    `name`, the transactional id, is nobody else's: who fences it takes all of this worker's partitions over
    (decision 0069). `expired` once the broker has forgotten it: nothing can be committed any more.
    """

    def __init__(
        self, host: Host, name: str, *, producer: Callable[[Host, str], Producer] = new_producer
    ) -> None:
        self.name = name
        self.expired = False
        self._host = host
        self._new_producer = producer
        self._producer: Producer | None = None
        self._turn = asyncio.Lock()
        self._fenced: set[str] = set()
        self._waiting: deque[Share] = deque()
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; once is enough."""
        async with self._turn:
            if self._producer is None:
                self._producer = await self._started(self.name)

    async def stop(self) -> None:
        """Disconnect, without a failure: a producer that was fenced may fail to stop."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                await producer.stop()

    async def fence(self, name: str) -> None:
        """Have the broker take nothing more from another worker's producer, and end what it has open."""
        async with self._turn:
            if name not in self._fenced:
                await (await self._started(name)).stop()
                self._fenced.add(name)

    async def commit(self, tp: TopicPartition, outbox: Outbox, offset: OffsetAndMetadata | None) -> None:
        """Commit records, and the offset of `tp` if there is one, together.

        Raises `ExpiredError` where another producer is needed, and `FatalError` where it fails or takes too
        long: whether they are committed is then unknown.
        """
        if self.expired:
            raise ExpiredError
        share = Share(outbox, tp, offset, asyncio.get_running_loop().create_future())
        self._waiting.append(share)
        if self._working is None:
            self._working = asyncio.ensure_future(self._work_off())
        try:
            # Shielded: whoever stops waiting leaves the transaction as it is.
            await asyncio.shield(share.done)
        except ProducerFenced as error:
            metrics.ABORTS.labels(tp.topic).inc()
            raise FatalError(f"{tp.topic}-{tp.partition}: another worker has taken over") from error
        except (KafkaError, TimeoutError) as error:
            metrics.ABORTS.labels(tp.topic).inc()
            # aiokafka wraps what its sender ended with.
            cause = error.__cause__ if isinstance(error.__cause__, KafkaError) else error
            if isinstance(cause, EXPIRED):
                self.expired = True
                raise ExpiredError from error
            raise FatalError(f"{tp.topic}-{tp.partition}: commit failed: {cause!r}") from error

    async def _started(self, name: str) -> Producer:
        producer = self._new_producer(self._host, name)
        try:
            await start(producer, self._host.settings)
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def _work_off(self) -> None:
        while self._waiting:
            shares = self._next()
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._transaction(shares)
            except Exception as error:
                self._fail([*shares, *self._waiting], error)
                break
            for share in shares:
                share.done.set_result(None)
            await asyncio.sleep(PAUSE_SECONDS)
        self._working = None

    def _next(self) -> Sequence[Share]:
        """Those that wait, of which there is one; no more than a transaction may have."""
        taken, records = [], 0
        while self._waiting and records < TRANSACTION_RECORDS:
            share = self._waiting.popleft()
            taken.append(share)
            records += share.outbox.count
        return taken

    def _fail(self, shares: Sequence[Share], error: Exception) -> None:
        """Those that wait fail too: after a failure aiokafka's producer begins no other transaction."""
        self._waiting.clear()
        for share in shares:
            share.done.set_exception(error)

    async def _transaction(self, shares: Sequence[Share]) -> None:
        producer = self._producer
        assert producer is not None
        await producer.begin_transaction()
        sent = [
            await producer.send_batch(batch, topic, partition=partition)
            for topic, partition, batch in batches(
                [share.outbox for share in shares], self._host.max_message_bytes
            )
        ]
        offsets = {share.tp: share.offset for share in shares if share.offset is not None}
        offsets_sent = [producer.send_offsets_to_transaction(offsets, self._host.group)] if offsets else []
        # Side by side, for a round trip less (decision 0108). A batch that failed does not fail aiokafka's
        # transaction.
        await asyncio.gather(*offsets_sent, *sent)
        await producer.commit_transaction()

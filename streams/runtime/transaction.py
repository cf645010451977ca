"""The producer of a partition, and one transaction of it."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerIdMapping, KafkaError, ProducerFenced, UnknownProducerId
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.kafka.client import TRANSACTION_SECONDS, connection
from streams.runtime.host import Host
from streams.runtime.work import BATCH_BYTES, Outbox

RETRY_MS = 20
"""While the last transaction's markers are still being written, the coordinator refuses one offset commit in
a hundred; waiting aiokafka's 100 ms then tripled the latency's 99th percentile."""
EXPIRED = (InvalidProducerIdMapping, UnknownProducerId)
"""What a broker says of a transactional id that it has forgotten: `transactional.id.expiration.ms`, a week by
default, has passed since its last transaction."""
COMMIT_SECONDS = 2 * TRANSACTION_SECONDS
"""After its timeout the broker aborts a transaction; a commit still waiting by now waits for nothing."""


class ExpiredError(Exception):
    """The broker has forgotten the producer: nothing was committed, and nothing can be by this one."""


class Producer(Protocol):
    """What a partition does with its producer; aiokafka's is one."""

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


def new_producer(host: Host, tp: TopicPartition) -> Producer:
    """The producer of `tp`: its transactional id names group and partition, so a successor's fences it."""
    name = f"{host.group}-{tp.topic}-{tp.partition}"
    producer: Producer = AIOKafkaProducer(
        **connection(host.settings),
        client_id=name,
        transactional_id=name,
        transaction_timeout_ms=TRANSACTION_SECONDS * 1000,
        max_batch_size=BATCH_BYTES,
        # A unit's records are complete when they are sent: there is nothing to wait for.
        linger_ms=0,
        retry_backoff_ms=RETRY_MS,
    )
    return producer


async def commit(
    producer: Producer, tp: TopicPartition, group: str, outbox: Outbox, offset: OffsetAndMetadata | None
) -> None:
    """Commit records, and the offset of `tp` if there is one, together.

    Raises `ExpiredError` where another producer is needed, and `FatalError` where it fails or takes too long:
    whether they are committed is then unknown.
    """
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            await _commit(producer, tp, group, outbox, offset)
    except ProducerFenced as error:
        metrics.ABORTS.labels(tp.topic).inc()
        raise FatalError(f"{tp.topic}-{tp.partition}: another worker has taken over") from error
    except (KafkaError, TimeoutError) as error:
        metrics.ABORTS.labels(tp.topic).inc()
        # aiokafka wraps what its sender ended with.
        cause = error.__cause__ if isinstance(error.__cause__, KafkaError) else error
        if isinstance(cause, EXPIRED):
            raise ExpiredError from error
        raise FatalError(f"{tp.topic}-{tp.partition}: commit failed: {cause!r}") from error


async def _commit(
    producer: Producer, tp: TopicPartition, group: str, outbox: Outbox, offset: OffsetAndMetadata | None
) -> None:
    await producer.begin_transaction()
    sent = [
        await producer.send_batch(batch, topic, partition=partition)
        for (topic, partition), batches in outbox.batches.items()
        for batch in batches
    ]
    if offset is not None:
        await producer.send_offsets_to_transaction({tp: offset}, group)
    # A batch that failed does not fail aiokafka's transaction.
    await asyncio.gather(*sent)
    await producer.commit_transaction()

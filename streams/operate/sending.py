"""Records sent in transactions: all of one or none, and of two who send the same at once only one."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.client import connection, start
from streams.settings import Settings

MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""More than any topic takes: how large a record may be is for the broker to say."""
BATCH_RECORDS = 1_000
"""In one transaction: its commit, of some ten milliseconds, is then a small part of it."""
BATCH_BYTES = 8 * 1024 * 1024
"""In one transaction, or one record that is larger: a command may take 200 MiB."""

Message = dict[str, Any]
"""What a producer sends."""


@asynccontextmanager
async def producer(settings: Settings, transactional_id: str) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer; it fences any other with that id (decision 0009)."""
    opened = AIOKafkaProducer(
        **connection(settings), transactional_id=transactional_id, max_request_size=MAX_REQUEST_BYTES
    )
    try:
        await start(opened, settings)
        yield opened
    finally:
        # What was committed is committed, and a producer that was fenced may fail to stop.
        with suppress(KafkaError):
            await opened.stop()


async def send(producer: AIOKafkaProducer, messages: Iterable[Message]) -> None:
    """Send all in one transaction; raise `KafkaError` where none is sent, `ProducerFenced` by another."""
    sent: list[asyncio.Future[Any]] = []
    # Fenced, aiokafka leaves futures that nobody can await, each reported as it is collected.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    try:
        async with producer.transaction():
            for message in messages:
                sent.append(await producer.send(**message))  # noqa: PERF401 (those before a failure)
            # A batch that failed does not fail aiokafka's transaction.
            await asyncio.gather(*sent)
    finally:
        await asyncio.gather(*sent, return_exceptions=True)

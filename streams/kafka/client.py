"""How this product connects to Kafka: options out of settings, a patient start, the partitioner."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from zlib import crc32

import stamina
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
)
from aiokafka.structs import ConsumerRecord

from streams.errors import ConfigurationError, FatalError
from streams.kafka import insides
from streams.settings import Settings, read_secret

log = logging.getLogger(__name__)

START_SECONDS = 60.0
"""As long as a broker takes to restart, with room; after that a supervisor's restart shows the trouble."""
TRANSACTION_SECONDS = 30
"""A broker ends the transaction of a worker that died after so long; until then readers wait before it."""
FETCH_BYTES = 4 * 1024 * 1024
"""Of one partition at once. aiokafka's 1 MiB makes reading a whole table take more round trips."""
FETCH_WAIT_MS = 20
"""How long a broker waits with an empty answer, and thereby with its answers to what else is asked of it."""
REFUSALS = (AuthenticationFailedError, SaslAuthenticationFailed)


class Client(Protocol):
    """A client of aiokafka: consumer, producer or admin."""

    async def start(self) -> None:
        """Connect."""


def connection(settings: Settings) -> dict[str, Any]:
    """The arguments that every client of aiokafka takes to reach and trust the brokers."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        if not settings.kafka_username or settings.kafka_password_file is None:
            raise ConfigurationError(
                "BADGES_KAFKA_SECURITY_PROTOCOL: SASL needs BADGES_KAFKA_USERNAME and "
                "BADGES_KAFKA_PASSWORD_FILE"
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = read_secret(settings.kafka_password_file)
    return options


async def start(client: Client, settings: Settings, *, within: float = START_SECONDS) -> None:
    """Start `client`, trying again while the brokers are away; after `within` seconds: `FatalError`."""
    try:
        async for attempt in stamina.retry_context(
            on=_worth_another_try, timeout=within, attempts=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                await _start_or_be_refused(client, settings)
    except REFUSALS as error:
        raise FatalError(f"Kafka at {settings.kafka} refuses the user name or password: {error}") from error
    except KafkaError as error:
        raise FatalError(f"Kafka at {settings.kafka} cannot be reached: {error}") from error


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key` in every topic that this product writes to, and in those of the event bus."""
    return crc32(key) % partitions  # decision 0005


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client."""
    client = AIOKafkaAdminClient(**connection(settings))
    try:
        await start(client, settings)
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def reader(
    settings: Settings, *, fetch_wait_ms: int = FETCH_WAIT_MS
) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer that belongs to no group and sees only what was committed.

    A broker answers a client in order: while the consumer fetches, any other request to it waits until the
    fetch is answered, which takes `fetch_wait_ms` where there is nothing to fetch.
    """
    consumer = AIOKafkaConsumer(
        **connection(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=fetch_wait_ms,
    )
    try:
        await start(consumer, settings)
        yield consumer
    finally:
        await consumer.stop()


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """The partitions of `topic`, in order; empty where the topic does not exist."""
    return [TopicPartition(topic, p) for p in sorted(await insides.partitions(consumer, topic))]


async def records(
    consumer: AIOKafkaConsumer, tp: TopicPartition, begin: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """The records of a partition from offset `begin` to before `end`; `consumer` belongs to no group."""
    consumer.assign([tp])
    consumer.seek(tp, begin)
    # `position`, not the last record: control records at the end are never delivered.
    while (await consumer.position(tp)) < end:
        fetched = await consumer.getmany(tp, timeout_ms=500)
        for record in fetched.get(tp, ()):
            if record.offset < end:
                yield record


async def _start_or_be_refused(client: Client, settings: Settings) -> None:
    """Start `client`; where it only says that it cannot connect, find out whether the password is wrong."""
    try:
        await client.start()
    except KafkaConnectionError:
        options = connection(settings)
        for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
            with suppress(KafkaConnectionError, OSError, TimeoutError):
                (await create_conn(host, port, **options)).close()
        raise


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"BADGES_KAFKA_CA_FILE: cannot be read: {error}") from None


def _worth_another_try(error: Exception) -> bool:
    retry = isinstance(error, KafkaError | OSError | asyncio.TimeoutError)
    retry = retry and not isinstance(error, REFUSALS)
    if retry:
        log.warning("Kafka cannot be reached yet: %s", error)
    return retry

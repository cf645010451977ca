"""How this product connects to Kafka: options out of settings, a patient start, the partitioner."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import AbstractTokenProvider
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
from streams.settings import Settings, read_secret, tls

log = logging.getLogger(__name__)

PASSWORD = "BADGES_KAFKA_PASSWORD_FILE"  # noqa: S105 (a setting's name)
PROBE_MS = 1_000
"""For asking each address why it does not do: a broker that is there accepts a connection in milliseconds."""
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
        # What is on the way drops an idle connection in silence, many after 240 s, and the next request would
        # wait for an answer that cannot come. aiokafka's own 540 s are later than that.
        "connections_max_idle_ms": int(settings.kafka_idle_seconds * 1000),
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            if settings.kafka_password_file is None:
                raise ConfigurationError(f"BADGES_KAFKA_SASL_MECHANISM: OAUTHBEARER needs {PASSWORD}")
            insides.hear_refused_tokens()
            return options | {"sasl_oauth_token_provider": TokenFile(settings.kafka_password_file)}
        if not settings.kafka_username or settings.kafka_password_file is None:
            raise ConfigurationError(
                f"BADGES_KAFKA_SECURITY_PROTOCOL: SASL needs BADGES_KAFKA_USERNAME and {PASSWORD}"
            )
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = read_secret(settings.kafka_password_file, PASSWORD)
    return options


async def start(client: Client, settings: Settings) -> None:
    """Start `client`, trying again while the brokers are away.

    Raises `FatalError` with the cause: after `settings.start_seconds`, or at once where waiting cannot help.
    """
    import stamina  # dear, and not every command connects

    trouble = "no answer"
    try:
        async with asyncio.timeout(settings.start_seconds):
            async for attempt in stamina.retry_context(
                on=(KafkaError, OSError), attempts=None, timeout=None, wait_initial=0.2, wait_max=5.0
            ):
                with attempt:
                    try:
                        await client.start()
                    except (KafkaError, OSError) as error:
                        trouble = await _trouble(settings, error)
                        log.warning("Kafka cannot be reached yet: %s", trouble)
                        raise
    except TimeoutError:
        raise FatalError(
            f"Kafka at {settings.kafka} cannot be reached within {settings.start_seconds:g} s: {trouble}"
        ) from None


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
    settings: Settings, *, fetch_wait_ms: int = FETCH_WAIT_MS, fetch_bytes: int = FETCH_BYTES
) -> AsyncIterator[insides.WholeFetches]:
    """A started consumer that belongs to no group and sees only what was committed.

    It takes `fetch_bytes` of a partition at once, or a larger batch whole. A broker answers a client in
    order: while the consumer fetches, any other request to it waits until the fetch is answered, which takes
    `fetch_wait_ms` where there is nothing to fetch.
    """
    consumer = insides.WholeFetches(
        **connection(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_wait_ms=fetch_wait_ms,
    )
    try:
        await start(consumer, settings)
        yield consumer
    finally:
        await consumer.stop()


async def reachable(client: AIOKafkaConsumer, settings: Settings) -> None:
    """Raise `FatalError` where the brokers are elsewhere than `client`, which has started, can reach.

    To start, a consumer needs only the address in the settings; all else goes to those that the brokers name.
    """
    try:
        async with asyncio.timeout(settings.start_seconds):
            await insides.brokers_answer(client)
    except (KafkaError, TimeoutError):
        raise FatalError(
            f"Kafka at {settings.kafka} answers, but the brokers that it names cannot be reached from here: "
            f"{', '.join(insides.brokers(client))}"
        ) from None


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


async def _trouble(settings: Settings, error: Exception) -> str:
    """Why a client could not start, which aiokafka tells its log alone.

    Raises `FatalError` where the password, the token or a certificate is refused.
    """
    if isinstance(error, REFUSALS):
        raise _refused(settings, error) from error
    if not isinstance(error, KafkaConnectionError):
        return str(error) or type(error).__name__
    options = connection(settings) | {"request_timeout_ms": PROBE_MS}
    del options["connections_max_idle_ms"]
    said = []
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers"), randomize=False):
        try:
            (await create_conn(host, port, **options)).close()
        except REFUSALS as refusal:
            raise _refused(settings, refusal) from refusal
        except ssl.SSLCertVerificationError as refusal:
            raise FatalError(
                f"Kafka at {host}:{port}: its certificate is not trusted ({refusal.verify_message}): "
                "see BADGES_KAFKA_CA_FILE"
            ) from refusal
        except (KafkaError, OSError) as why:
            if alert := _certificate_alert(why):
                ours = "our certificate" if settings.kafka_cert_file else "a client without a certificate"
                raise FatalError(
                    f"Kafka at {host}:{port} refuses {ours} ({alert}): see BADGES_KAFKA_CERT_FILE"
                ) from why
            said.append(f"{host}:{port}: {why or 'no answer'}")
        else:
            said.append(f"{host}:{port} answers, but: {error}")
    return "; ".join(said)


def _refused(settings: Settings, error: Exception) -> FatalError:
    token = settings.kafka_sasl_mechanism == "OAUTHBEARER"
    what = f"the token of {PASSWORD}" if token else "the user name or password"
    return FatalError(f"Kafka at {settings.kafka} refuses {what}: {error}")


def _certificate_alert(error: Exception) -> str:
    """What the broker said of our certificate as it closed the connection; nothing if it said nothing.

    By TLS 1.3 it says so after the handshake, and aiokafka keeps it as the cause.
    """
    alert = error if isinstance(error, ssl.SSLError) else error.__cause__
    reason = getattr(alert, "reason", None) or ""
    return reason if "_ALERT_" in reason and "CERTIFICATE" in reason else ""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """The bearer token in a file that somebody else keeps fresh; read for each connection."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token."""
        return read_secret(self._path, PASSWORD).strip()


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    context = tls(settings.kafka_ca_file, "BADGES_KAFKA_CA_FILE")
    certificate, key = settings.kafka_cert_file, settings.kafka_key_file
    if certificate is None:
        if key is not None:
            raise ConfigurationError("BADGES_KAFKA_KEY_FILE: needs BADGES_KAFKA_CERT_FILE")
        return context
    try:
        # Without a password OpenSSL would ask for the one of an encrypted key on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"BADGES_KAFKA_CERT_FILE, BADGES_KAFKA_KEY_FILE: {error}") from None
    return context

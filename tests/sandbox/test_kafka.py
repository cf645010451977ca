import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.sandbox.kafka import Kafka, broker, create_topics


async def test_what_is_sent_to_the_shared_broker_can_be_read(kafka: str, app_prefix: str) -> None:
    # given
    await create_topics(kafka, [app_prefix], partitions=3)
    # when
    async with _producer(kafka) as producer:
        await producer.send_and_wait(app_prefix, b"value", key=b"key", partition=2)
    # then
    assert await _values(kafka, app_prefix) == [b"value"]


async def test_the_shared_registry_gives_the_same_id_for_the_same_text(
    registry_url: str, app_prefix: str
) -> None:
    async with aiohttp.ClientSession() as http:
        ids = [await _register(http, f"{registry_url}/subjects/{app_prefix}-{n}/versions") for n in (1, 2)]
    assert ids[0] == ids[1]


def test_a_broker_that_is_named_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_KAFKA", "kafka.example.org:9092")
    with broker() as bootstrap:
        assert bootstrap == "kafka.example.org:9092"


def test_the_product_s_own_setting_never_leads_the_sandbox_to_a_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SANDBOX_KAFKA", raising=False)
    monkeypatch.setenv("BADGES_KAFKA", "kafka.example.org:9092")
    ours = SimpleNamespace(bootstrap="127.0.0.1:9")
    monkeypatch.setattr("streams.sandbox.kafka.Kafka", lambda: nullcontext(ours))
    with broker() as bootstrap:
        assert bootstrap == ours.bootstrap


@pytest.fixture(scope="module")
def secured() -> Iterator[Kafka]:
    with Kafka(security="SASL_SSL") as cluster:
        yield cluster


@pytest.mark.broker
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_secured_broker_lets_its_user_in(secured: Kafka, mechanism: str) -> None:
    # given
    connection = {**secured.connection(), "sasl_mechanism": mechanism}
    topic = f"by-{mechanism}"
    await create_topics(secured.bootstrap, [topic], **connection)
    # when
    async with _producer(secured.bootstrap, **connection) as producer:
        await producer.send_and_wait(topic, b"value")
    # then
    assert await _values(secured.bootstrap, topic, **connection) == [b"value"]


@pytest.mark.broker
async def test_a_cluster_of_three_goes_on_without_one_and_takes_it_back() -> None:
    # given
    with Kafka(nodes=3) as cluster:
        await create_topics(cluster.bootstrap, ["topic"], replication=3)
        # when
        await asyncio.to_thread(cluster.kill, 2)
        async with _producer(cluster.bootstrap, acks="all", retry_backoff_ms=20) as producer:
            await producer.send_and_wait("topic", b"while one is dead")
        await asyncio.to_thread(cluster.restart, 2)
        # then
        assert await _values(cluster.bootstrap, "topic") == [b"while one is dead"]
        scratch = cluster.scratch
    assert not scratch.exists()


@pytest.mark.broker
async def test_what_a_broker_has_acknowledged_outlives_its_crash(secured: Kafka) -> None:
    # given
    connection = secured.connection()
    await create_topics(secured.bootstrap, ["topic"], **connection)
    async with _producer(secured.bootstrap, **connection) as producer:
        await producer.send_and_wait("topic", b"before the crash")
    # when
    secured.kill()
    await asyncio.to_thread(secured.restart)
    # then
    assert await _values(secured.bootstrap, "topic", **connection) == [b"before the crash"]


@asynccontextmanager
async def _producer(bootstrap: str, **connection: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **connection)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _values(bootstrap: str, topic: str, **connection: Any) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", **connection
    )
    await consumer.start()
    try:
        return [(await consumer.getone()).value]
    finally:
        await consumer.stop()


async def _register(http: aiohttp.ClientSession, url: str) -> int:
    async with http.post(url, json={"schema": '{"type": "string"}'}) as response:
        response.raise_for_status()
        return int((await response.json())["id"])

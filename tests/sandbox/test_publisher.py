from collections import defaultdict
from itertools import islice

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from streams.sandbox import lms, publisher
from streams.sandbox.kafka import create_topics
from streams.sandbox.publisher import Placed, Publisher, register, subjects

PARTITIONS = 8


async def test_what_the_lms_emits_is_on_the_bus_where_it_says_and_as_it_says(
    kafka: str, registry_url: str, app_prefix: str
) -> None:
    # given
    await create_topics(kafka, publisher.source_topics(app_prefix), partitions=PARTITIONS)
    press = Publisher(await register(registry_url, app_prefix), app_prefix, seed=3)
    emissions = list(press.spoil(press.publish(lms.term(3, 20)), repeated=0.05, rubbish=0.05))
    # when
    placed: list[Placed] = []
    await publisher.emit(kafka, emissions, placed=placed.extend)
    # then
    assert len(placed) == len(emissions)
    assert {id(p.emission) for p in placed} == {id(e) for e in emissions}
    expected = {(p.emission.topic, p.partition, p.offset): _content(p.emission) for p in placed}
    assert await _read(kafka, publisher.source_topics(app_prefix), len(emissions)) == expected


async def test_order_within_a_partition_is_the_order_of_emission(
    kafka: str, registry_url: str, app_prefix: str
) -> None:
    # given
    await create_topics(kafka, publisher.source_topics(app_prefix), partitions=PARTITIONS)
    press = Publisher(await register(registry_url, app_prefix), app_prefix)
    emissions = list(press.publish(lms.recalculations(1, 2_000, learners=50, courses=20)))
    # when
    placed: list[Placed] = []
    await publisher.emit(kafka, emissions, rate=20_000, placed=placed.extend)
    # then
    order = {id(emission): number for number, emission in enumerate(emissions)}
    by_partition = defaultdict(list)
    for record in sorted(placed, key=lambda p: p.offset):
        by_partition[record.partition].append(order[id(record.emission)])
    assert len(by_partition) > 1
    assert all(numbers == sorted(numbers) for numbers in by_partition.values())


async def test_partitions_are_those_that_librdkafka_chooses(
    kafka: str, registry_url: str, app_prefix: str
) -> None:
    # given
    await create_topics(kafka, publisher.source_topics(app_prefix), partitions=PARTITIONS)
    press = Publisher(await register(registry_url, app_prefix), app_prefix)
    emissions = list(islice(press.publish(lms.term(5, 30)), 200))
    theirs: dict[bytes, int] = {}
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "consistent_random"})
    for emission in emissions:
        note = lambda _, message: theirs.update({message.key(): message.partition()})  # noqa: E731
        producer.produce(emission.topic, emission.value, emission.key, on_delivery=note)
    producer.flush(30)
    # when
    placed: list[Placed] = []
    await publisher.emit(kafka, emissions, placed=placed.extend)
    # then
    ours = {p.emission.key: p.partition for p in placed}
    assert ours == theirs
    assert len(set(ours.values())) > 1


async def test_registered_schemas_are_found_again_by_their_ids(registry_url: str, app_prefix: str) -> None:
    # when
    ids = await register(registry_url, app_prefix)
    again = await register(registry_url, app_prefix)
    # then
    assert ids == again
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        for subject, text in subjects(app_prefix).items():
            async with http.get(f"{registry_url}/schemas/ids/{ids[subject]}") as response:
                found = (await response.json(content_type=None))["schema"]
            if "CloudEvent" in subject:
                assert found == text


def _content(record: publisher.Emission) -> tuple[object, ...]:
    return (record.key, record.value, record.headers)


async def _read(kafka: str, topics: tuple[str, ...], count: int) -> dict[tuple[str, int, int], object]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(t, p) for t in topics for p in range(PARTITIONS)])
        records = [await consumer.getone() for _ in range(count)]
        return {(r.topic, r.partition, r.offset): (r.key, r.value, r.headers) for r in records}
    finally:
        await consumer.stop()

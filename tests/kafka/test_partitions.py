"""A key goes to the partition to which the bus's own producers would send it."""

from uuid import uuid4

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka.client import partition_of
from tests.bus.messages import messages

PARTITIONS = 13


def test_partitions_are_those_of_confluent_kafka(kafka: str, app_prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    created = admin.create_topics([NewTopic(app_prefix, PARTITIONS, 1)])
    created[app_prefix].result()
    keys = [message.key for message in messages()] + [
        b"\0\0\0\0\5H" + str(uuid4()).encode() for _ in range(50)
    ]
    went: dict[bytes, int] = {}

    def note(error: object, message: Message) -> None:
        assert error is None
        key = message.key()
        assert isinstance(key, bytes)
        went[key] = message.partition() or 0

    producer = Producer({"bootstrap.servers": kafka})
    for key in keys:
        producer.produce(app_prefix, key=key, value=b"", on_delivery=note)
    producer.flush(30)

    assert went == {key: partition_of(key, PARTITIONS) for key in keys}


@pytest.mark.parametrize("partitions", [1, 2, 12, 128])
def test_every_partition_is_one_that_the_topic_has(partitions: int) -> None:
    assert {partition_of(str(n).encode(), partitions) for n in range(2_000)} == set(range(partitions))

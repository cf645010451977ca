"""A changelog read as a table, from a consumer that plays back what a broker holds."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.kafka.changelog import read, read_table
from streams.sandbox.kafka import create_topics
from streams.settings import Settings
from tests.bus.memory import record

TP = TopicPartition("changelog", 0)


class Consumer:
    """Plays back a partition's records, `at_once` of them at a time; offsets without a record are markers."""

    def __init__(
        self, records: Mapping[int, tuple[bytes, bytes | None]], *, begin: int = 0, end: int
    ) -> None:
        self.assigned = False
        self._records, self._begin, self._end = records, begin, end
        self._position = -1

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        assert not self.assigned, "a broker would answer only after a fetch"
        return dict.fromkeys(tps, self._begin)

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        assert not self.assigned, "a broker would answer only after a fetch"
        return dict.fromkeys(tps, self._end)

    def assign(self, tps: Sequence[TopicPartition]) -> None:
        self.assigned = True

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._position = offset

    async def position(self, tp: TopicPartition) -> int:
        return self._position

    async def getmany(
        self, tp: TopicPartition, timeout_ms: int
    ) -> Mapping[TopicPartition, list[ConsumerRecord]]:
        offset, self._position = self._position, self._position + 1
        if offset not in self._records:
            return {}
        key, value = self._records[offset]
        return {tp: [record(value, (), key=key, topic=tp.topic, offset=offset)]}


async def test_of_each_key_the_last_value_is_there_and_deleted_keys_are_not() -> None:
    written = {0: (b"a", b"1"), 1: (b"b", b"1"), 2: (b"a", b"2"), 3: (b"b", None), 4: (b"c", None)}
    found = await read(Consumer(written, end=5), TP)
    assert (found.rows, found.records) == ({b"a": b"2"}, 5)


@pytest.mark.parametrize("end", [3, 4])
async def test_markers_at_the_end_are_passed_over_and_nothing_after_the_end_is_waited_for(end: int) -> None:
    found = await read(Consumer({1: (b"a", b"1")}, begin=1, end=end), TP)
    assert found.rows == {b"a": b"1"}


async def test_an_empty_changelog_is_an_empty_table() -> None:
    assert (await read(Consumer({}, begin=7, end=7), TP)).rows == {}


async def test_a_table_is_read_to_the_end_of_a_transaction_that_is_still_being_committed(
    kafka: str, app_prefix: str
) -> None:
    await create_topics(kafka, [app_prefix])
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=app_prefix)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(app_prefix, key=b"a", value=b"1")

    reading = asyncio.ensure_future(
        read_table(Settings(kafka=kafka, catalog=Path("nowhere")), app_prefix, partition=0)
    )
    early, _ = await asyncio.wait([reading], timeout=0.5)
    await producer.commit_transaction()
    await producer.stop()

    assert early == set()
    assert await reading == {b"a": b"1"}

"""A changelog read as a table, from a consumer that plays back what a broker holds."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.kafka.changelog import Read, read, read_table
from streams.kafka.insides import WholeFetches
from streams.sandbox.kafka import create_topics
from streams.settings import Settings
from tests.runtime import fetches

TP = TopicPartition("changelog", 0)
SNAPPY = 2
_CONTROL = 0x20
"""The attribute of a batch that holds a marker."""


class Consumer:
    """Plays back a partition's batches; offsets without a batch are passed over."""

    def __init__(self, *batches: bytes, begin: int = 0, end: int) -> None:
        self.assigned = False
        self._batches, self._begin, self._end = list(batches), begin, end

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

    def take(self, tp: TopicPartition) -> PartitionRecords | None:
        return fetches.records(self._batches.pop(0), begin=self._position)

    def fetch_on(self, tp: TopicPartition, position: int) -> None:
        self._position = position


async def _read(*batches: bytes, begin: int = 0, end: int) -> Read:
    return await read(cast(WholeFetches, Consumer(*batches, begin=begin, end=end)), TP)


@pytest.mark.parametrize("compression", [0, SNAPPY])
async def test_of_each_key_the_last_value_is_there_and_deleted_keys_are_not(compression: int) -> None:
    first = _batch(0, (b"a", b"1"), (b"b", b"1"), compression=compression)
    second = _batch(2, (b"a", b"2"), (b"b", None), (b"c", None), compression=compression)

    found = await _read(first, second, end=5)

    assert (found.rows, found.records) == ({b"a": b"2"}, 5)


async def test_markers_at_the_end_are_passed_over() -> None:
    written = _batch(1, (b"a", b"1"))

    found = await _read(written, _marker(2), begin=1, end=3)

    assert (found.rows, found.records) == ({b"a": b"1"}, 1)


async def test_a_batch_with_a_wrong_checksum_is_refused() -> None:
    broken = bytearray(_batch(0, (b"a", b"1")))
    broken[-2] ^= 0xFF

    with pytest.raises(CorruptRecordException):
        await _read(bytes(broken), end=1)


async def test_an_empty_changelog_is_an_empty_table() -> None:
    assert (await _read(begin=7, end=7)).rows == {}


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


def _batch(base: int, *rows: tuple[bytes, bytes | None], compression: int = 0) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, compression, False, -1, 0, 0, 100_000)
    for delta, (key, value) in enumerate(rows):
        builder.append(delta, 1_700_000_000_000, key, value, [])
    built = builder.build()
    # The base offset, which the checksum does not cover, is the broker's to write.
    built[:8] = base.to_bytes(8, "big")
    return bytes(built)


def _marker(base: int) -> bytes:
    """The marker of a commit: a batch whose attributes say so."""
    built = bytearray(_batch(base, (b"\0\0\0\1", b"\0" * 6)))
    built[22] |= _CONTROL
    built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
    return bytes(built)

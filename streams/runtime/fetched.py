"""What one fetch gave of one partition."""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord

from streams.kafka import insides

_BATCH_BEGIN = struct.Struct(">qi")
"""A record batch's base offset, and how many bytes follow."""


class Fetched:
    """Records that are parsed one by one, as they are asked for; `end` is where the next fetch begins.

    Parsed all at once, as aiokafka gives them, records take ten times their bytes and are out of the
    processor's caches when their turn comes: a quarter of the worker's processor time went there.

    A header's name that is not UTF-8 is given with its odd bytes as `\\xff`; aiokafka would stop there.
    """

    __slots__ = ("_batches", "_raw", "_records", "end")

    def __init__(self, records: PartitionRecords) -> None:
        batches = insides.batches(records)
        self._raw: bytes = batches.raw
        self._batches = _Batches(iter(batches.next_batch, None))
        self._records = records
        insides.put_batches(records, self._batches)
        self.end = self._batches.end

    def __iter__(self) -> Iterator[ConsumerRecord]:
        """The next records; whoever stops in between goes on with another iterator."""
        while True:
            try:
                # Not `yield from`, which would close aiokafka's generator with this one.
                for record in insides.left(self._records):  # noqa: UP028
                    yield record
            except UnicodeDecodeError:
                self._begin_again()
            else:
                return

    @property
    def position(self) -> int:
        """Where the next record is looked for: compaction and markers leave gaps before it."""
        return int(self._records.next_fetch_offset)

    @property
    def done(self) -> bool:
        """True where nothing is left."""
        return self.position >= self.end

    def drop(self) -> None:
        """Give no more records, and let go of their bytes.

        aiokafka's records and their generator hold each other, Faust's events and the agents' tasks too: the
        bytes would stay until the garbage collector comes.
        """
        insides.drop_left(self._records)
        self._batches.clear()
        self._raw = b""

    def _begin_again(self) -> None:
        """Parse what is left patiently: once a batch has failed, nothing can be had of it."""
        failed = self._records
        batches = (batch for batch in _patient(self._raw) if batch.next_offset > failed.next_fetch_offset)
        self._batches = _Batches(batches)
        self._records = insides.over(failed, self._batches)


class Records:
    """aiokafka's records of a fetch, with their bytes; `patches` has aiokafka make these."""

    def __init__(self, raw: bytes) -> None:
        records = MemoryRecords(raw)
        self.raw = raw
        self.has_next = records.has_next
        self.next_batch = records.next_batch
        self.size_in_bytes = records.size_in_bytes


class _Batches:
    """aiokafka's record batches, walked over for the end of the last; none is unpacked for that."""

    __slots__ = ("_batches", "end")

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = deque(batches)
        self.end = int(self._batches[-1].next_offset)

    def clear(self) -> None:
        self._batches.clear()

    def has_next(self) -> bool:
        return bool(self._batches)

    def next_batch(self) -> object:
        return self._batches.popleft()


def _patient(raw: bytes) -> Iterator["_PatientBatch"]:
    begin = 0
    while begin + _BATCH_BEGIN.size <= len(raw):
        _, length = _BATCH_BEGIN.unpack_from(raw, begin)
        end = begin + _BATCH_BEGIN.size + length
        if end > len(raw):
            return
        yield _PatientBatch(raw[begin:end])
        begin = end


class _PatientBatch(_DefaultRecordBatchPy):
    """aiokafka's parsing in Python, several times slower, with any header names."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Bytes(self._buffer)


class _Bytes(bytearray):
    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Bytes(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")

"""What one fetch gave of one partition."""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord

from streams.errors import UnreadableError
from streams.kafka import insides
from streams.kafka.inflate import inflate

_BATCH_BEGIN = struct.Struct(">qi")
"""A record batch's base offset, and how many bytes follow."""
_LENGTH_AT, _CRC_AT, _ATTRIBUTES_AT, _RECORDS_AT = 8, 17, 21, 61
"""Where a record batch has its length, checksum, attributes and records."""
_ATTRIBUTES = struct.Struct(">h")
_LENGTH = struct.Struct(">i")
_CRC = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Sealed:
    """The value of the one record that is given for a batch that is not unpacked: why it is not."""

    error: UnreadableError

    def __len__(self) -> int:
        """Whoever asks how large the value is sees none."""
        return 0


class Fetched:
    """Records that are parsed one by one, as they are asked for; `end` is where the next fetch begins.

    Parsed all at once, as aiokafka gives them, records take ten times their bytes and are out of the
    processor's caches when their turn comes: a quarter of the worker's processor time went there.

    A header's name that is not UTF-8 is given with its odd bytes as `\\xff`; aiokafka would stop there.
    A batch that cannot be unpacked within bounds is one record, without key and headers, whose value is
    `Sealed`; aiokafka would unpack it whole (decision 0033).
    """

    __slots__ = ("_batches", "_held", "_raw", "_records", "end")

    def __init__(self, records: PartitionRecords) -> None:
        batches = insides.batches(records)
        self._raw: bytes = batches.raw
        self._held: ConsumerRecord | None = None
        self._batches = _Batches(zip(iter(batches.next_batch, None), _raws(self._raw), strict=False))
        self._records = records
        insides.put_batches(records, self._batches)
        self.end = self._batches.end

    def __iter__(self) -> Iterator[ConsumerRecord]:
        """The next records; whoever stops in between goes on with another iterator."""
        if self._held is not None:
            held, self._held = self._held, None
            yield held
        while True:
            try:
                # Not `yield from`, which would close aiokafka's generator with this one.
                for record in insides.left(self._records):  # noqa: UP028
                    yield record
            except UnicodeDecodeError:
                self._begin_again()
            else:
                return

    def put_back(self, record: ConsumerRecord) -> None:
        """Give `record`, the last one that was given, once more."""
        self._held = record

    @property
    def position(self) -> int:
        """Where the next record is looked for: compaction and markers leave gaps before it."""
        if self._held is not None:
            return int(self._held.offset)
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
        self._held = None
        self._batches.clear()
        self._raw = b""

    def _begin_again(self) -> None:
        """Parse what is left patiently: once a batch has failed, nothing can be had of it."""
        failed = self._records
        batches = ((_PatientBatch(raw), raw) for raw in _raws(self._raw))
        self._batches = _Batches(b for b in batches if b[0].next_offset > failed.next_fetch_offset)
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
    """aiokafka's record batches, each with its bytes, walked over for the end of the last.

    None is unpacked for that; one is when its turn comes.
    """

    __slots__ = ("_batches", "end")

    def __init__(self, batches: Iterable[tuple[Any, memoryview]]) -> None:
        self._batches = deque(batches)
        self.end = int(self._batches[-1][0].next_offset)

    def clear(self) -> None:
        self._batches.clear()

    def has_next(self) -> bool:
        return bool(self._batches)

    def next_batch(self) -> object:
        batch, raw = self._batches.popleft()
        # A batch of an older format has no such attribute; brokers write none since Kafka 0.11.
        compressed = getattr(batch, "compression_type", 0)
        # One with a wrong checksum is for aiokafka to refuse.
        return _unpacked(batch, raw) if compressed and batch.validate_crc() else batch


def _raws(raw: bytes) -> Iterator[memoryview]:
    """The bytes of each whole record batch of a fetch."""
    view, begin = memoryview(raw), 0
    while begin + _BATCH_BEGIN.size <= len(raw):
        _, length = _BATCH_BEGIN.unpack_from(raw, begin)
        end = begin + _BATCH_BEGIN.size + length
        if end > len(raw):
            return
        yield view[begin:end]
        begin = end


def _unpacked(batch: Any, raw: memoryview) -> object:
    """The same batch without compression; a sealed one where it cannot be unpacked within bounds."""
    try:
        records = inflate(batch.compression_type, bytes(raw[_RECORDS_AT:]))
    except UnreadableError as error:
        return _SealedBatch(batch, error)
    header = bytearray(raw[:_RECORDS_AT])
    _LENGTH.pack_into(header, _LENGTH_AT, _RECORDS_AT - _BATCH_BEGIN.size + len(records))
    _ATTRIBUTES.pack_into(header, _ATTRIBUTES_AT, batch.attributes & ~batch.CODEC_MASK)
    whole = b"".join((header, records))
    _CRC.pack_into(header, _CRC_AT, calc_crc32c(memoryview(whole)[_ATTRIBUTES_AT:]))
    return type(batch)(b"".join((header, records)))


class _SealedBatch:
    """A batch as aiokafka walks over it, of one record that stands for all."""

    checksum = None
    key = None
    headers = ()
    is_control_batch = False

    def __init__(self, batch: Any, error: UnreadableError) -> None:
        self.base_offset: int = batch.base_offset
        self.next_offset: int = batch.next_offset
        self.producer_id: int = batch.producer_id
        self.is_transactional: bool = batch.is_transactional
        # The last, so that the next position is after the batch.
        self.offset = self.next_offset - 1
        self.timestamp: int = batch.max_timestamp
        self.timestamp_type: int = batch.timestamp_type
        offsets = f"offsets {self.base_offset} to {self.offset}"
        self.value = Sealed(UnreadableError(error.reason, f"{offsets}: {error.detail}"))

    def validate_crc(self) -> bool:
        return True

    def __iter__(self) -> Iterator["_SealedBatch"]:
        yield self


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

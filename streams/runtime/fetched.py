"""What one fetch gave of one partition."""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from streams.badges.model import value
from streams.errors import UnreadableError
from streams.headers import Headers
from streams.kafka import insides
from streams.kafka.inflate import inflate

_BATCH_BEGIN = struct.Struct(">qi")
"""A record batch's base offset, and how many bytes follow."""
_LENGTH_AT, _ATTRIBUTES_AT, _RECORDS_AT = 8, 21, 61
"""Where a record batch has its length, attributes and records."""
_ATTRIBUTES = struct.Struct(">h")
_LENGTH = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Sealed:
    """The value of the one record that is given for a batch that is not unpacked: why it is not."""

    error: UnreadableError

    def __len__(self) -> int:
        """Whoever asks how large the value is sees none."""
        return 0


@value
class Record:
    """A record as the agents' steps look at it; aiokafka's own has more, and takes twice the time to make."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: Any
    headers: Headers


class Fetched:
    """Records that are parsed one by one, as they are asked for; `end` is where the next fetch begins.

    Parsed all at once, as aiokafka gives them, records take ten times their bytes and are out of the
    processor's caches when their turn comes: a quarter of the worker's processor time went there.

    A header's name that is not UTF-8 is given with its odd bytes as `\\xff`; aiokafka would stop there.
    A batch that cannot be unpacked within bounds is one record, without key and headers, whose value is
    `Sealed`; aiokafka would unpack it whole (decision 0033).
    """

    __slots__ = (
        "_after",
        "_batches",
        "_fetch",
        "_held",
        "_partition",
        "_position",
        "_raw",
        "_records",
        "_topic",
        "end",
    )

    def __init__(self, fetch: PartitionRecords) -> None:
        insides.drop_left(fetch)
        batches = insides.batches(fetch)
        # Walked over for the end of the last. None is unpacked for that; one is when its turn comes.
        self._batches = deque(zip(iter(batches.next_batch, None), _raws(batches.raw), strict=False))
        self._fetch = fetch
        self._topic, self._partition = insides.place(fetch)
        self._held: Record | None = None
        self._records: Iterator[Any] = iter(())
        self._raw = memoryview(b"")
        self._position = self._after = int(fetch.next_fetch_offset)
        self.end = int(self._batches[-1][0].next_offset)

    def __iter__(self) -> Iterator[Record]:
        """The next records; whoever stops in between goes on with another iterator."""
        if self._held is not None:
            held, self._held = self._held, None
            yield held
        topic, partition = self._topic, self._partition
        while True:
            try:
                for raw in self._records:
                    offset = raw.offset
                    # A fetch may begin within a batch.
                    if offset >= self._position:
                        self._position = offset + 1
                        yield Record(
                            topic, partition, offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers)
                        )
            except UnicodeDecodeError:
                self._records = _once(_PatientBatch(self._raw))
                continue
            self._position = self._after
            if not self._begin_next():
                return

    def put_back(self, record: Record) -> None:
        """Give `record`, the last one that was given, once more."""
        self._held = record

    @property
    def position(self) -> int:
        """Where the next record is looked for: compaction and markers leave gaps before it."""
        return self._position if self._held is None else int(self._held.offset)

    @property
    def done(self) -> bool:
        """True where nothing is left."""
        return self.position >= self.end

    def drop(self) -> None:
        """Give no more records, and let go of their bytes.

        Faust's events and the agents' tasks hold each other: what they hold would stay until the garbage
        collector comes.
        """
        self._batches.clear()
        self._held = None
        self._records = iter(())
        self._raw = memoryview(b"")
        insides.put_batches(self._fetch, None)

    def _begin_next(self) -> bool:
        """Begin the next batch; False where none is left. One with a wrong checksum raises."""
        if not self._batches:
            return False
        batch, self._raw = self._batches.popleft()
        if not batch.validate_crc():
            raise CorruptRecordException(f"wrong checksum of the batch at offset {batch.base_offset}")
        self._after = int(batch.next_offset)
        # A batch of an older format has no such attribute; brokers write none since Kafka 0.11.
        compressed = getattr(batch, "compression_type", 0)
        if not insides.is_read(self._fetch, batch):
            self._records = iter(())
        else:
            self._records = _once(_unpacked(batch, self._raw) if compressed else batch)
        return True


def _once(batch: Iterable[Any]) -> Iterator[Any]:
    """A batch of aiokafka's begins again, and refuses to, wherever a loop goes on with it; this goes on."""
    return islice(batch, None)


class Records:
    """aiokafka's records of a fetch, with their bytes; `patches` has aiokafka make these."""

    def __init__(self, raw: bytes) -> None:
        records = MemoryRecords(raw)
        self.raw = raw
        self.has_next = records.has_next
        self.next_batch = records.next_batch
        self.size_in_bytes = records.size_in_bytes


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


def _unpacked(batch: Any, raw: memoryview) -> Iterable[Any]:
    """The same batch without compression; a sealed one where it cannot be unpacked within bounds."""
    try:
        records = inflate(batch.compression_type, bytes(raw[_RECORDS_AT:]))
    except UnreadableError as error:
        return _SealedBatch(batch, error)
    header = bytearray(raw[:_RECORDS_AT])
    _LENGTH.pack_into(header, _LENGTH_AT, _RECORDS_AT - _BATCH_BEGIN.size + len(records))
    _ATTRIBUTES.pack_into(header, _ATTRIBUTES_AT, batch.attributes & ~batch.CODEC_MASK)
    # Its checksum is that of the packed records, which was right.
    unpacked: Iterable[Any] = type(batch)(b"".join((header, records)))
    return unpacked


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

"""Fetches as a broker answers them, out of record batches that are made by hand."""

from collections.abc import Sequence

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from streams.runtime.fetched import Fetched, Records


def fetched(*batches: bytes, begin: int = 0, aborted: Sequence[tuple[int, int]] = ()) -> Fetched:
    return Fetched(records(*batches, begin=begin, aborted=aborted))


def records(*batches: bytes, begin: int = 0, aborted: Sequence[tuple[int, int]] = ()) -> PartitionRecords:
    raw = Records(b"".join(batches))
    tp = TopicPartition("topic", 0)
    return PartitionRecords(tp, raw, aborted, begin, None, None, True, READ_COMMITTED)


def batch(
    offsets: Sequence[int],
    *,
    base: int | None = None,
    compression: int = 0,
    producer: int = -1,
    name: bytes | None = None,
) -> bytes:
    """A record batch of records at `offsets`, whose values say so; `base` is the batch's first offset.

    Each record has a header of that `name`, if one is given.
    """
    base = offsets[0] if base is None else base
    builder = _DefaultRecordBatchBuilderPy(2, compression, producer >= 0, producer, 0, 0, 100_000)
    for offset in offsets:
        headers = [] if name is None else [(_Name(name), b"")]
        builder.append(offset - base, 1_700_000_000_000, None, b"%d" % offset, headers)
    built = builder.build()
    # The base offset, which the checksum does not cover, is the broker's to write.
    built[:8] = base.to_bytes(8, "big")
    return bytes(built)


def packed(offsets: Sequence[int], compression: int, records: bytes, *, producer: int = -1) -> bytes:
    """A batch at `offsets` that says that `records` are its records, compressed."""
    made = bytearray(batch(offsets, producer=producer)[:61])
    made[8:12] = (len(made) - 12 + len(records)).to_bytes(4, "big")
    made[22] |= compression
    made[17:21] = calc_crc32c(bytes(made[21:]) + records).to_bytes(4, "big")
    return bytes(made) + records


class _Name(str):
    """A header's name of any bytes."""

    def __new__(cls, raw: bytes) -> "_Name":
        made = super().__new__(cls, raw.decode("latin-1"))
        made.raw = raw
        return made

    raw: bytes

    def encode(self, *_: object) -> bytes:
        return self.raw

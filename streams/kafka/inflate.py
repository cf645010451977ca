"""What a compressed record batch holds, unpacked within bounds: a small batch can name a huge one."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam
from aiokafka.codec import snappy_decode
from aiokafka.record.default_records import DefaultRecordBatch

from streams.errors import UnreadableError

MOST_BYTES = 32 * 1024 * 1024
"""Of a batch, unpacked. A producer's batch is 1 MB at most by default, before it is compressed; a batch of a
megabyte that is this large was compressed to a thirtieth, and events come to a tenth."""
XERIAL = b"\x82SNAPPY\0"
XERIAL_HEADER_BYTES = 16
"""Of Java's framing of snappy: its name and two versions; blocks follow, each after its length."""
_LENGTH = struct.Struct(">i")


def inflate(codec: int, packed: bytes) -> bytes:
    """The records of a batch that was packed with `codec`, one of Kafka's numbers.

    Raises `UnreadableError` where they are more than `MOST_BYTES`, or are not packed as the batch says.
    """
    try:
        match codec:
            case DefaultRecordBatch.CODEC_GZIP:
                return _gunzip(packed)
            case DefaultRecordBatch.CODEC_SNAPPY:
                return _unsnap(packed)
            case DefaultRecordBatch.CODEC_LZ4:
                return _into_buffer(cramjam.lz4, packed)
            case DefaultRecordBatch.CODEC_ZSTD:
                return _into_buffer(cramjam.zstd, packed)
    except (zlib.error, struct.error, ValueError, cramjam.DecompressionError) as error:
        raise UnreadableError("bad_batch", f"{error}, or more than {MOST_BYTES} bytes") from error
    raise UnreadableError("bad_batch", f"unknown compression {codec}")


def _gunzip(packed: bytes) -> bytes:
    found = []
    left = MOST_BYTES
    while packed:
        member = zlib.decompressobj(wbits=31)
        found.append(member.decompress(packed, left + 1))
        left -= len(found[-1])
        if left < 0 or not member.eof:
            raise ValueError("not a whole gzip")
        packed = member.unused_data
    return b"".join(found)


def _unsnap(packed: bytes) -> bytes:
    """Snappy says before each block how long it will be, and its decoder holds to that."""
    if sum(cramjam.snappy.decompress_raw_len(block) for block in _blocks(packed)) > MOST_BYTES:
        raise ValueError("too long")
    return bytes(snappy_decode(packed))


def _blocks(packed: bytes) -> Iterator[bytes]:
    if not packed.startswith(XERIAL):
        yield packed
        return
    at = XERIAL_HEADER_BYTES
    while at < len(packed):
        (length,) = _LENGTH.unpack_from(packed, at)
        at += _LENGTH.size
        if length < 0:
            raise ValueError("a block of less than nothing")
        yield packed[at : at + length]
        at += length


def _into_buffer(codec: Any, packed: bytes) -> bytes:
    buffer = bytearray(MOST_BYTES)
    length = codec.decompress_into(packed, buffer)
    return bytes(memoryview(buffer)[:length])

"""Small pictures, and what only looks like one."""

import zlib

from streams.issuers.open_badges.baking import PNG_BEGIN, SVG


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(*more: bytes, width: int = 1, height: int = 1, end: bytes = b"") -> bytes:
    """A PNG of one grey pixel, whatever size it says, with more chunks before its pixels."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(b"\0\x80"))
    return b"".join((PNG_BEGIN, chunk(b"IHDR", header), *more, pixels, chunk(b"IEND"), end))


def svg(content: str = '<circle r="1"/>', attributes: str = "", before: str = "") -> bytes:
    """An SVG with this content."""
    return f'{before}<svg xmlns="{SVG}"{attributes}>{content}</svg>'.encode()

"""Where a record was first: the headers that rekey and receive append to what they forward.

`origin` holds the original record's `epoch:partition:offset:timestamp:topic` (the timestamp in milliseconds),
`origin-key` its key, where it had one. Both come after the original's own headers.
"""

from typing import Protocol

from aiokafka.structs import ConsumerRecord

from streams.badges import Source
from streams.badges.model import value
from streams.errors import UnreadableError
from streams.headers import Headers
from streams.kafka.orders import ORDER

ORIGIN = "origin"
ORIGIN_KEY = "origin-key"
OURS = frozenset((ORIGIN, ORIGIN_KEY, ORDER))
DEAD_LETTER = "dead-letter-"
"""How the names of a dead letter's headers begin."""

LARGEST = 2**63 - 1
"""Kafka's offsets have 64 bits with a sign; a larger number in a header was not written by us."""


class Forwarded(Protocol):
    """A record that rekey or receive has forwarded, or what is kept of one."""

    @property
    def value(self) -> bytes | None:
        """The original's value."""

    @property
    def headers(self) -> Headers:
        """The original's headers, and ours after them."""


@value
class Original:
    """A record as it was before we forwarded it; `timestamp` in milliseconds."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    source: Source
    timestamp: int


def on_the_bus(record: ConsumerRecord, epoch: int = 0) -> Original:
    """A record that nobody has forwarded is its own original."""
    source = Source(record.topic, record.partition, record.offset, epoch)
    return Original(record.key, record.value, theirs(record.headers), source, record.timestamp)


def theirs(headers: Headers) -> Headers:
    """The headers without those whose names are ours: from outside they would mislead our own readers."""
    if any(name in OURS or name.startswith(DEAD_LETTER) for name, _ in headers):
        return tuple((n, value) for n, value in headers if n not in OURS and not n.startswith(DEAD_LETTER))
    return headers


def forwarded(record: Forwarded) -> Original:
    """The original of a forwarded record; raise `UnreadableError` where it does not say where that was."""
    headers, key = record.headers, None
    place = len(headers)
    # From the end: ours come after the original's own.
    for name, text in reversed(headers):
        place -= 1
        if name == ORIGIN:
            source, timestamp = _parsed(text)
            return Original(key, record.value, headers[:place], source, timestamp)
        if name == ORIGIN_KEY:
            key = text
    raise _unreadable()


def original_of(record: ConsumerRecord) -> Original:
    """The original of a forwarded record; the record itself where it does not say where that was."""
    try:
        return forwarded(record)
    except UnreadableError:
        return on_the_bus(record)


def forwarding(record: ConsumerRecord, epoch: int) -> list[tuple[str, bytes]]:
    """The headers by which to forward a record of the bus: its own, and where it was."""
    return [*theirs(record.headers), *origin_headers(record, epoch)]


def origin_headers(record: ConsumerRecord, epoch: int) -> list[tuple[str, bytes]]:
    """What to append to the headers of `record` to forward it."""
    origin = f"{epoch}:{record.partition}:{record.offset}:{record.timestamp}:{record.topic}".encode()
    if record.key is None:
        return [(ORIGIN, origin)]
    return [(ORIGIN, origin), (ORIGIN_KEY, record.key)]


def _parsed(origin: bytes) -> tuple[Source, int]:
    try:
        epoch, partition, offset, timestamp, topic = origin.decode().split(":", 4)
        source = Source(topic, int(partition), int(offset), int(epoch))
        if source.offset <= LARGEST and source.epoch <= LARGEST and source.partition <= LARGEST:
            return source, int(timestamp)
    except (ValueError, AttributeError):  # no such text, or a header without a value
        pass
    raise _unreadable()


def _unreadable() -> UnreadableError:
    return UnreadableError("origin", "the record does not say where it was first")

"""Where an activity comes from: the header that rekey adds to what it forwards.

One header, `origin`, holds `epoch:partition:offset:timestamp:topic` of the original record (the timestamp in
milliseconds), and `origin-key`, where the original record had one, its key.
"""

from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from streams.badges import Source
from streams.errors import UnreadableError

ORIGIN = "origin"
ORIGIN_KEY = "origin-key"

LARGEST = 2**63 - 1

Headers = Sequence[tuple[str, bytes]]


def source_of(record: ConsumerRecord, epoch: int) -> Source:
    """The place of a record that is read where the bus put it."""
    return Source(record.topic, record.partition, record.offset, epoch)


def origin_headers(record: ConsumerRecord, epoch: int) -> list[tuple[str, bytes]]:
    """The headers that say where `record` was."""
    origin = f"{epoch}:{record.partition}:{record.offset}:{record.timestamp}:{record.topic}".encode()
    if record.key is None:
        return [(ORIGIN, origin)]
    return [(ORIGIN, origin), (ORIGIN_KEY, record.key)]


def read_origin(headers: Headers) -> tuple[Source, int]:
    """The original record's place and timestamp; raise `UnreadableError` where there is none."""
    # They stand behind the original headers.
    for name, value in reversed(headers):
        if name == ORIGIN:
            try:
                epoch, partition, offset, timestamp, topic = value.split(b":", 4)
                source = Source(topic.decode(), int(partition), int(offset), int(epoch))
                if source.offset > LARGEST or source.epoch > LARGEST or source.partition > LARGEST:
                    break
                return source, int(timestamp)
            except (ValueError, AttributeError):
                break
    raise UnreadableError("origin", "the record does not say where it was first")


def original(headers: Headers) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The original record's key and headers."""
    ours = (ORIGIN, ORIGIN_KEY)
    key = next((value for name, value in reversed(headers) if name == ORIGIN_KEY), None)
    return key, [(name, value) for name, value in headers if name not in ours]

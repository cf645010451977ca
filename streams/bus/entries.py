"""Entries of the streams of a bus on Redis, as Open edX's event-bus-redis writes them.

An entry has eight fields: `type`, `id`, `source`, `time`, `minorversion`, `sourcehost`, `sourcelib`, and
`event_data`, the event in Avro without a frame. Nothing says by which schema; those of an event type never
changed, so ours is taken to be the writer's, and an event must end where it ends.

Here an entry is a record: of the topic that its stream is, with its fields as headers, its data as value, and
the offset that its id makes.
"""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.bus import schemas
from streams.bus.reader import KNOWN, Decoder, Event, is_uuid
from streams.errors import UnreadableError
from streams.headers import Headers, header

DATA = "event_data"
ATTRIBUTES = ("type", "id", "source", "time", "minorversion", "sourcehost", "sourcelib")
"""The other fields, in their order; on Kafka the first five are headers that begin with `ce_`."""
SEQUENCE_BITS = 20
"""Of an offset: a million entries of one millisecond."""
TIME_BITS = 63 - SEQUENCE_BITS
"""The rest: milliseconds until the year 2248."""

PLACEHOLDER: Headers = (("", b""),)
"""All that is in an entry which walrus, by which Open edX's consumers read, adds as `0-1` to a stream that is
not there yet, and deletes at once."""

_DATA = DATA.encode()
_NUMBER = re.compile("[0-9]{1,9}")

Fields = Sequence[tuple[bytes, bytes]]


class EntryId(NamedTuple):
    """An entry's place in its stream: when it was added, in milliseconds, and its number in that one."""

    ms: int
    sequence: int

    @property
    def offset(self) -> int:
        """The same as a number with 64 bits and a sign, as offsets are: a later entry has a higher one.

        Ids that Redis would not give by itself for two centuries have all the highest.
        """
        ms, sequence = min(self.ms, 2**TIME_BITS - 1), min(self.sequence, 2**SEQUENCE_BITS - 1)
        return int(ms << SEQUENCE_BITS | sequence)

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}"


NO_ENTRY = EntryId(0, 0)
"""Before every entry."""


def entry_id(text: str | bytes) -> EntryId:
    """The id that Redis writes as `milliseconds-number`."""
    ms, sequence = (text if isinstance(text, str) else text.decode()).split("-")
    return EntryId(int(ms), int(sequence))


def record_of(stream: str, id: EntryId, fields: Fields) -> ConsumerRecord:
    """An entry as a record; one without data has no value."""
    value, headers = None, []
    for name, content in fields:
        if name == _DATA and value is None:
            value = content
        else:
            headers.append((name.decode(errors="backslashreplace"), content))
    return ConsumerRecord(
        stream, 0, id.offset, id.ms, 0, None, value, None, 0, len(value or b""), tuple(headers)
    )


class EntryReader:
    """Reads entries as events, if they are of the `wanted` types. `agent` is who drops the others."""

    def __init__(self, agent: str, wanted: frozenset[str] = frozenset()) -> None:
        self.wanted = wanted
        self._decoders: dict[str, Decoder] = {}
        self._unknown = metrics.RECORDS_DROPPED.labels(agent, "unknown_type")
        self._unwanted = metrics.RECORDS_DROPPED.labels(agent, "no_rule_for_type")

    def read(self, value: bytes | None, headers: Headers, timestamp_ms: int) -> Event | None:
        """The event; None for one whose type is not wanted. Raises `UnreadableError`."""
        event_type = _only(headers, "type")
        if event_type is None:
            if value is None and headers == PLACEHOLDER:
                return None
            raise UnreadableError("no_type", "type is missing, doubled or not UTF-8")
        if event_type not in self.wanted:
            (self._unwanted if event_type in KNOWN() else self._unknown).inc()
            return None
        id = (_only(headers, "id") or "").encode()
        if not is_uuid(id):
            raise UnreadableError("no_id", "id is missing, doubled or not a UUID")
        if value is None or any(name == DATA for name, _ in headers):
            raise UnreadableError("bad_body", f"{DATA} is missing or doubled")
        decoder = self._decoder(event_type)
        try:
            data = decoder.decode_whole(value)
        except UnreadableError as error:
            raise _of_its_library(error, headers) from error
        time = header(headers, "time")
        return Event(event_type, id.decode(), time, timestamp_ms, decoder.learner(data), data)

    def _decoder(self, event_type: str) -> Decoder:
        decoder = self._decoders.get(event_type)
        if decoder is None:
            text = json.dumps(schemas.schema(event_type))
            decoder = self._decoders[event_type] = Decoder(text, event_type)
        return decoder


def _only(headers: Headers, name: str) -> str | None:
    """The text of the only field of this name; None where there is none such."""
    found = [value for key, value in headers if key == name]
    try:
        return found[0].decode() if len(found) == 1 else None
    except UnicodeDecodeError:
        return None


def _of_its_library(error: UnreadableError, headers: Headers) -> UnreadableError:
    """What to say of data that is not what our schema says: its writer's library may be newer than ours."""
    theirs, ours = _only(headers, "sourcelib") or "", schemas.source_library()
    if _version(theirs) > _version(ours):
        newer = f"written by openedx-events {theirs}, the schemas here are of {ours}: {error.detail}"
        return UnreadableError("newer_library", newer)
    return error


def _version(text: str) -> tuple[int, ...]:
    """The numbers of a version; none where it is no version."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(map(_NUMBER.fullmatch, parts)) else ()

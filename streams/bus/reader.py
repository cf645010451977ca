"""From a record of the bus to an activity.

A record that can never be read raises `UnreadableError` with one of these reasons:

=================== ====================================================================================
``no_type``         `ce_type` is missing or doubled
``no_id``           `ce_id` is missing, doubled or not a UUID
``no_frame``        the value does not begin with a zero byte and a schema id
``unknown_schema``  the registry knows no schema of that id, and it is none of the built-in ones
``bad_schema``      the registry's schema is not valid Avro, or not safe to read with
``not_resolvable``  what the writer's schema says cannot be read as the event type's schema
``bad_body``        the body is truncated or not what its schema says
``no_learner``      the learner's id is missing
=================== ====================================================================================
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from math import isfinite
from typing import Any, TypeGuard
from uuid import UUID

import fastavro
from fastavro.read import SchemaResolutionError

from streams import metrics
from streams.badges import parse_time
from streams.bus import built_in, schemas
from streams.bus.avro import Decode, decoder
from streams.bus.built_in import NoRegistry
from streams.bus.registry import Registry
from streams.errors import UnreadableError, WaitNeeded
from streams.headers import Headers

FRAME_BYTES = 5
"""Confluent's frame: a zero byte and the schema's id in four."""
LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999, Python's last year."""
SCHEMA_PARTS = 10_000
"""Limit on a writer's schema, with every reference to a named type expanded: a small text can unfold without
end. The largest of Open edX has 52 parts."""
AHEAD_MS = 5 * 60 * 1000
"""A `ce_time` that is further ahead of its own record than clocks of servers are apart is not believed: it
would outweigh what happens in between."""
LOGICAL = frozenset({"logicalType"})
KNOWN = schemas.event_types
_UUID = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Event:
    """An event of the bus, as far as its values say: who and what, but not where it was."""

    __slots__ = ("_time", "_timestamp_ms", "data", "id", "learner", "type")

    def __init__(
        self, type: str, id: str, time: bytes | None, timestamp_ms: int, learner: int, data: Mapping[str, Any]
    ) -> None:
        self.type = type
        self.id = id
        self.learner = learner
        self.data = data
        self._time = time
        self._timestamp_ms = timestamp_ms

    @property
    def time(self) -> datetime:
        """When it happened, parsed only on demand: most events are dropped without anybody asking."""
        return _time(self._time, self._timestamp_ms)


class Reader:
    """Reads records of the bus as events, if they are of the `wanted` types."""

    def __init__(
        self, registry: Registry | NoRegistry, agent: str, wanted: frozenset[str] = frozenset()
    ) -> None:
        self._registry = registry
        self.wanted = wanted
        self._texts: dict[int, str] = {}
        self._unreadable: dict[int, UnreadableError] = {}
        self._decoders: dict[tuple[int, str], Decoder] = {}
        # A schema that is refused took longer to parse than a thousand records take to read.
        self._refused: dict[tuple[int, str], tuple[str, str]] = {}
        self._empty = metrics.RECORDS_DROPPED.labels(agent, "no_value")
        self._unknown = metrics.RECORDS_DROPPED.labels(agent, "unknown_type")
        self._unwanted = metrics.RECORDS_DROPPED.labels(agent, "no_rule_for_type")

    def read(self, value: bytes | None, headers: Headers, timestamp_ms: int) -> Event | None:
        """The event; None for a record that is none or whose type is not wanted.

        `timestamp_ms` is the record's own, for an event without a believable time. Raises `UnreadableError`,
        or `WaitNeeded` if the writer's schema has to be fetched first.
        """
        if not value:
            self._empty.inc()
            return None
        event_type, id, time = _attributes(headers)
        if event_type not in self.wanted:
            (self._unwanted if event_type in KNOWN() else self._unknown).inc()
            return None
        if not is_uuid(id):
            raise UnreadableError("no_id", "ce_id is missing, doubled or not a UUID")
        if len(value) < FRAME_BYTES or value[0] != 0:
            raise UnreadableError("no_frame", f"{len(value)} bytes")
        decoder = self._decoder(int.from_bytes(value[1:FRAME_BYTES], "big"), event_type)
        data = decoder.decode(value)
        return Event(event_type, id.decode(), time, timestamp_ms, decoder.learner(data), data)

    async def _fetch(self, schema_id: int) -> None:
        """Get a writer's schema. Waits while the registry is away; reading again raises what it refused."""
        try:
            self._texts[schema_id] = await self._registry.schema_by_id(schema_id)
            self._unreadable.pop(schema_id, None)
        except UnreadableError as error:
            self._unreadable[schema_id] = error

    def _decoder(self, schema_id: int, event_type: str) -> "Decoder":
        key = (schema_id, event_type)
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = self._new_decoder(schema_id, event_type)
        return decoder

    def _new_decoder(self, schema_id: int, event_type: str) -> "Decoder":
        if (refused := self._refused.get((schema_id, event_type))) is not None:
            raise UnreadableError(*refused)
        if (unknown := self._unreadable.pop(schema_id, None)) is not None:
            raise unknown
        text = self._texts.get(schema_id) or built_in.text(schema_id)
        if text is None:
            self._registry.raise_if_unknown(schema_id)
            raise WaitNeeded("the schema registry", partial(self._fetch, schema_id))
        try:
            return Decoder(text, event_type)
        except UnreadableError as error:
            self._refused[(schema_id, event_type)] = (error.reason, error.detail)
            raise


class Decoder:
    """Decodes what one schema has written as one event type."""

    __slots__ = ("_field", "_floats", "_read", "_user_path")

    def __init__(self, text: str, event_type: str) -> None:
        pinned = schemas.schema(event_type)
        written, shape = _parsed(text)
        # Most writers have exactly our schema.
        self._read = decoder(pinned) if shape == _shape(pinned) else _resolving(written, pinned)
        self._field = pinned["fields"][0]["name"]
        self._floats = _has_floats(pinned)
        path = schemas.learner_path(event_type)
        assert path is not None
        self._user_path = path[0] if path else None

    def decode(self, value: bytes) -> dict[str, Any]:
        """What the payload's only field holds, of a framed value."""
        data, _ = self._decoded(value, FRAME_BYTES)
        return data

    def decode_whole(self, value: bytes) -> dict[str, Any]:
        """The same of a value without a frame, which must end where its schema ends."""
        data, end = self._decoded(value, 0)
        if left := len(value) - end:
            raise UnreadableError("bad_body", f"{left} bytes are left over")
        return data

    def _decoded(self, value: bytes, begin: int) -> tuple[dict[str, Any], int]:
        try:
            whole, end = self._read(value, begin)
            data: dict[str, Any] = whole[self._field]
        except SchemaResolutionError as error:
            raise UnreadableError("not_resolvable", _said(error)) from error
        except Exception as error:
            # The Avro library can raise anything on hostile bytes.
            why = "it ends early" if isinstance(error, EOFError) else type(error).__name__
            raise UnreadableError("bad_body", why) from error
        return _finite(data) if self._floats else data, end

    def learner(self, data: dict[str, Any]) -> int:
        """The learner's id."""
        found = data if self._user_path is None else data[self._user_path]
        if isinstance(found, int):
            return found
        if isinstance(found, dict) and isinstance(id := found.get("id"), int):
            return id
        raise UnreadableError("no_learner")


def _resolving(written: Any, pinned: Any) -> Decode:
    """A function that reads what was written by another schema as our own."""
    read = partial(
        fastavro.schemaless_reader,
        writer_schema=written,
        reader_schema=fastavro.parse_schema(_without(pinned, LOGICAL)),
    )

    def resolved(value: bytes, begin: int) -> tuple[Any, int]:
        body = BytesIO(value)
        body.seek(begin)
        return read(body), body.tell()

    return resolved


def _attributes(headers: Headers) -> tuple[str, bytes | None, bytes | None]:
    """`ce_type`, `ce_id` (None if missing or doubled) and the first `ce_time`."""
    first = dict(reversed(headers))
    event_type, id = first.get("ce_type"), first.get("ce_id")
    if event_type is None:
        raise UnreadableError("no_type", "ce_type is missing")
    if len(first) < len(headers):
        names = [name for name, _ in headers]
        if names.count("ce_type") > 1:
            raise UnreadableError("no_type", "ce_type is doubled")
        if names.count("ce_id") > 1:
            id = None
    try:
        return event_type.decode(), id, first.get("ce_time")
    except UnicodeDecodeError:
        raise UnreadableError("no_type", "ce_type is not UTF-8") from None


def is_uuid(text: bytes | None) -> TypeGuard[bytes]:
    """Whether it is a UUID, in any form that Python reads; the usual one is told at once."""
    if text is None:
        return False
    try:
        return bool(_UUID.fullmatch(text) or UUID(text.decode()))
    except ValueError:
        return False


def _time(text: bytes | None, timestamp_ms: int) -> datetime:
    """`ce_time` in UTC; the record's timestamp if it cannot be read, or lies too far after it."""
    if text is not None:
        try:
            time = parse_time(text.decode())
            # Both sides are divisions of whole numbers, so equal moments are equal here.
            if time is not None and (
                timestamp_ms < 0 or time.timestamp() <= (timestamp_ms + AHEAD_MS) / 1000
            ):
                return time if time.tzinfo is UTC else time.astimezone(UTC)
        except (UnicodeDecodeError, OverflowError):
            pass
    return datetime.fromtimestamp(min(max(0, timestamp_ms), LATEST_MS) / 1000, UTC)


def _parsed(text: str) -> tuple[Any, Any]:
    """The writer's schema for fastavro, and its shape."""
    named: dict[str, Any] = {}
    try:
        # A logical type is how the writer would present a value; we read plain ones.
        schema = _without(json.loads(text), LOGICAL)
        parsed = fastavro.parse_schema(schema, named)
        _Weighing(named).weigh(parsed, frozenset())
        shape = _shape(schema)
    except UnreadableError:
        raise
    except Exception as error:
        # Anything may be wrong with text from outside; deep nesting ends in a RecursionError.
        raise UnreadableError("bad_schema", type(error).__name__) from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnreadableError("bad_schema", "not a record")
    return parsed, shape


class _Weighing:
    """Refuses schemas by which a few bytes could make the Avro library recurse, loop or grow without end."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, tuple[int, int]] = {}

    def weigh(self, schema: Any, within: frozenset[str]) -> tuple[int, int]:
        """The size of the schema's smallest value in bytes, and the schema's number of parts."""
        if isinstance(schema, str) and schema in self._named:
            if schema in within:
                raise UnreadableError("bad_schema", "a type that contains itself")
            if schema not in self._known:
                self._known[schema] = self.weigh(self._named[schema], within)
            return self._known[schema]
        least, parts = self._of(schema, within)
        if parts > SCHEMA_PARTS:
            raise UnreadableError("bad_schema", f"more than {SCHEMA_PARTS} parts")
        return least, parts

    def _of(self, schema: Any, within: frozenset[str]) -> tuple[int, int]:
        if isinstance(schema, str):
            return int(schema != "null"), 1
        if isinstance(schema, list):
            return 1, 1 + sum(self.weigh(branch, within)[1] for branch in schema)
        match schema["type"]:
            case "record" | "error":
                fields = [self.weigh(f["type"], within | {schema["name"]}) for f in schema["fields"]]
                return sum(least for least, _ in fields), 1 + sum(parts for _, parts in fields)
            case "array":
                least, parts = self.weigh(schema["items"], within)
                if not least:
                    raise UnreadableError("bad_schema", "an array whose items have no bytes")
                return 1, 1 + parts
            case "map":
                return 1, 1 + self.weigh(schema["values"], within)[1]
            case "fixed":
                return schema["size"], 1
            case "enum":
                return 1, 1
            case other:
                return self.weigh(other, within)


def _has_floats(schema: Any) -> bool:
    if isinstance(schema, dict):
        return any(map(_has_floats, schema.values()))
    return any(map(_has_floats, schema)) if isinstance(schema, list) else schema in ("float", "double")


def _finite(data: Any) -> Any:
    """The data with null for each number that is none: JSON has no other word for it."""
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data


def _shape(schema: Any) -> Any:
    """The schema reduced to what determines the bytes and the decoded value."""
    return _without(schema, LOGICAL | {"doc", "namespace"})


def _without(schema: Any, keys: frozenset[str]) -> Any:
    if isinstance(schema, dict):
        return {key: _without(value, keys) for key, value in schema.items() if key not in keys}
    return [_without(part, keys) for part in schema] if isinstance(schema, list) else schema


def _said(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__

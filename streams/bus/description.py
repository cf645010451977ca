"""What people ask about an event: fields, types and a sample, out of its Avro schema (decision 0072)."""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from avro import schema as avro
from streams.bus import schemas
from streams.bus.publication import LEARNING

_WORDS: dict[str, str] = {
    "long": "whole number",
    "int": "whole number",
    "double": "number",
    "float": "number",
    "array": "list: a rule can only ask whether it exists",
    "map": "map: any key follows the dot",
    "record": "fields below",
}


@dataclass(frozen=True, slots=True)
class Described:
    """A field of an event; `path` is relative to the payload, as rules have it."""

    path: str
    kind: str
    optional: bool

    @property
    def words(self) -> str:
        """Its type, in words."""
        said = _WORDS.get(self.kind, self.kind)
        return f"{said}, or null" if self.optional else said


def full_name(event_type: str) -> str:
    """The event type, which may be given without what all of them begin with."""
    return event_type if event_type.startswith("org.") else LEARNING + event_type


def envelope(event_type: str) -> str:
    """The name of the single top-level field, which holds the payload."""
    name: str = _schema(event_type).fields[0].name
    return name


@functools.cache
def fields(event_type: str) -> tuple[Described, ...]:
    """Every field that a path of a rule may lead to, records included, in the order of the schema."""
    return tuple(_fields(_schema(event_type).fields[0].type, ""))


def sample(event_type: str) -> dict[str, Any]:
    """The event as a line that `simulate` reads: what the LMS sends when Ada does something."""
    return {
        "type": event_type,
        "id": "f7cb1a5c-0f3e-4b7a-9c0d-3f2b1e6a5d42",
        "time": "2026-03-14T15:09:26+00:00",
        "source": {"topic": "sample", "partition": 0, "offset": 0},
        "data": _value(_schema(event_type).fields[0].type, ""),
    }


@functools.cache
def _schema(event_type: str) -> Any:
    return avro.parse(json.dumps(schemas.schema(event_type)))


def _branches(schema: Any) -> list[Any]:
    return list(schema.schemas) if schema.type == "union" else [schema]


def _fields(record: Any, before: str) -> Iterator[Described]:
    for member in record.fields:
        path = f"{before}{member.name}"
        branches = _branches(member.type)
        optional = any(branch.type == "null" for branch in branches)
        for branch in branches:
            if branch.type == "null":
                continue
            yield Described(path, branch.type, optional)
            if branch.type == "record":
                yield from _fields(branch, f"{path}.")


def _value(schema: Any, name: str) -> Any:
    """A value of the schema as Open edX would have it under that name."""
    schema = next(branch for branch in _branches(schema) if branch.type != "null")
    if schema.type == "record":
        return {member.name: _value(member.type, member.name) for member in schema.fields}
    if schema.type == "array":
        return [_value(schema.items, name)]
    if schema.type == "map":
        return {}
    return _TEXTS.get(name, "text") if schema.type == "string" else _OTHERS[schema.type]


_OTHERS: dict[str, Any] = {"boolean": True, "int": 42, "long": 42, "double": 0.85, "float": 0.85}
_TEXTS: dict[str, str] = {
    "ccx_course_key": "ccx-v1:DemoX+Kafka101+2026+ccx@1",
    "certificate_available_date": "2026-06-30T00:00:00",
    "context_id": "course-v1:DemoX+Kafka101+2026",
    "course_id": "course-v1:DemoX+Kafka101+2026",
    "course_key": "course-v1:DemoX+Kafka101+2026",
    "creation_date": "2026-03-02T08:00:00",
    "current_status": "downloadable",
    "display_name": "Kafka for beginners",
    "email": "ada@example.com",
    "end": "2026-06-30T00:00:00",
    "exam_type": "proctored",
    "expiration_date": "2028-03-14T00:00:00",
    "grade": "0.85",
    "letter_grade": "Pass",
    "master_course_key": "course-v1:DemoX+Kafka101+2026",
    "mode": "verified",
    "name": "Ada Lovelace",
    "org_key": "DemoX",
    "passed_timestamp": "2026-03-14T15:09:26",
    "previous_status": "notpassing",
    "program_type": "MicroMasters",
    "role": "instructor",
    "start": "2026-03-02T08:00:00",
    "status": "approved",
    "thread_type": "discussion",
    "url": "https://lms.example.org/",
    "usage_key": "block-v1:DemoX+Kafka101+2026+type@sequential+block@exam",
    "username": "ada",
    "uuid": "1f6f0d6c-5a0d-4b1c-8a3c-2f1a8e6b9d07",
}
"""By the field's name; what is not here is of no consequence to rules."""

"""Entries of a bus on Redis: real ones, recorded from Open edX's own producer, and others in their image."""

import json
from io import BytesIO
from pathlib import Path
from uuid import UUID

import fastavro

from streams.bus import schemas
from streams.bus.entries import EntryId, Fields, entry_id

PASSED = "org.openedx.learning.course.passing.status.updated.v1"
_RECORDED = json.loads((Path(__file__).with_name("wire_redis") / "entries.json").read_text())["entries"]


def real_entries() -> list[tuple[str, EntryId, Fields]]:
    """Every recorded entry: its stream, its id, its fields in their order."""
    return [
        (
            entry["stream"],
            entry_id(entry["id"]),
            [(field["name"].encode(), bytes.fromhex(field["hex"])) for field in entry["fields"]],
        )
        for entry in _RECORDED
    ]


def passed(learner: int, *, number: int = 1, is_passing: bool = True) -> Fields:
    """The real entry of a passing status, of another learner and with another id."""
    _, _, fields = real_entries()[0]
    data = fastavro.schemaless_reader(BytesIO(dict(fields)[b"event_data"]), schemas.schema(PASSED))
    status = data["course_passing_status"]
    status["user"]["id"], status["is_passing"] = learner, is_passing
    written = BytesIO()
    fastavro.schemaless_writer(written, schemas.schema(PASSED), data)
    id = str(UUID(int=learner << 64 | number)).encode()
    return altered(fields, id=id, event_data=written.getvalue())


def altered(fields: Fields, **others: bytes | None) -> Fields:
    """The same entry with other values of these fields; without those that are None."""
    changed = [(name, others.get(name.decode(), value)) for name, value in fields]
    return [(name, value) for name, value in changed if value is not None]

"""Whatever is wrong with a message, it gets one of the known reasons and never another exception."""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.bus.reader import Reader
from streams.errors import UnreadableError
from streams.headers import Headers
from tests.bus.conftest import TIMESTAMP_MS, Read
from tests.bus.messages import message
from tests.bus.registry_server import RegistryServer

REAL = message("course_passing_status_updated.as_lms_emits")
GRADE = message("persistent_grade_summary_changed")


@pytest.fixture(autouse=True)
def schemas_are_known(server: RegistryServer) -> None:
    for real in (REAL, GRADE):
        server.holds(real.schema_id, real.schema)


async def _reason(read: Read, value: bytes | None, headers: Headers = REAL.headers) -> str:
    with pytest.raises(UnreadableError) as raised:
        await read(value, headers)
    return raised.value.reason


def _without(name: str) -> list[tuple[str, bytes]]:
    return [header for header in REAL.headers if header[0] != name]


def _with(name: str, value: bytes | None) -> list[tuple[str, Any]]:
    return [(n, value if n == name else v) for n, v in REAL.headers]


def _written(schema: dict[str, Any], value: dict[str, Any], schema_id: int = 99) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, value)
    return b"\0" + schema_id.to_bytes(4, "big") + body.getvalue()


def _doubled(levels: int) -> Any:
    """A record that uses another twice, which uses another twice, and so on."""
    fields: list[dict[str, Any]] = [{"name": "end", "type": "null"}]
    for level in range(levels):
        inner = {"type": "record", "name": f"D{level}", "fields": fields}
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"D{level}"}]
    return {"type": "record", "name": "Doubled", "fields": fields}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "no_type"),
        (_without("ce_type"), "no_type"),
        ([*REAL.headers, ("ce_type", REAL.event_type.encode())], "no_type"),
        (_with("ce_type", None), "no_type"),
        (_with("ce_type", b"\xff\xfe"), "no_type"),
        (_without("ce_id"), "no_id"),
        ([*REAL.headers, ("ce_id", b"5d1b2c00-1f8a-11f1-8000-000000000001")], "no_id"),
        (_with("ce_id", b"seven"), "no_id"),
        (_with("ce_id", b"\xff" * 36), "no_id"),
        (_with("ce_id", None), "no_id"),
    ],
)
async def test_a_type_or_id_that_is_not_there_exactly_once_is_unreadable(
    read: Read, headers: list[tuple[str, bytes]], reason: str
) -> None:
    assert await _reason(read, REAL.value, headers) == reason


@pytest.mark.parametrize("value", [b"\1" + REAL.value[1:], b"\0\0", b"{}", REAL.avro])
async def test_a_value_without_the_frame_is_unreadable(read: Read, value: bytes) -> None:
    assert await _reason(read, value) == "no_frame"


async def test_a_schema_id_that_the_registry_does_not_know_is_unreadable(read: Read) -> None:
    assert await _reason(read, b"\0\0\0\xff\xff" + REAL.avro) == "unknown_schema"


@pytest.mark.parametrize("length", range(5, len(REAL.value)))
async def test_a_truncated_body_is_unreadable(read: Read, length: int) -> None:
    assert await _reason(read, REAL.value[:length]) == "bad_body"


async def test_text_that_is_not_utf_8_is_unreadable(read: Read) -> None:
    assert await _reason(read, REAL.value.replace(b"Ada", b"\xff\xff\xff")) == "bad_body"


async def test_a_body_that_claims_a_huge_string_is_unreadable(read: Read) -> None:
    two_gigabytes = b"\xfe\xff\xff\xff\x0f"
    assert await _reason(read, REAL.value[:6] + two_gigabytes + b"x" * 1_000_000) == "bad_body"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("not json", "bad_schema"),
        ('"string"', "bad_schema"),
        ('{"type": "nothing that Avro knows"}', "bad_schema"),
        ('{"type": "array", "items":' * 50_000 + '"int"' + "}" * 50_000, "bad_schema"),
    ],
)
async def test_a_schema_that_avro_does_not_understand_is_unreadable(
    read: Read, server: RegistryServer, text: str, reason: str
) -> None:
    server.holds(99, text)

    assert await _reason(read, b"\0\0\0\0\x63" + REAL.avro) == reason


EMPTY = {"type": "record", "name": "Empty", "fields": []}


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ({"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]}, b"\2" * 200_000),
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
        ({"type": "array", "items": EMPTY}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (_doubled(20), b""),
    ],
    ids=["contains itself", "array of nulls", "array of empty records", "doubles with each level"],
)
async def test_a_schema_that_makes_much_of_few_bytes_is_not_followed(
    read: Read, server: RegistryServer, type: Any, value: bytes
) -> None:
    server.holds(99, _changed(lambda payload: payload["fields"].append({"name": "more", "type": type})))

    assert await _reason(read, b"\0\0\0\0\x63" + REAL.avro + value) == "bad_schema"


async def test_a_schema_nested_beyond_measure_is_not_followed(read: Read, server: RegistryServer) -> None:
    deep: Any = "int"
    for _ in range(900):
        deep = {"type": "array", "items": deep}
    server.holds(99, _changed(lambda payload: payload["fields"].append({"name": "more", "type": deep})))

    with suppress(UnreadableError):
        await read(b"\0\0\0\0\x63" + REAL.avro + b"\0", REAL.headers)


async def test_a_writers_logical_type_changes_nothing(read: Read, server: RegistryServer) -> None:
    def change(payload: dict[str, Any]) -> None:
        user = next(f for f in payload["fields"] if f["name"] == "user")["type"]
        pii = next(f for f in user["fields"] if f["name"] == "pii")["type"]
        name = next(f for f in pii["fields"] if f["name"] == "username")
        name["type"] = {"type": "string", "logicalType": "uuid"}

    server.holds(99, _changed(change))

    activity = await read(b"\0\0\0\0\x63" + REAL.avro, REAL.headers)

    assert activity is not None
    assert activity.data == REAL.payload


async def test_a_writer_without_a_field_that_we_require_is_unreadable(
    read: Read, server: RegistryServer
) -> None:
    server.holds(99, _changed(lambda payload: payload["fields"].pop(0)))

    assert await _reason(read, b"\0\0\0\0\x63" + REAL.avro[1:]) == "not_resolvable"


async def test_a_writer_with_another_type_for_a_field_is_unreadable(
    read: Read, server: RegistryServer
) -> None:
    server.holds(99, _changed(lambda payload: payload["fields"][0].update(type="string")))

    assert await _reason(read, b"\0\0\0\0\x63\x06abc" + REAL.avro[1:]) == "not_resolvable"


async def test_the_bytes_of_another_event_under_our_type_are_unreadable(read: Read) -> None:
    assert await _reason(read, GRADE.value) == "not_resolvable"


async def test_a_learner_id_that_is_null_is_unreadable(read: Read, server: RegistryServer) -> None:
    schema = json.loads(json.dumps(GRADE.schema))
    user_id = next(f for f in schema["fields"][0]["type"]["fields"] if f["name"] == "user_id")
    user_id["type"] = ["null", "long"]
    server.holds(99, schema)
    value = _written(schema, {"grade": {**GRADE.payload, "user_id": None}})

    assert await _reason(read, value, GRADE.headers) in ("not_resolvable", "bad_body", "no_learner")


@pytest.mark.parametrize("value", [None, b""])
async def test_a_record_without_a_value_is_no_event(read: Read, value: bytes | None) -> None:
    assert await read(value, []) is None


async def test_an_unknown_event_type_is_dropped_whatever_its_body(read: Read) -> None:
    assert await read(b"rubbish", _with("ce_type", b"org.example.unheard.of.v1")) is None


async def test_a_type_that_no_rule_names_is_dropped_by_its_header_alone(reader: Reader) -> None:
    reader.wanted = frozenset()

    assert reader.read(b"rubbish", REAL.headers, TIMESTAMP_MS) is None


@pytest.mark.parametrize("value", [REAL.value + b"more", REAL.value + b"\0" * 1_000_000])
async def test_bytes_behind_the_body_are_accepted(read: Read, value: bytes) -> None:
    activity = await read(value, REAL.headers)

    assert activity is not None
    assert activity.data == REAL.payload


async def test_a_body_of_a_megabyte_is_read(read: Read) -> None:
    long = {**REAL.payload, "course": {**REAL.payload["course"], "display_name": "x" * 1_000_000}}
    value = _written(REAL.schema, {"course_passing_status": long}, REAL.schema_id)

    activity = await read(value, REAL.headers)

    assert activity is not None
    assert activity.data == long


@pytest.mark.parametrize(
    ("time", "read_as"),
    [
        (b"2026-03-14T15:09:26+02:00", datetime(2026, 3, 14, 13, 9, 26, tzinfo=UTC)),
        (b"2026-03-14T15:09:26Z", datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)),
        (b"2026-03-14T15:09:26.5", datetime(2026, 3, 14, 15, 9, 26, 500_000, tzinfo=UTC)),
        (b"yesterday", datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)),
        (b"\xff", datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)),
        (b"0001-01-01T00:00:00+23:00", datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)),
        (None, datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)),
    ],
)
async def test_the_time_is_read_patiently(read: Read, time: bytes | None, read_as: datetime) -> None:
    activity = await read(REAL.value, _with("ce_time", time))

    assert activity is not None
    assert activity.time == read_as


@pytest.mark.parametrize(
    ("ahead", "believed"), [(0, True), (300, True), (300.000001, False), (86_400, False)]
)
async def test_a_time_of_more_than_five_minutes_after_its_record_is_not_believed(
    read: Read, ahead: float, *, believed: bool
) -> None:
    written = datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)
    time = written + timedelta(seconds=ahead)

    event = await read(REAL.value, _with("ce_time", time.isoformat().encode()))

    assert event is not None
    assert event.time == (time if believed else written)


@pytest.mark.parametrize("none", [math.nan, math.inf, -math.inf])
async def test_a_number_that_is_none_is_null(read: Read, none: float) -> None:
    value = _written(GRADE.schema, {"grade": {**GRADE.payload, "percent_grade": none}}, GRADE.schema_id)

    event = await read(value, GRADE.headers)

    assert event is not None
    assert event.data == {**GRADE.payload, "percent_grade": None}


async def test_without_a_time_the_records_timestamp_counts(read: Read) -> None:
    activity = await read(REAL.value, _without("ce_time"))

    assert activity is not None
    assert activity.time == datetime.fromtimestamp(TIMESTAMP_MS / 1000, UTC)


async def test_a_timestamp_beyond_the_years_of_python_is_the_last_of_them(reader: Reader, read: Read) -> None:
    await read(REAL.value, REAL.headers)

    activity = reader.read(REAL.value, _without("ce_time"), 10**17)

    assert activity is not None
    assert activity.time.year == 9999


async def test_of_another_doubled_header_the_first_counts(read: Read) -> None:
    activity = await read(REAL.value, [*REAL.headers, ("ce_time", b"2020-01-01T00:00:00+00:00")])

    assert activity is not None
    assert activity.time.year == 2026


async def test_a_writer_in_another_namespace_with_more_fields_is_read(
    read: Read, server: RegistryServer
) -> None:
    schema = _changed(lambda payload: payload["fields"].append({"name": "new", "type": "string"}))
    schema["namespace"] = "somewhere.else"
    server.holds(99, schema)

    activity = await read(
        _written(schema, {"course_passing_status": {**REAL.payload, "new": "x"}}), REAL.headers
    )

    assert activity is not None
    assert activity.data == REAL.payload


@given(body=st.binary(max_size=300))
@settings(max_examples=300)
def test_no_bytes_whatever_raise_anything_else(body: bytes) -> None:
    reader = Reader(None, "test", frozenset({REAL.event_type}))  # type: ignore[arg-type]
    reader._texts[2] = json.dumps(REAL.schema)

    with suppress(UnreadableError):
        assert reader.read(b"\0\0\0\0\2" + body, REAL.headers, TIMESTAMP_MS)


def _changed(change: Any) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(REAL.schema))
    change(schema["fields"][0]["type"])
    return schema

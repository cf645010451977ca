"""Bytes are decoded as fastavro decodes them."""

from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.bus import schemas
from streams.bus.avro import decoder

EVENTS = sorted(schemas.event_types())
FRAME = b"\0\0\0\0\7"


@pytest.mark.parametrize("event_type", EVENTS)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read(event_type: str, data: st.DataObject) -> None:
    schema = schemas.schema(event_type)
    value = data.draw(_values(schema, {}))

    written = _written(schema, value)

    found = decoder(schema)(FRAME + written + b"more", len(FRAME))
    assert found == (value, len(FRAME + written))


@pytest.mark.parametrize("event_type", EVENTS)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_ends_early_is_refused_at_every_place(event_type: str, data: st.DataObject) -> None:
    schema = schemas.schema(event_type)
    written = _written(schema, data.draw(_values(schema, {})))
    decode = decoder(schema)

    for length in range(len(written)):
        with pytest.raises(EOFError):
            decode(written[:length], 0)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(EVENTS), st.data())
def test_of_any_bytes_it_reads_what_fastavro_reads(event_type: str, data: st.DataObject) -> None:
    schema = schemas.schema(event_type)
    raw = bytearray(_written(schema, data.draw(_values(schema, {}))))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        raw[place] = data.draw(st.integers(0, 255))

    try:
        found, _ = decoder(schema)(bytes(raw), 0)
    except (EOFError, ValueError):
        return

    assert repr(found) == repr(fastavro.schemaless_reader(BytesIO(bytes(raw)), schema, None))


@pytest.mark.parametrize("number", [0, -1, 63, -64, 64, 2**31, 2**63 - 1, -(2**63)])
def test_numbers_are_read_to_64_bits(number: int) -> None:
    assert decoder("long")(_written("long", number), 0)[0] == number


@pytest.mark.parametrize(
    ("schema", "raw"),
    [
        ("long", b"\xff" * 10 + b"\1"),
        ("long", b"\xff" * 9 + b"\2"),
        ("long", b"\xfe" * 9 + b"\x7f"),
        ("string", b"\1"),
        (["null", "long"], b"\4"),
        (["null", "long"], b"\1"),
    ],
)
def test_what_the_schema_does_not_say_is_refused(schema: Any, raw: bytes) -> None:
    with pytest.raises(ValueError, match="schema"):
        decoder(schema)(raw + b"\0" * 9, 0)


def test_a_block_of_a_list_may_come_with_its_size() -> None:
    schema = {"type": "array", "items": "long"}

    # -2 items in 2 bytes, then 1 item, then the end
    assert decoder(schema)(b"\3\4\2\4\2\6\0", 0)[0] == [1, 2, 3]


def test_a_type_that_no_schema_of_ours_has_is_not_decoded() -> None:
    with pytest.raises(NotImplementedError):
        decoder({"type": "fixed", "name": "F", "size": 2})


def _written(schema: Any, value: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


def _values(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema."""
    kind = schema["type"] if isinstance(schema, dict) else schema
    match kind:
        case list():
            return st.one_of([_values(branch, named) for branch in kind])
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "long":
            return st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200)
        case "double":
            return st.floats(allow_nan=False)
        case "string":
            return st.text() | st.text(min_size=60, max_size=140)
        case "array":
            return st.lists(_values(schema["items"], named), max_size=3)
        case "map":
            return st.dictionaries(st.text(), _values(schema["values"], named), max_size=3)
        case "record":
            named[schema["name"]] = schema
            return st.fixed_dictionaries({f["name"]: _values(f["type"], named) for f in schema["fields"]})
    return _values(named[kind], named)

"""Entries of Redis, real ones and such as nobody should write."""

from datetime import UTC, datetime

import pytest

from streams.badges.model import Source
from streams.bus.activities import activity_of, line, parsed
from streams.bus.entries import EntryId, EntryReader, Fields, entry_id, record_of
from streams.bus.reader import Event
from streams.bus.schemas import event_types, source_library
from streams.errors import UnreadableError
from streams.kafka.origin import LARGEST
from tests.bus.entries import PASSED, altered, passed, real_entries

STREAM, ID = "dev-learning-badges-lifecycle", EntryId(1_795_678_492_280, 0)


def read(fields: Fields, wanted: frozenset[str] | None = None) -> Event | None:
    record = record_of(STREAM, ID, fields)
    reader = EntryReader("test", event_types() if wanted is None else wanted)
    return reader.read(record.value, record.headers, record.timestamp)


def reason_of(fields: Fields) -> str:
    with pytest.raises(UnreadableError) as error:
        read(fields)
    return error.value.reason


@pytest.mark.parametrize("entry", real_entries(), ids=lambda entry: entry[2][0][1].decode())
def test_a_real_entry_is_read_as_the_event_that_it_is(entry: tuple[str, EntryId, Fields]) -> None:
    _, _, fields = entry

    event = read(fields)

    assert event is not None
    values = {name.decode(): value.decode(errors="replace") for name, value in fields}
    assert (event.type, event.id, event.learner) == (values["type"], values["id"], 42)
    assert event.time == datetime.fromisoformat(values["time"])


def test_an_entry_is_an_activity_whose_source_is_its_stream_and_its_id() -> None:
    record = record_of(STREAM, EntryId(ID.ms, 7), passed(42))
    event = read(passed(42))
    assert event is not None

    activity = activity_of(parsed(line(event, record, 3)), event_types())

    assert activity is not None
    assert activity.source == Source(STREAM, 0, (ID.ms << 20) + 7, 3)
    assert activity.learner == 42


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([], "no_type"),
        (altered(passed(1), type=None), "no_type"),
        ([*passed(1), (b"type", PASSED.encode())], "no_type"),
        (altered(passed(1), type=b"\xff"), "no_type"),
        (altered(passed(1), id=None), "no_id"),
        (altered(passed(1), id=b"42"), "no_id"),
        (altered(passed(1), id=b"\xff" * 16), "no_id"),
        ([*passed(1), (b"id", b"42")], "no_id"),
        (altered(passed(1), event_data=None), "bad_body"),
        (altered(passed(1), event_data=b""), "bad_body"),
        ([*passed(1), (b"event_data", b"")], "bad_body"),
        (altered(passed(1), event_data=dict(passed(1))[b"event_data"][:-1]), "bad_body"),
        (altered(passed(1), event_data=dict(passed(1))[b"event_data"] + b"\0"), "bad_body"),
        (altered(passed(1), event_data=b"\xff" * 500), "bad_body"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_reason(fields: Fields, reason: str) -> None:
    assert reason_of(fields) == reason


@pytest.mark.parametrize("library", [b"99.0.0", source_library().encode() + b".1"])
def test_data_of_a_newer_library_that_does_not_end_where_the_schema_ends_is_told_apart(
    library: bytes,
) -> None:
    longer = dict(passed(1))[b"event_data"] + b"\0"

    assert reason_of(altered(passed(1), event_data=longer, sourcelib=library)) == "newer_library"
    assert read(altered(passed(1), sourcelib=library)) is not None


@pytest.mark.parametrize("library", [None, b"", b"nine", b"\xff", b"9" * 5_000, source_library().encode()])
def test_data_is_not_excused_by_a_library_that_is_not_newer(library: bytes | None) -> None:
    assert reason_of(altered(passed(1), event_data=b"", sourcelib=library)) == "bad_body"


def test_an_event_that_no_rule_wants_is_dropped_whatever_its_data() -> None:
    assert read(altered(passed(1), event_data=b"\xff"), frozenset()) is None
    assert read(altered(passed(1), type=b"org.openedx.no.such.event.v1")) is None


def test_what_a_consumer_makes_a_stream_with_is_no_event() -> None:
    assert read([(b"", b"")]) is None
    assert reason_of([(b"", b""), (b"", b"")]) == "no_type"
    assert reason_of([(b"", b"x")]) == "no_type"


def test_an_entry_is_kept_whole_as_a_record() -> None:
    fields = [
        *altered(passed(1), event_data=None),
        (b"\xff\0", b"\xfe"),
        (b"event_data", b"1"),
        (b"event_data", b"2"),
    ]

    record = record_of(STREAM, ID, fields)

    assert record.value == b"1"
    assert [value for _, value in record.headers] == [value for name, value in fields if value != b"1"]
    assert ("\\xff\0", b"\xfe") in record.headers
    assert ("event_data", b"2") in record.headers


def test_a_later_entry_has_a_higher_offset_and_all_have_one_that_fits() -> None:
    ids = [
        "0-1",
        "1-0",
        "1795678492280-0",
        "1795678492280-1",
        "1795678492281-0",
        "18446744073709551615-18446744073709551615",
    ]

    offsets = [entry_id(id).offset for id in ids]

    assert offsets == sorted(set(offsets))
    assert offsets[-1] == LARGEST


def test_the_time_of_an_entry_without_a_believable_one_is_that_of_its_id() -> None:
    event = read(altered(passed(1), time=b"yesterday"))

    assert event is not None
    assert event.time == datetime.fromtimestamp(ID.ms / 1000, UTC)

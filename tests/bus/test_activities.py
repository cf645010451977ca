"""The line of an activity says all that was read of it, and nothing else passes for one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from streams.badges import Activity, Brought, Import, Order, Source, User
from streams.bus import schemas
from streams.bus.activities import (
    activity_of,
    import_line,
    import_of,
    is_import,
    line,
    moved,
    order_line,
    order_of,
    parsed,
    timestamp_of,
    written,
)
from streams.errors import UnreadableError
from tests.bus.conftest import Read
from tests.bus.memory import record, record_of
from tests.bus.messages import Message, message, messages
from tests.bus.registry_server import RegistryServer

EVERY = pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
TYPES = schemas.event_types()
REAL = message("course_passing_status_updated.as_lms_emits")
NOTE = ("grace", "won the contest")
LINE: dict[str, Any] = {
    "type": REAL.event_type,
    "id": "an id",
    "time": "2026-03-14T15:09:26+00:00",
    "source": {"topic": "bus", "partition": 3, "offset": 7, "epoch": 2, "timestamp": 1_790_000_000_000},
    "data": dict(REAL.payload),
}


def changed(**fields: object) -> bytes:
    return orjson.dumps({name: v for name, v in (LINE | fields).items() if v is not ...})


def sourced(**fields: object) -> bytes:
    return changed(source={name: v for name, v in (LINE["source"] | fields).items() if v is not ...})


@EVERY
async def test_the_line_of_a_real_message_is_the_activity_that_it_is(
    message: Message, server: RegistryServer, read: Read
) -> None:
    server.holds(message.schema_id, message.schema)
    event = await read(message.value, message.headers)
    assert event is not None

    value = parsed(line(event, record_of(message, topic="bus", offset=11), 2))

    ada = User(42, True, "ada", "ada@example.com", "Ada Lövelace")
    assert activity_of(value, TYPES) == Activity(
        event.type,
        event.id,
        event.time,
        Source("bus", 0, 11, 2),
        42,
        message.payload,
        None if "user_id" in message.payload else ada,
    )
    assert timestamp_of(value) == record_of(message).timestamp


def test_an_activity_of_a_type_that_is_not_wanted_is_none() -> None:
    assert activity_of(parsed(changed()), frozenset()) is None


def test_a_recording_need_not_say_more_than_the_place() -> None:
    value = parsed(sourced(epoch=..., timestamp=...))
    activity = activity_of(value, TYPES)

    assert activity is not None
    assert (activity.source, timestamp_of(value)) == (Source("bus", 3, 7), -1)


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "not JSON: "),
        (b"\xff", "not JSON: "),
        (b"{", "not JSON: "),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"{}", "source: missing"),
        (changed(type=...), "type: missing"),
        (changed(type=7), "type: of a wrong type"),
        (changed(id=""), "id: empty"),
        (changed(time="tomorrow"), "time: no ISO 8601 time"),
        (changed(time="0001-01-01T00:00:00+23:00"), "time: no ISO 8601 time"),
        (changed(source=[]), "source: of a wrong type"),
        (changed(data=None), "data: missing"),
        (changed(data={}), "data.user: names no learner"),
        (changed(data={"user": {"id": True}}), "data.user: names no learner"),
        (changed(data={"user": {"id": "7"}}), "data.user: names no learner"),
        (changed(data={"user": {"id": -1}}), "data.user: names no learner"),
        (changed(data={"user": {"id": 2**63}}), "data.user: names no learner"),
        (sourced(topic=""), "source.topic: empty"),
        (sourced(partition=True), "source.partition: of a wrong type"),
        (sourced(offset=-1), "source.offset: below 0"),
        (sourced(offset=2**63), "source.offset: too large"),
        (sourced(epoch=1.0), "source.epoch: of a wrong type"),
        (sourced(epoch=None), "source.epoch: missing"),
    ],
)
def test_what_is_no_activity_says_what_it_lacks(raw: bytes, detail: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        activity_of(parsed(raw), TYPES)
    assert raised.value.reason == "no_activity"
    assert raised.value.detail.startswith(detail)


def test_what_is_nested_too_deeply_to_be_written_again_is_no_activity() -> None:
    deep = changed().replace(b'"is_passing"', b'"deep":' + b"[" * 400 + b"]" * 400 + b',"is_passing"')
    assert activity_of(parsed(deep), TYPES) is not None

    with pytest.raises(UnreadableError, match="cannot be written again"):
        written(parsed(deep))


@pytest.mark.parametrize(
    "user", [{"id": 7}, {"id": 7, "pii": None}, {"id": 7, "pii": {"username": 1, "name": None}}]
)
def test_what_is_not_said_of_a_learner_is_empty(user: object) -> None:
    activity = activity_of(parsed(changed(data={"user": user})), TYPES)

    assert activity is not None
    assert activity.user == User(7, True, "", "", "")


def test_an_activity_that_is_sent_again_lies_where_its_letter_does_and_is_as_old_as_it_was() -> None:
    key, again = moved(changed(), record(None, (), topic="letters", offset=5), 1_800)

    value = parsed(again)
    assert key == b"42"
    assert value == LINE | {
        "source": {
            "topic": "letters",
            "partition": 0,
            "offset": 5,
            "epoch": 1_800,
            "timestamp": LINE["source"]["timestamp"],
        }
    }


@pytest.mark.parametrize("raw", [b"{}", changed(type="org.example.unheard.of.v1"), changed(data={})])
def test_what_is_no_activity_is_not_sent_again(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        moved(raw, record(None, ()), 1)


@pytest.mark.parametrize("user", [None, User(42, True, "ada", "ada@example.com", "Ada Lövelace")])
def test_the_line_of_an_order_is_the_order_that_it_is(user: User | None) -> None:
    order = Order("award", str(UUID(int=2)), 42, "an id", datetime(2026, 3, 14, tzinfo=UTC), user, NOTE)

    value = parsed(order_line(order))

    assert order_of(value) == order
    assert (value["by"], value["reason"]) == NOTE


@pytest.mark.parametrize("user", [None, User(42, True, "ada", "ada@example.com", "Ada Lövelace")])
def test_the_line_of_an_import_is_the_import_that_it_is(user: User | None) -> None:
    at = datetime(2026, 3, 14, tzinfo=UTC)
    brought = {
        str(UUID(int=2)): Brought(("r1",), at, at, ("r2", "r3")),
        str(UUID(int=3)): Brought(("r4",)),
        str(UUID(int=4)): Brought(awarded=at),
    }
    order = Import(42, "an id", at, brought, user)

    value = parsed(import_line(order))

    assert is_import(value)
    assert import_of(value) == order
    assert moved(import_line(order), record(b"", ()), 0)[0] == b"42"


@pytest.mark.parametrize(
    "change",
    [
        {"learner": "42"},
        {"learner": -1},
        {"id": ""},
        {"time": "soon"},
        {"templates": []},
        {"templates": {"one": {}}},
        {"templates": {str(UUID(int=2)).replace("-", ""): {}}},
        {"templates": {str(UUID(int=2)): []}},
        {"templates": {str(UUID(int=2)): {"awarded": 1}}},
        {"templates": {str(UUID(int=2)): {"awarded": "soon"}}},
        {"templates": {str(UUID(int=2)): {"revoked": "2026-03-14"}}},
        {"templates": {str(UUID(int=2)): {"fulfilled": "r1"}}},
        {"templates": {str(UUID(int=2)): {"reset": [1]}}},
        {"user": "ada"},
    ],
)
def test_an_import_that_is_none_is_unreadable(change: dict[str, object]) -> None:
    order = Import(42, "an id", datetime(2026, 3, 14, tzinfo=UTC), {})

    with pytest.raises(UnreadableError):
        import_of(parsed(import_line(order)) | change)


def test_an_order_whose_user_is_none_is_unreadable() -> None:
    order = Order("award", str(UUID(int=2)), 42, "an id", datetime(2026, 3, 14, tzinfo=UTC))

    with pytest.raises(UnreadableError, match="user: of a wrong type"):
        order_of(parsed(order_line(order)) | {"user": "ada"})

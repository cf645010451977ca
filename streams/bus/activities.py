"""An activity as one line of JSON: between rekey and track, in recordings, for `simulate` (decision 0021).

```
{"type": …, "id": …, "time": …, "source": {"topic": …, "partition": …, "offset": …}, "data": {…}}
```

`source` may also have the topic's `epoch`, and `timestamp`, the original record's in milliseconds. The
learner is in the data, where the event type has it. An operator's order is a line, too:

```
{"order": …, "template": …, "learner": …, "id": …, "time": …, "by": …, "reason": …, "user": {…}}
```

`by`, `reason` and `user` need not be there. So is what an import brings of a learner (decision 0027):

```
{"order": "import", "learner": …, "id": …, "time": …,
 "templates": {…: {"fulfilled": […], "awarded": …, "revoked": …, "reset": […]}}, "user": {…}}
```
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

import orjson

from streams.badges import Activity, Brought, Import, Note, Order, Source, User, parse_time
from streams.bus.schemas import event_types, learner_path
from streams.errors import UnreadableError

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from streams.bus.reader import Event

NO_TIMESTAMP = -1
"""Kafka's own sign for a record without a timestamp."""
IMPORT = "import"
"""The order to take along what another service knew of a learner."""
BROUGHT = ("fulfilled", "awarded", "revoked", "reset")
"""What an import's line has of one template."""
NOTE_CHARACTERS = 500
"""Of who gave an order and of why: they are kept with the badge."""
BITS = 63
LARGEST = 2**BITS - 1
"""Offsets and learners have 64 bits with a sign: a larger number was not written by us, and no row or badge
event could hold it."""

NOWHERE = {"topic": "catch-up", "partition": 0, "offset": 0}
"""The source of an activity that is given again without one: nobody looks at it."""

Line = dict[str, Any]
_NOBODY: Line = {}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def line(event: "Event", record: "ConsumerRecord", epoch: int) -> bytes:
    """The line of an event that was read from a record; `epoch` is that of the record's topic."""
    source = _source(record, epoch, record.timestamp)
    return orjson.dumps(
        {"type": event.type, "id": event.id, "time": event.time, "source": source, "data": event.data}
    )


def is_line(raw: bytes) -> bool:
    """Whether it is meant as a line; what is on the bus begins with a zero byte."""
    return raw[:1] == b"{"


def moved(raw: bytes, record: "ConsumerRecord", epoch: int) -> tuple[bytes, bytes]:
    """The activity of a line as one that lies where `record` does, or the order: its key and its line.

    Raises `UnreadableError` where there is none.
    """
    value = parsed(raw)
    if "order" in value:
        return b"%d" % (import_of(value) if is_import(value) else order_of(value)).learner, raw
    activity = activity_of(value, event_types())
    if activity is None:
        raise _unreadable("type: unknown")
    value["source"] = _source(record, epoch, timestamp_of(value))
    return b"%d" % activity.learner, written(value)


def written(value: Line) -> bytes:
    """A line that was read, as JSON again; raise `UnreadableError` where that is nested too deeply."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # reading goes four times as deep as writing
        raise _unreadable(f"cannot be written again: {error}") from None


def parsed(raw: bytes) -> Line:
    """The JSON object of a line; raise `UnreadableError` where it is none."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"not JSON: {error}") from None
    if type(value) is not dict:
        raise _unreadable("not a JSON object")
    return value


def activity_of(value: Line, wanted: frozenset[str]) -> Activity | None:
    """The activity of a line; None where its type is not wanted; raise `UnreadableError` where it is none."""
    place: Any = value.get("source")
    catch_up = _catch_up(value["catch_up"]) if "catch_up" in value else False
    if catch_up and place is None:
        place = NOWHERE
    try:
        kind, id, text, data = value["type"], value["id"], value["time"], value["data"]
        topic, partition, offset = place["topic"], place["partition"], place["offset"]
        epoch = place.get("epoch", 0)
    except (KeyError, TypeError, AttributeError):
        _fault(value)
    # One look at what is right nearly always; the words for what is not are found apart.
    if not (
        type(kind) is str
        and type(id) is str
        and type(text) is str
        and type(topic) is str
        and type(partition) is int
        and type(offset) is int
        and type(epoch) is int
        and type(data) is dict
        and kind
        and id
        and topic
        # None is below 0 or has more than 63 bits.
        and not (partition | offset | epoch) >> BITS
    ):
        _fault(value)
    time = _time(text)
    if kind not in wanted:
        return None
    learner, user = _learner(kind, data)
    source = Source(topic, partition, offset, epoch)
    return Activity(kind, id, time, source, learner, data, user, catch_up)


def order_of(value: Line) -> Order:
    """The operator's order of a line; raise `UnreadableError` where it is none."""
    for name, wanted in (("order", str), ("template", str), ("learner", int), ("id", str), ("time", str)):
        _check(name, value.get(name), wanted)
    kind: Any = value["order"]
    if kind not in ("award", "revoke"):
        raise _unreadable("order: neither award nor revoke")
    learner = value["learner"]
    user = _ordered_user(learner, value["user"]) if "user" in value else None
    note = _noted(value.get("by"), value.get("reason"))
    return Order(kind, value["template"].lower(), learner, value["id"], _time(value["time"]), user, note)


def is_import(value: Line) -> bool:
    """Whether a line with an order is one to take along what another service knew."""
    return value.get("order") == IMPORT


def import_of(value: Line) -> Import:
    """What an import's line brings; raise `UnreadableError` where it is none."""
    for name, wanted in (("learner", int), ("id", str), ("time", str), ("templates", dict)):
        _check(name, value.get(name), wanted)
    learner = value["learner"]
    user = _ordered_user(learner, value["user"]) if "user" in value else None
    templates = {id: _brought(id, brought) for id, brought in value["templates"].items()}
    return Import(learner, value["id"], _time(value["time"]), templates, user)


def import_line(order: Import) -> bytes:
    """The line of an import."""
    value: Line = {
        "order": IMPORT,
        "learner": order.learner,
        "id": order.id,
        "time": order.time,
        "templates": {id: brought_line(brought) for id, brought in order.templates.items()},
    }
    if (user := order.user) is not None:
        value["user"] = {"username": user.username, "email": user.email, "name": user.name}
    return orjson.dumps(value)


def brought_line(brought: Brought) -> Line:
    """What is in the line of one template: what is empty is left out."""
    return {name: found for name in BROUGHT if (found := getattr(brought, name))}


def order_line(order: Order) -> bytes:
    """The line of an order."""
    value: Line = {
        "order": order.order,
        "template": order.template,
        "learner": order.learner,
        "id": order.id,
        "time": order.time,
    }
    if order.note is not None:
        value["by"], value["reason"] = order.note
    if (user := order.user) is not None:
        value["user"] = {"username": user.username, "email": user.email, "name": user.name}
    return orjson.dumps(value)


def timestamp_of(value: Line) -> int:
    """When the original record of an activity was written, in milliseconds; -1 where it is not said."""
    timestamp = value.get("source", NOWHERE).get("timestamp")
    return timestamp if type(timestamp) is int else NO_TIMESTAMP


def _source(record: "ConsumerRecord", epoch: int, timestamp: int) -> Line:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "epoch": epoch,
        "timestamp": timestamp,
    }


def _fault(value: Line) -> NoReturn:
    """Raise what is wrong with a line that is no activity."""
    place = value.get("source")
    fields: list[tuple[str, Any, type]] = [("source", place, dict)]
    fields += [(name, value.get(name), str) for name in ("type", "id", "time")]
    if isinstance(place, dict):
        fields.append(("source.topic", place.get("topic"), str))
        fields += [(f"source.{name}", place.get(name), int) for name in ("partition", "offset")]
        fields.append(("source.epoch", place.get("epoch", 0), int))
    fields.append(("data", value.get("data"), dict))
    for field in fields:
        _check(*field)
    raise AssertionError(value)


def _check(name: str, found: Any, wanted: type) -> None:
    if type(found) is not wanted:
        raise _unreadable(f"{name}: {'missing' if found is None else 'of a wrong type'}")
    if found == "":
        raise _unreadable(f"{name}: empty")
    if isinstance(found, int) and not 0 <= found <= LARGEST:
        raise _unreadable(f"{name}: {'below 0' if found < 0 else 'too large'}")


def _catch_up(named: Any) -> bool | frozenset[str]:
    if isinstance(named, bool):
        return named
    if not isinstance(named, list) or not all(isinstance(id, str) for id in named):
        raise _unreadable("catch_up: neither true nor a list of templates' ids")
    return frozenset(map(str.lower, named))


def _time(text: str) -> datetime:
    moment = parse_time(text)
    try:
        if moment is not None:
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999 in UTC
        pass
    raise _unreadable("time: no ISO 8601 time")


def _learner(type: str, data: Mapping[str, Any]) -> tuple[int, User | None]:
    path = learner_path(type)
    assert path is not None, type  # a catalog names no other types
    found = data.get(path[0]) if path else data
    if isinstance(found, dict):
        if _is_id(id := found.get("id")):
            return id, _user(id, found)
    elif path == ("user_id",) and _is_id(found):
        return found, None
    raise _unreadable(f"data.{'.'.join(path) or 'id'}: names no learner")


def _is_id(found: Any) -> TypeGuard[int]:
    """Whether it is an LMS user id: no badge event could name a larger one, and nobody forget one below 0."""
    return type(found) is int and 0 <= found <= LARGEST


def _noted(*texts: Any) -> Note | None:
    if any(type(text) is not str for text in texts if text is not None):
        raise _unreadable("by, reason: of a wrong type")
    return tuple((text or "")[:NOTE_CHARACTERS] for text in texts) if any(texts) else None


def _brought(template: str, found: Any) -> Brought:
    if not _UUID.fullmatch(template):  # a badge's id is made of it
        raise _unreadable("templates: not by their UUIDs")
    if type(found) is not dict:
        raise _unreadable("templates: of a wrong type")
    awarded, revoked = (_moment(name, found) for name in ("awarded", "revoked"))
    if revoked is not None and awarded is None:
        raise _unreadable("templates: revoked, but never awarded")
    return Brought(_texts(found.get("fulfilled", [])), awarded, revoked, _texts(found.get("reset", [])))


def _moment(name: str, found: Line) -> datetime | None:
    if name not in found:
        return None
    _check(name, found[name], str)
    return _time(found[name])


def _texts(found: Any) -> tuple[str, ...]:
    if type(found) is not list or not all(type(text) is str and text for text in found):
        raise _unreadable("templates: requirements are a list of their ids")
    return tuple(found)


def _ordered_user(id: int, found: Any) -> User:
    if type(found) is not dict:
        raise _unreadable("user: of a wrong type")
    return _user(id, {"pii": found})


def _user(id: int, found: Mapping[str, Any]) -> User:
    active, pii = found.get("is_active") is not False, found.get("pii")
    get = (pii if type(pii) is dict else _NOBODY).get
    username, email, name = get("username"), get("email"), get("name")
    if type(username) is str and type(email) is str and type(name) is str:
        return User(id, active, username, email, name)
    return User(id, active, *(text if type(text) is str else "" for text in (username, email, name)))


def _unreadable(detail: str) -> UnreadableError:
    return UnreadableError("no_activity", detail)

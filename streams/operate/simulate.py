"""A rehearsal: the core alone over activities in JSON lines, decisions as JSON lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from streams.badges import (
    Activity,
    Catalog,
    Decision,
    Progress,
    Source,
    User,
    find,
    judge,
    parse_time,
)
from streams.bus.schemas import learner_path
from streams.catalog import load_catalog, take_catalog
from streams.catalog.reading import Doubled, read_json
from streams.errors import CatalogError, UnreadableError

Report = Callable[[str], None]


def simulate(catalog: str | bytes, lines: Iterable[bytes], report: Report) -> Iterator[bytes]:
    """Judge the activities in `lines` and yield each decision as a line of JSON, without its end.

    `report` is called with each unreadable line's number and fault; the others are still judged. Raises
    `CatalogError` where the catalog is refused.
    """
    rehearsal = _Rehearsal(load_catalog(catalog).compiled)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            decisions = rehearsal.take(line)
        except UnreadableError as error:
            report(f"line {number}: {error.detail}")
        except CatalogError as error:
            for fault in error.faults:
                report(f"line {number}: catalog refused: {fault}")
        else:
            yield from map(_line, decisions)


def read_activity(value: Mapping[str, Any], wanted: frozenset[str]) -> Activity | None:
    """The activity of a line; None where its type is not wanted; raise `UnreadableError` where it is none."""
    fields = _Fields("", value)
    source = _Fields("source.", fields.get("source", dict))
    type, id, time = fields.text("type"), fields.text("id"), _time(fields.text("time"))
    place = Source(
        source.text("topic"),
        source.whole("partition"),
        source.whole("offset"),
        source.whole("epoch") if "epoch" in source.value else 0,
    )
    data = fields.get("data", dict)
    if type not in wanted:
        return None
    learner, user = _learner(type, data)
    return Activity(type, id, time, place, learner, data, user)


class _Rehearsal:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._progress: dict[int, Progress] = {}

    def take(self, line: bytes) -> tuple[Decision, ...]:
        """Judge the line's activity, or put its catalog in force."""
        value = _parsed(line)
        if "catalog" in value:
            self._catalog = _catalog(line)
            return ()
        activity = read_activity(value, self._catalog.event_types)
        if activity is None:
            return ()
        before = self._progress.get(activity.learner, Progress.initial())
        after, decisions = judge(self._catalog, before, activity)
        if after is not before:
            self._progress[activity.learner] = after
        return decisions


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _unreadable("not a JSON object")
    return value


def _catalog(line: bytes) -> Catalog:
    try:
        value = read_json(line)  # unlike orjson it notices doubled keys
    except ValueError as error:
        raise _unreadable(f"not JSON: {error}") from None
    if value.keys() != {"catalog"} or isinstance(value, Doubled):
        raise _unreadable("a line with a catalog holds nothing else")
    return take_catalog(value["catalog"]).compiled


@dataclass(frozen=True, slots=True)
class _Fields:
    """The members of an object, each asked for by its type."""

    place: str
    value: Mapping[str, Any]

    def get(self, key: str, type: type) -> Any:
        found = self.value.get(key)
        if not isinstance(found, type) or isinstance(found, bool):
            raise _unreadable(f"{self.place}{key}: {'missing' if found is None else 'of a wrong type'}")
        return found

    def text(self, key: str) -> str:
        text: str = self.get(key, str)
        if not text:
            raise _unreadable(f"{self.place}{key}: empty")
        return text

    def whole(self, key: str) -> int:
        number: int = self.get(key, int)
        if number < 0:
            raise _unreadable(f"{self.place}{key}: below 0")
        return number


def _time(text: str) -> datetime:
    moment = parse_time(text)
    try:
        if moment is not None:
            return moment.astimezone(UTC)
    except OverflowError:  # before the year 1 or after 9999 in UTC
        pass
    raise _unreadable("time: no ISO 8601 time")


def _learner(type: str, data: Mapping[str, Any]) -> tuple[int, User | None]:
    path = learner_path(type)
    assert path is not None, type  # a catalog names no other types
    found = find(data, path)
    id = found.get("id") if isinstance(found, dict) else found if path == ("user_id",) else None
    if isinstance(id, bool) or not isinstance(id, int):
        raise _unreadable(f"data.{'.'.join(path) or 'id'}: names no learner")
    return id, _user(id, found) if isinstance(found, dict) else None


def _user(id: int, found: Mapping[str, Any]) -> User:
    names = [find(found, ("pii", name)) for name in ("username", "email", "name")]
    username, email, name = (text if isinstance(text, str) else "" for text in names)
    return User(id, found.get("is_active") is not False, username, email, name)


def _unreadable(detail: str) -> UnreadableError:
    return UnreadableError("line", detail)


def _line(decision: Decision) -> bytes:
    return orjson.dumps(
        {
            "kind": decision.kind,
            "template": decision.template,
            "learner": decision.learner,
            "generation": decision.generation,
            "badge": decision.badge,
            "decision": decision.id,
            "time": decision.time,
            "activity": decision.activity,
            "because": decision.because,
        }
    )

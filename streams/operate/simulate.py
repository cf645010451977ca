"""A rehearsal: the core alone over activities and orders in JSON lines, decisions as JSON lines."""

from collections.abc import Callable, Iterable, Iterator

import orjson

from streams.badges import Activity, Catalog, Decision, Import, Order, Progress, judge
from streams.bus import activities
from streams.catalog import take_catalog
from streams.catalog.reading import Doubled, read_json
from streams.catalog.wording import load_worded
from streams.errors import CatalogError, UnreadableError

Report = Callable[[str], None]


def simulate(
    catalog: str | bytes,
    lines: Iterable[bytes],
    report: Report,
    note: Report,
    learners: dict[int, Progress] | None = None,
) -> Iterator[bytes]:
    """Judge what happens in `lines` and yield each decision as a line of JSON, without its end.

    `report` is called with each unreadable line's number and fault; the others are still judged. `note` hears
    of each order that is refused. `learners` takes the progress of each. Raises `CatalogError` where the
    catalog is refused.
    """
    rehearsal = _Rehearsal(load_worded(catalog).compiled, {} if learners is None else learners)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            decisions = rehearsal.take(line)
        except RefusedError as refusal:
            note(f"line {number}: order refused: {refusal}")
        except UnreadableError as error:
            report(f"line {number}: {error.detail}")
        except CatalogError as error:
            for fault in error.faults:
                report(f"line {number}: catalog refused: {fault}")
        else:
            yield from map(_line, decisions)


class RefusedError(Exception):
    """An order for a template that is not active: it changes nothing."""


class _Rehearsal:
    def __init__(self, catalog: Catalog, learners: dict[int, Progress]) -> None:
        self._catalog = catalog
        self._progress = learners

    def take(self, line: bytes) -> tuple[Decision, ...]:
        """Judge the line's activity or order, or put its catalog in force."""
        value = activities.parsed(line)
        if "catalog" in value:
            self._catalog = _catalog(line)
            return ()
        happened = self._happened(value)
        if happened is None:
            return ()
        before = self._progress.get(happened.learner, Progress.initial())
        after, decisions = judge(self._catalog, before, happened)
        if after is not before:
            self._progress[happened.learner] = after
        return decisions

    def _happened(self, value: activities.Line) -> Activity | Order | Import | None:
        if "order" not in value:
            return activities.activity_of(value, self._catalog.event_types)
        return activities.import_of(value) if activities.is_import(value) else self._order(value)

    def _order(self, value: activities.Line) -> Order:
        order = activities.order_of(value)
        if order.template not in self._catalog.turns:
            raise RefusedError(f"template {order.template} is not active")
        return order


def _catalog(line: bytes) -> Catalog:
    try:
        value = read_json(line)  # unlike orjson it notices doubled keys
    except ValueError as error:
        raise _unreadable(f"not JSON: {error}") from None
    if value.keys() != {"catalog"} or isinstance(value, Doubled):
        raise _unreadable("a line with a catalog holds nothing else")
    return take_catalog(value["catalog"]).compiled


def _unreadable(detail: str) -> UnreadableError:
    return UnreadableError("no_activity", detail)


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

"""The audit finds each kind of fault, and none where there is none."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from zlib import crc32

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import Decision, Order, Source
from streams.bus.activities import order_line
from streams.catalog import load_catalog
from streams.kafka import dead_letters
from streams.sandbox import lms
from streams.sandbox.audit import Announcement, Traces, compare, core_run
from streams.sandbox.by_hand import CatchUp, Orders
from streams.sandbox.demo import CATALOG
from streams.sandbox.originals import as_activity, position
from streams.sandbox.publisher import Emission, Placed, Publisher, subjects
from streams.tracker.rows import pack

PARTITIONS = 4
COMPILED = load_catalog(CATALOG.read_bytes()).compiled
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
ORDERED = range(1, 11)
ORDERS = [
    Orders("award", TEMPLATE, ORDERED, "killed before it was sent", ended=False),
    Orders("award", TEMPLATE, ORDERED, "killed after it was sent", ended=False),
    Orders("revoke", TEMPLATE, ORDERED, "ended", ended=True),
]


@pytest.fixture(scope="module")
def placed() -> list[Placed]:
    press = Publisher({subject: number for number, subject in enumerate(subjects())})
    offsets: Counter[tuple[str, int]] = Counter()
    placed = []
    for emission in press.spoil(press.publish(lms.term(1, 60)), repeated=0.05, rubbish=0.05):
        partition = crc32(emission.key or b"") % PARTITIONS
        placed.append(Placed(emission, partition, offsets[emission.topic, partition]))
        offsets[emission.topic, partition] += 1
    return placed


@pytest.fixture(scope="module")
def right(placed: Sequence[Placed]) -> Traces:
    """What a run without faults leaves."""
    emissions = {(p.emission.topic, p.partition, p.offset): p.emission for p in placed}
    forwarded = [_activity(p) for p in placed if _is_relevant(p.emission)]
    again = [_again(_activity(p)) for p in placed if _concerns_template(p.emission)]
    award, revoke = ([_ordered(orders, learner) for learner in ORDERED] for orders in ORDERS[1:])
    # Badges are awarded of whom nobody has heard yet. Of three runs of a catch-up one was killed midway.
    given = [*again[:20], *again, *revoke, *again]
    activities = [forwarded[0], *award, *forwarded[1:-20], *given, *forwarded[-20:]]
    progress, decisions = core_run(COMPILED, activities, emissions)
    return Traces(
        activities=activities,
        badges=[_announcement(decision) for decision in decisions],
        dead_letters=[_letter(p) for p in placed if p.emission.fate == "dead letter"],
        progress={b"%d" % learner: pack(p, None) for learner, p in progress.items()},
    )


def test_a_faultless_run_is_good(placed: list[Placed], right: Traces) -> None:
    verdict = compare(COMPILED, placed, right, _catch_ups(placed), ORDERS)
    assert verdict.is_good
    assert verdict.awarded > 50
    assert verdict.revoked > 0
    assert verdict.dead_letters["no magic byte", "some_reason"] > 0


Spoil = Callable[[Traces], Traces]

SPOILT: dict[str, tuple[Spoil, set[str]]] = {
    "an activity was lost": (
        lambda t: replace(t, activities=t.activities[:-1]),
        {"activities missing", "progress wrong"},
    ),
    "an activity was forwarded twice": (
        lambda t: replace(t, activities=[*t.activities, t.activities[0]]),
        {"activities double", "activities out of order"},
    ),
    "an activity has another id": (
        lambda t: replace(t, activities=[_changed(t.activities[0]), *t.activities[1:]]),
        {"activities changed"},
    ),
    "a record that concerns no badge was forwarded": (
        lambda t: replace(t, activities=[*t.activities, _moved(t.activities[0], offset=999_999)]),
        {"activities unwanted", "activities changed"},
    ),
    "what was given again lacks one": (
        lambda t: replace(t, activities=_without(t.activities, _catch_ups_of(t)[-1])),
        {"catch-ups missing"},
    ),
    "one was given again more often than it was run": (
        lambda t: replace(t, activities=[*t.activities, *2 * [_catch_ups_of(t)[-1]]]),
        {"catch-ups double"},
    ),
    "what concerns no such template was given again": (
        lambda t: replace(t, activities=[*t.activities, _again(_of_no_template(t))]),
        {"catch-ups unwanted"},
    ),
    "what was given again has another id": (
        lambda t: replace(t, activities=_with(t.activities, _catch_ups_of(t)[-1], _changed)),
        {"catch-ups changed"},
    ),
    "an order was lost": (
        lambda t: replace(t, activities=_without(t.activities, _orders_of(t)[-1])),
        {"orders missing", "decisions unwanted", "decisions out of order", "progress wrong"},
    ),
    "a command that was killed gave some of its orders": (
        lambda t: replace(t, activities=_without(t.activities, _orders_of(t)[0])),
        {
            *("orders missing", "progress wrong"),
            *("decisions double", "decisions out of order", "decisions wrong"),
        },
    ),
    "an order came twice": (
        lambda t: replace(t, activities=[*t.activities, _orders_of(t)[-1]]),
        {"orders double"},
    ),
    "an order that nobody gave": (
        lambda t: replace(t, activities=[*t.activities, _ordered(replace(ORDERS[-1], reason="none"), 1)]),
        {"orders unwanted", "decisions missing", "progress wrong"},
    ),
    "an order has another learner's key": (
        lambda t: replace(t, activities=_with(t.activities, _orders_of(t)[0], _of_a_stranger)),
        {"orders changed"},
    ),
    "a decision was lost": (lambda t: replace(t, badges=t.badges[:-1]), {"decisions missing"}),
    "an award was not said again of a learner who became known": (
        lambda t: replace(t, badges=_each_once(t.badges)),
        {"decisions missing", "decisions out of order"},
    ),
    "a decision came twice": (
        lambda t: replace(t, badges=[t.badges[0], *t.badges]),
        {"decisions double", "decisions out of order"},
    ),
    "a decision has another id": (
        lambda t: replace(t, badges=[replace(t.badges[0], id="other"), *t.badges[1:]]),
        {"decisions missing", "decisions unwanted", "decisions out of order"},
    ),
    "a decision has another generation": (
        lambda t: replace(t, badges=[replace(t.badges[0], generation=7), *t.badges[1:]]),
        {"decisions wrong"},
    ),
    "decisions changed their places": (
        lambda t: replace(t, badges=list(reversed(t.badges))),
        {"decisions out of order"},
    ),
    "a learner's progress was lost": (
        lambda t: replace(t, progress=dict(list(t.progress.items())[1:])),
        {"progress missing"},
    ),
    "a learner's progress is another's": (
        lambda t: replace(t, progress={**t.progress, next(iter(t.progress)): [*t.progress.values()][-1]}),
        {"progress wrong"},
    ),
    "a stranger has progress": (
        lambda t: replace(t, progress={**t.progress, b"31415": next(iter(t.progress.values()))}),
        {"progress unwanted"},
    ),
    "a dead letter was lost": (
        lambda t: replace(t, dead_letters=t.dead_letters[1:]),
        {"dead letters missing"},
    ),
    "a dead letter came twice": (
        lambda t: replace(t, dead_letters=[*t.dead_letters, t.dead_letters[0]]),
        {"dead letters double"},
    ),
    "a dead letter is not whole": (
        lambda t: replace(t, dead_letters=[replace(t.dead_letters[0], value=b""), *t.dead_letters[1:]]),
        {"dead letters not whole"},
    ),
    "a good record was set aside": (
        lambda t: replace(t, dead_letters=[*t.dead_letters, _letter_of(t.activities[0])]),
        {"dead letters unwanted"},
    ),
}


@pytest.mark.parametrize("harm", SPOILT)
def test_each_fault_is_found_and_named(harm: str, placed: list[Placed], right: Traces) -> None:
    spoil, expected = SPOILT[harm]
    verdict = compare(COMPILED, placed, spoil(right), _catch_ups(placed), ORDERS)
    assert {name for name, places in verdict.faults.items() if places} == expected
    assert not verdict.is_good


def _is_relevant(emission: Emission) -> bool:
    happening = emission.happening
    return happening is not None and COMPILED.relevant(happening)


def _activity(placed: Placed) -> ConsumerRecord:
    record = _record(placed)
    assert placed.emission.happening is not None
    activity = as_activity(placed.emission, Source("", 0, 0))
    value = orjson.loads(
        orjson.dumps({"type": activity.type, "id": activity.id, "time": activity.time, "data": activity.data})
    )
    value["source"] = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return replace(record, key=b"%d" % activity.learner, value=orjson.dumps(value), headers=())


def _concerns_template(emission: Emission) -> bool:
    if emission.happening is None:
        return False
    activity = as_activity(emission, Source("", 0, 0))
    return bool(COMPILED.match(replace(activity, catch_up=frozenset({TEMPLATE}))))


def _catch_ups(placed: Sequence[Placed]) -> list[CatchUp]:
    return [CatchUp(frozenset({TEMPLATE}), placed, lms.TERM_START, ended) for ended in (False, True, True)]


def _again(activity: ConsumerRecord) -> ConsumerRecord:
    value = orjson.loads(activity.value) | {"catch_up": [TEMPLATE]}
    return replace(activity, value=orjson.dumps(value))


def _ordered(orders: Orders, learner: int) -> ConsumerRecord:
    note = ("grace", orders.reason)
    id = f"{orders.reason} {learner}"
    order = Order(orders.order, orders.template, learner, id, lms.TERM_START, None, note)
    return _at_nowhere(b"%d" % learner, order_line(order))


def _catch_ups_of(traces: Traces) -> list[ConsumerRecord]:
    return [record for record in traces.activities if b'"catch_up"' in record.value]


def _orders_of(traces: Traces) -> list[ConsumerRecord]:
    return [record for record in traces.activities if b'"order"' in record.value]


def _without(records: Sequence[ConsumerRecord], lost: ConsumerRecord) -> list[ConsumerRecord]:
    return [record for record in records if record is not lost]


def _each_once(badges: Sequence[Announcement]) -> list[Announcement]:
    return [*{event.id: event for event in badges}.values()]


def _of_no_template(traces: Traces) -> ConsumerRecord:
    return next(record for record in traces.activities if b"Kafka101" not in record.value)


def _with(
    records: Sequence[ConsumerRecord], one: ConsumerRecord, change: Callable[[ConsumerRecord], ConsumerRecord]
) -> list[ConsumerRecord]:
    return [change(record) if record is one else record for record in records]


def _of_a_stranger(record: ConsumerRecord) -> ConsumerRecord:
    return replace(record, key=b"31415")


def _letter(placed: Placed) -> ConsumerRecord:
    place = f"0:{placed.partition}:{placed.offset}:{placed.emission.topic}".encode()
    reasons = ((dead_letters.REASON, b"some_reason"), (dead_letters.ORIGIN, place))
    record = _record(placed)
    return replace(record, headers=(*record.headers, *reasons))


def _letter_of(activity: ConsumerRecord) -> ConsumerRecord:
    topic, partition, offset = position(activity)
    place = f"0:{partition}:{offset}:{topic}".encode()
    return replace(activity, headers=((dead_letters.ORIGIN, place),))


def _record(placed: Placed) -> ConsumerRecord:
    emission = placed.emission
    record = _at_nowhere(emission.key, emission.value)
    return replace(
        record,
        topic=emission.topic,
        partition=placed.partition,
        offset=placed.offset,
        headers=emission.headers,
    )


def _at_nowhere(key: bytes | None, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(
        topic="",
        partition=0,
        offset=0,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def _announcement(decision: Decision) -> Announcement:
    return Announcement(
        kind=decision.kind,
        template=decision.template,
        learner=decision.learner,
        generation=decision.generation,
        badge=str(decision.badge),
        id=str(decision.id),
        time=decision.time.isoformat(),
        name="",
        template_name="",
    )


def _changed(record: ConsumerRecord) -> ConsumerRecord:
    return replace(record, value=orjson.dumps(orjson.loads(record.value) | {"id": "another"}))


def _moved(record: ConsumerRecord, offset: int) -> ConsumerRecord:
    value = orjson.loads(record.value)
    value["source"]["offset"] = offset
    return replace(record, value=orjson.dumps(value))

"""The audit finds each kind of fault, and none where there is none."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from zlib import crc32

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import Decision, Source
from streams.catalog import load_catalog
from streams.kafka import dead_letters
from streams.sandbox import lms
from streams.sandbox.audit import Announcement, Traces, as_activity, compare, core_run, position
from streams.sandbox.demo import CATALOG
from streams.sandbox.publisher import Emission, Placed, Publisher, subjects
from streams.tracker.rows import pack

PARTITIONS = 4
COMPILED = load_catalog(CATALOG.read_bytes()).compiled


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
    activities = [_activity(p) for p in placed if _is_relevant(p.emission)]
    progress, decisions = core_run(COMPILED, activities, emissions)
    return Traces(
        activities=activities,
        badges=[_announcement(decision) for decision in decisions],
        dead_letters=[_letter(p) for p in placed if p.emission.fate == "dead letter"],
        progress={b"%d" % learner: pack(p, None) for learner, p in progress.items()},
    )


def test_a_faultless_run_is_good(placed: list[Placed], right: Traces) -> None:
    verdict = compare(COMPILED, placed, right)
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
    "a decision was lost": (lambda t: replace(t, badges=t.badges[1:]), {"decisions missing"}),
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
    verdict = compare(COMPILED, placed, spoil(right))
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
    return ConsumerRecord(
        topic=placed.emission.topic,
        partition=placed.partition,
        offset=placed.offset,
        timestamp=0,
        timestamp_type=0,
        key=placed.emission.key,
        value=placed.emission.value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=placed.emission.headers,
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

"""What a record of the activities should tell, by the words of the LMS itself."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from aiokafka.structs import ConsumerRecord

from streams.badges import Activity, Order, Source, User
from streams.bus.activities import activity_of, order_of, parsed
from streams.sandbox.publisher import Emission, Placed

Position = tuple[str, int, int]
"""A record's topic, partition and offset."""


def position(record: ConsumerRecord) -> Position:
    """Where the original of an activity's record lies; an order's is itself."""
    source = parsed(record.value).get("source")
    if source is None:
        return (record.topic, record.partition, record.offset)
    return (source["topic"], source["partition"], source["offset"])


def by_position(placed: Iterable[Placed]) -> dict[Position, Emission]:
    return {place(p): p.emission for p in placed}


def place(placed: Placed) -> Position:
    return (placed.emission.topic, placed.partition, placed.offset)


def happened(record: ConsumerRecord, emissions: Mapping[Position, Emission]) -> Activity | Order | None:
    """What a record of the activities should tell: an order, or what the LMS emitted; None if it did not."""
    line = parsed(record.value)
    if "order" in line:
        return order_of(line)
    where = position(record)
    emission = emissions.get(where)
    if emission is None or emission.happening is None:
        return None
    activity = as_activity(emission, Source(*where))
    return replace(activity, catch_up=frozenset(line["catch_up"])) if "catch_up" in line else activity


def as_activity(emission: Emission, source: Source) -> Activity:
    """What the LMS emitted, in the form that the core takes; only for an emission that can be read."""
    happening = emission.happening
    assert happening is not None
    return Activity(
        type=happening.type,
        id=emission.id,
        time=happening.time,
        source=source,
        learner=happening.learner,
        data=happening.data,
        user=_user(happening.data),
    )


def is_whole(record: ConsumerRecord, emission: Emission | None) -> bool:
    """Whether a record tells all of what the LMS emitted, under its learner's key."""
    if emission is None or emission.happening is None:
        return False
    activity = happened(record, {position(record): emission})
    whole = activity_of(parsed(record.value), frozenset({emission.happening.type})) == activity
    return whole and record.key == b"%d" % emission.happening.learner


def _user(data: Mapping[str, Any]) -> User | None:
    user = data.get("user") or data.get("student_user") or (data if "pii" in data else None)
    return None if user is None else User(user["id"], user["is_active"], **user["pii"])

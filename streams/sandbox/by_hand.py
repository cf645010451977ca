"""What an operator had done in a run, and whether it reached the activities: the past again, and orders."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiokafka.structs import ConsumerRecord

from streams.badges import Catalog, Order, Ordered, Source
from streams.bus.activities import order_of, parsed
from streams.sandbox.originals import Position, as_activity, is_whole, place, position
from streams.sandbox.publisher import Emission, Placed


@dataclass(frozen=True, slots=True)
class CatchUp:
    """A run of `catch-up`, which `ended` or was killed.

    `given` was on the bus when it began, or is all of its recording.
    """

    templates: frozenset[str]
    given: Sequence[Placed]
    since: datetime
    ended: bool


@dataclass(frozen=True, slots=True)
class Orders:
    """A run of `award` or `revoke`, known by a `reason` that no other has; it `ended` or was killed."""

    order: Ordered
    template: str
    learners: Sequence[int]
    reason: str
    ended: bool


def given_again(
    catalog: Catalog,
    records: Sequence[ConsumerRecord],
    emissions: Mapping[Position, Emission],
    catch_ups: Sequence[CatchUp],
) -> dict[str, list[str]]:
    """Each run that ended gave all of the past that concerns its templates, and no run gave any twice."""
    counts = Counter((_templates(record), position(record)) for record in records)
    least: Counter[tuple[frozenset[str], Position]] = Counter()
    for run in catch_ups:
        wanted = (place(p) for p in run.given if run.ended and _concerns(catalog, run, p.emission))
        least.update((run.templates, where) for where in wanted)
    most = Counter(run.templates for run in catch_ups)
    return {
        "catch-ups missing": [str(where) for _, where in least - counts],
        "catch-ups unwanted": [
            str(where)
            for templates, where in counts
            if (emission := emissions.get(where)) is not None
            and not any(r.templates == templates and _concerns(catalog, r, emission) for r in catch_ups)
        ],
        "catch-ups double": [str(where) for (named, where), n in counts.items() if n > most[named] > 0],
        "catch-ups changed": [
            str(position(r)) for r in records if not is_whole(r, emissions.get(position(r)))
        ],
    }


def _templates(record: ConsumerRecord) -> frozenset[str]:
    return frozenset(parsed(record.value)["catch_up"])


def _concerns(catalog: Catalog, run: CatchUp, emission: Emission) -> bool:
    if emission.happening is None or emission.happening.time < run.since:
        return False
    activity = as_activity(emission, Source("", 0, 0))
    return bool(catalog.match(replace(activity, catch_up=run.templates)))


def followed(records: Sequence[ConsumerRecord], orders: Sequence[Orders]) -> dict[str, list[str]]:
    """Each run that ended ordered it once for each learner; one that was killed did so for all or none."""
    found = [(record.key, order_of(parsed(record.value))) for record in records]
    counts = Counter(_key(order) for _, order in found)
    begun = {order.note[1] for _, order in found if order.note is not None}
    asked = {
        (run.reason, run.order, run.template, learner): run.ended or run.reason in begun
        for run in orders
        for learner in run.learners
    }
    return {
        "orders missing": [str(key) for key, wanted in asked.items() if wanted and key not in counts],
        "orders unwanted": [str(key) for key in counts if key not in asked],
        "orders double": [str(key) for key, count in counts.items() if count > 1],
        "orders changed": [str(_key(order)) for key, order in found if key != b"%d" % order.learner],
    }


def _key(order: Order) -> tuple[str, Ordered, str, int]:
    return (order.note[1] if order.note else "", order.order, order.template, order.learner)

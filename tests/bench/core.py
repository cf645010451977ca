"""The core alone: no Kafka, no Avro."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streams.badges import Activity, Progress, Source, User, judge
from streams.catalog import load_catalog
from streams.sandbox import lms
from tests.bench import workload


@dataclass(frozen=True, slots=True)
class Speed:
    """Activities a second."""

    templates: int
    match: float
    judge: float

    @property
    def decide(self) -> float:
        """What is left of judging without matching."""
        return 1 / (1 / self.judge - 1 / self.match)


def measure(templates: int, count: int, runs: int) -> Speed:
    """The best of `runs`: looking for what activities meet, and judging them for their learners."""
    catalog = load_catalog(workload.five_courses(templates)).compiled
    activities = _activities(count)

    def match() -> None:
        for activity in activities:
            catalog.match(activity)

    def judge_all() -> None:
        known: dict[int, Progress] = {}
        for activity in activities:
            before = known.get(activity.learner, Progress.initial())
            known[activity.learner], _ = judge(catalog, before, activity)

    return Speed(templates, count / _best(match, runs), count / _best(judge_all, runs))


def _activities(count: int) -> Sequence[Activity]:
    found = []
    happenings = lms.recalculations(1, count, workload.LEARNERS, workload.COURSES)
    for number, happening in enumerate(happenings):
        data = {**happening.data, "is_passing": True}
        pii = data["user"]["pii"]
        user = User(data["user"]["id"], True, pii["username"], pii["email"], pii["name"])
        source = Source("bench-learning-badges-lifecycle", number % 8, number)
        id = f"5f1c7a2e-0000-11f1-8000-{number:012d}"
        found.append(Activity(lms.PASSING, id, happening.time, source, user.id, data, user))
    return found


def _best(work: Callable[[], None], runs: int) -> float:
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return min(took)

"""The core alone: no Kafka, no Avro.

`python -m tests.bench.core` prints what the common cases cost, and how large a learner's row is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zlib import crc32

from streams.badges import Activity, Catalog, Progress, Source, User, judge
from streams.catalog import load_catalog
from streams.sandbox import lms
from streams.tracker.rows import pack, unpack
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


def cases(templates: int, count: int = 2_000, runs: int = 10) -> Mapping[str, float]:
    """Microseconds of processor time an activity, the best of `runs`, of learners with three or thirty.

    `row` is with reading and writing the learner's row, as the tracker does for the first of a batch.
    """
    catalog = load_catalog(workload.five_courses(templates)).compiled
    few = _judged(catalog, Progress.initial(), range(3))
    many = _judged(catalog, few, range(3, 30))
    rows = {"few": pack(few, None), "many": pack(many, None)}
    new, again = _passes(100, course=50), _passes(101, course=1)
    measured: dict[str, Callable[[], object]] = {
        "one more value": lambda: judge(catalog, few, new),
        "a value again": lambda: judge(catalog, few, again),
        "fulfilled already": lambda: judge(catalog, many, new),
        "row, one more value": lambda: pack(judge(catalog, unpack(rows["few"])[0], new)[0], None),
        "row, fulfilled already": lambda: pack(judge(catalog, unpack(rows["many"])[0], new)[0], None),
    }
    costs = {name: _best(_times(count, work), runs) / count * 1e6 for name, work in measured.items()}
    return costs | {f"bytes of a row, {name}": float(len(row)) for name, row in rows.items()}


def _times(count: int, work: Callable[[], object]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(count):
            work()

    return repeated


def _judged(catalog: Catalog, progress: Progress, numbers: range) -> Progress:
    for number in numbers:
        progress, _ = judge(catalog, progress, _passes(number, course=number % 12))
    return progress


def _passes(number: int, *, course: int) -> Activity:
    """A learner of twelve courses passes one, an hour after the one before."""
    key = f"course-v1:LoadX+Course{course}+2026"
    data = {"is_passing": True, "course": lms.course(key), "user": lms.user(1_234_567)}
    source = Source("bench-learning-badges-lifecycle", crc32(key.encode()) % 8, 10_000 + number)
    user = User(1_234_567, True, "learner1234567", "learner1234567@example.org", "Ada Lövelace")
    time = lms.TERM_START + timedelta(hours=number)
    id = f"5f1c7a2e-0000-11f1-8000-{number:012d}"
    return Activity(lms.PASSING, id, time, source, user.id, data, user)


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
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


if __name__ == "__main__":
    for templates in (1, 100, 10_000):
        for name, found in cases(templates).items():
            print(f"{templates:>6,} templates  {name:30}{found:8.1f}")

"""What the benchmarks feed: passing statuses as the LMS writes them, and catalogs of any size."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

from aiokafka import AIOKafkaProducer

from streams.sandbox import lms
from streams.sandbox.lms import Happening
from streams.sandbox.publisher import Publisher
from tests.bench.loop import TEMPLATE

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
LEARNERS = 10_000
COURSES = 200
"""With 300,000 events a learner has thirty, of which some lead to the fifth course and most come after it."""
FIVE = 5
"""Courses that the measured badge needs."""

Record = tuple[bytes, bytes, list[tuple[str, bytes]]]
"""Key, value, headers."""


def events(
    ids: Mapping[str, int], count: int, *, learners: int = LEARNERS, mostly_false: bool = False
) -> list[Record]:
    """`count` passing statuses; all say passed, or with `mostly_false` about one in four, as at an LMS."""
    happenings: Iterable[Happening] = lms.recalculations(1, count, learners, COURSES)
    if not mostly_false:
        happenings = (replace(h, data={**h.data, "is_passing": True}) for h in happenings)
    return list(records(ids, happenings))


def records(ids: Mapping[str, int], happenings: Iterable[Happening]) -> Iterator[Record]:
    """The records of `happenings`, byte for byte as the LMS's producer writes them."""
    for emission in Publisher(ids).publish(happenings):
        assert emission.key is not None
        assert emission.value is not None
        yield emission.key, emission.value, list(emission.headers)


def five_courses(templates: int, courses: int = FIVE) -> str:
    """A catalog: a badge for that many different courses, and templates of courses that nobody takes."""
    passed = {"path": "is_passing", "operator": "eq", "value": True}
    distinct: dict[str, Any] = {"distinct": "course.course_key", "count": courses} if courses > 1 else {}
    first = _template(
        TEMPLATE,
        f"{courses} courses",
        [{"id": "courses", "event_type": lms.PASSING, "rules": [passed], **distinct}],
    )
    return catalog([first, *(_of_two_courses(number) for number in range(1, templates))])


def catalog(templates: list[dict[str, Any]]) -> str:
    """A catalog document of these templates."""
    organization = {"id": ORGANIZATION, "name": "Bench University", "environment": "sandbox"}
    return json.dumps({"version": 1, "organizations": [organization], "templates": templates})


def passes(id: str, course: str, **more: Any) -> dict[str, Any]:
    """A requirement: the course is passed."""
    rules = [
        {"path": "is_passing", "operator": "eq", "value": True},
        {"path": "course.course_key", "operator": "eq", "value": course},
    ]
    return {"id": id, "event_type": lms.PASSING, "rules": rules, **more}


def template_id(number: int) -> str:
    """The id of a template by its number."""
    return str(uuid5(UUID(ORGANIZATION), str(number)))


def _of_two_courses(number: int) -> dict[str, Any]:
    courses = (f"course-v1:OtherX+Course{number}{part}+2026" for part in "AB")
    return _template(template_id(number), f"Both {number}", [passes(c[-6:-5], c) for c in courses])


def _template(id: str, name: str, requirements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": id, "organization": ORGANIZATION, "name": name, "requirements": requirements}


async def write(
    producer: AIOKafkaProducer, topic: str, partitions: int, records: Iterable[Record]
) -> dict[int, int]:
    """Write `records` in their order by the bus's partitioner; return each partition's last offset."""
    batches: dict[int, Any] = {}
    sent: dict[int, Any] = {}
    for key, value, headers in records:
        partition = crc32(key) % partitions
        batch = batches.get(partition) or batches.setdefault(partition, producer.create_batch())
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            sent[partition] = (
                batch.record_count(),
                await producer.send_batch(batch, topic, partition=partition),
            )
            batch = batches[partition] = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    for partition, batch in batches.items():
        sent[partition] = batch.record_count(), await producer.send_batch(batch, topic, partition=partition)
    await producer.flush()
    return {p: (await future).offset + count - 1 for p, (count, future) in sent.items()}

"""What an activity was, in words: read from the activities' topic, as far as that still has it."""

from collections.abc import Collection, Mapping
from contextlib import aclosing
from typing import Any

from streams.badges import find
from streams.bus.activities import is_line, parsed
from streams.errors import UnreadableError
from streams.kafka.client import partition_of
from streams.logs import blanked
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import Site

_COURSES = ("course.course_key", "course.ccx_course_key", "course_key", "course_id")
_TELLING = {
    "is_passing": "passing",
    "grade": "grade",
    "percent_grade": "grade",
    "mode": "mode",
    "role": "role",
    "program.title": "program",
    "exam_type": "exam",
    "title": "title",
    "status": "status",
}
"""By path, what tells a person which activity it was; most events have one or two of them."""


async def counted(
    here: Site, learner: int, ids: Collection[str], meter: Meter = NO_METER
) -> Mapping[str, str]:
    """The learner's activities of these ids in words, of those that the topic still has."""
    tps = await here.partitions(here.topics.activities.name) if ids else []
    if not tps:
        return {}
    key, wanted = b"%d" % learner, set(ids)
    tp = tps[partition_of(key, len(tps))]
    begin, end = (await here.begins([tp]))[tp], (await here.ends([tp]))[tp]
    meter.expect(end - begin)
    found: dict[str, str] = {}
    async with aclosing(here.records(tp, begin, end)) as records:
        async for record in records:
            meter.advance(record.offset + 1 - begin)
            begin = record.offset + 1
            if record.key == key and is_line(value := record.value or b""):
                found |= _found(value, wanted)
    return found


def _found(line: bytes, wanted: Collection[str]) -> Mapping[str, str]:
    try:
        value = parsed(line)
    except UnreadableError:
        return {}
    id = value.get("id")
    return {id: words(value)} if isinstance(id, str) and id in wanted else {}


def words(activity: Mapping[str, Any]) -> str:
    """An activity in words: the course, what tells it apart, and when it was; or an import."""
    if "order" in activity:
        return blanked(f"{activity['order']}, {activity.get('time')}")
    data = activity.get("data")
    kind = str(activity.get("type")).removeprefix("org.openedx.learning.").rpartition(".v")[0]
    course = next((text for path in _COURSES if (text := find(data, tuple(path.split("."))))), "")
    found = ((name, find(data, tuple(path.split(".")))) for path, name in _TELLING.items())
    telling = [f"{name} {_written(value)}" for name, value in found if _is_plain(value)]
    in_course = [f"course {course}"] if course else []
    return blanked(", ".join([kind, *in_course, *telling, str(activity.get("time"))]))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _written(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

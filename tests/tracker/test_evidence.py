"""What counted goes along with an award, where the template wants it told."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
import yaml
from aiokafka.structs import ConsumerRecord

from streams.bus.emitter import EVIDENCE
from streams.catalog import CatalogDocument, load_catalog
from streams.headers import header
from streams.kafka.orders import reissue
from streams.tracker import evidence
from streams.tracker.tracking import Tracking
from tests.bus.memory import record, take
from tests.runtime.recording import RecordingUnit
from tests.tracker.scene import ORGANIZATION, PASSED, TEMPLATE, tracker
from tests.tracker.test_tracking import ACTIVITIES, KEY, activity

PASSING = [{"path": "is_passing", "operator": "eq", "value": True}]
FIVE: dict[str, Any] = {
    "id": "five",
    "text": {"en": "Pass three courses", "de": "Drei Kurse bestehen"},
    "event_type": PASSED.event_type,
    "count": 3,
    "distinct": "course.course_key",
    "rules": PASSING,
}


def catalog(*requirements: Mapping[str, Any], tells: bool = True) -> CatalogDocument:
    template = {
        "id": TEMPLATE,
        "organization": ORGANIZATION,
        "name": "A badge",
        "evidence": tells,
        "requirements": list(requirements),
    }
    organization = {"id": ORGANIZATION, "api_key": {"env": "KEY"}}
    declared = {"version": 1, "organizations": [organization], "templates": [template]}
    return load_catalog(yaml.safe_dump(declared))


def passed(number: int) -> ConsumerRecord:
    course = {
        **PASSED.payload["course"],
        "course_key": f"course-v1:DemoX+C{number}+1",
        "display_name": f"Course {number}",
    }
    return activity(number, id=number, data={**PASSED.payload, "course": course})


async def tracked(
    document: CatalogDocument, *records: ConsumerRecord, rows: Mapping[bytes, bytes] | None = None
) -> RecordingUnit:
    here = await tracker(document)
    unit = RecordingUnit(here.names.activities, here.names.progress, rows)
    track = Tracking(here, unit)
    await take(records, track.step)
    track.store()
    return unit


def told(unit: RecordingUnit) -> Any:
    [sent] = unit.sent
    said = header(sent.headers, EVIDENCE)
    return None if said is None else [(item["name"], item.get("values")) for item in orjson.loads(said)]


async def test_the_courses_that_counted_are_told_and_no_others() -> None:
    unit = await tracked(catalog(FIVE), passed(1), passed(1), passed(2), passed(3), passed(4))

    assert told(unit) == [("Pass three courses", [f"course-v1:DemoX+C{n}+1" for n in (1, 2, 3)])]


async def test_a_requirement_without_a_text_is_told_by_its_course_and_the_name_that_this_has() -> None:
    key = "course-v1:DemoX+C7+1"
    rule = {"path": "course.course_key", "operator": "eq", "value": key}
    one = {"id": "one", "event_type": PASSED.event_type, "rules": [rule]}

    assert told(await tracked(catalog(one), passed(7))) == [(key, ["Course 7"])]


async def test_nothing_is_told_where_the_template_does_not_want_it() -> None:
    assert told(await tracked(catalog(FIVE, tells=False), passed(1), passed(2), passed(3))) is None


async def test_what_is_said_again_is_told_what_is_still_known() -> None:
    document = catalog(FIVE)
    before = await tracked(document, passed(1), passed(2), passed(3))
    again = record(None, reissue(None), key=KEY, topic=ACTIVITIES)
    unit = await tracked(document, again, rows={KEY: before.table[KEY] or b""})

    assert told(unit) == [("Pass three courses", None)]


async def test_it_is_bounded_however_much_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [FIVE | {"id": f"r{n}", "count": 1, "text": "ü" * 500} for n in range(100)]
    unit = await tracked(catalog(*many), passed(1))

    [sent] = unit.sent
    said = header(sent.headers, EVIDENCE) or b""
    assert evidence.BYTES - 1_000 < len(said) <= evidence.BYTES
    assert len(orjson.loads(said)[0]["name"]) == evidence.NAME
    monkeypatch.setattr(evidence, "BYTES", 1)
    assert told(await tracked(catalog(FIVE), passed(1), passed(2), passed(3))) is None

"""How far a learner is, and what counted, in words."""

from typing import Any

import pytest

from streams.badges import Progress
from streams.bus.description import sample
from streams.bus.schemas import BADGE_EVENTS, event_types
from streams.catalog import take_catalog
from streams.operate.counted import words
from streams.operate.standing import standing_of
from tests.operate.test_simulate import TEMPLATE, catalog
from tests.operate.test_totals import courses, passed, run


def test_what_is_not_begun_lacks_all() -> None:
    standing = standing_of(take_catalog(courses(3)), TEMPLATE, Progress.initial())

    assert standing is not None
    assert (standing.begun, standing.missing) == (False, 3)
    assert standing.lacks == ("any (Pass courses): 0 of 3",)


def test_what_is_not_active_has_no_standing() -> None:
    assert standing_of(take_catalog(catalog(active=False)), TEMPLATE, Progress.initial()) is None


def test_a_badge_that_is_required_is_missing_until_it_is_held(tmp_path: Any) -> None:
    document = courses(2)
    other = "9a4f7a10-6a0b-4c53-8f54-6c0d9b3f7c03"
    rule = {"path": "template.uuid", "operator": "eq", "value": TEMPLATE}
    requirement = {
        "id": "two",
        "event_type": "org.openedx.learning.badge.awarded.v1",
        "text": "Hold the other",
        "rules": [rule],
    }
    last = {"id": "more", "event_type": "org.openedx.learning.auth.session.login.completed.v1"}
    document["templates"].append(
        document["templates"][0] | {"id": other, "name": "Grand", "requirements": [requirement, last]}
    )

    said = run(tmp_path, passed(1, "a", "b"), document).stderr

    assert "just missed Grand:\n  learner 1 (ada): more\n" in said


@pytest.mark.parametrize("event_type", sorted(event_types() - BADGE_EVENTS))
def test_an_activity_is_said_on_one_line_with_its_time(event_type: str) -> None:
    said = words(sample(event_type))

    assert said.isprintable()
    assert said.endswith(", 2026-03-14T15:09:26+00:00")


def test_an_activity_is_said_with_its_course_and_its_grade() -> None:
    certificate = sample("org.openedx.learning.certificate.created.v1")
    passing = sample("org.openedx.learning.course.passing.status.updated.v1")

    assert words(certificate).startswith(
        "certificate.created, course course-v1:DemoX+Kafka101+2026, grade 0.85, mode verified, "
    )
    assert ", passing yes, " in words(passing)


def test_what_an_activity_holds_steers_no_terminal() -> None:
    assert words({"type": "x", "time": "t", "data": {"title": "\x1b[2J"}}).isprintable()

"""What may be said of a requirement or a penalty, and what of it is refused, with its place."""

import json
from typing import Any

import pytest

from streams.badges import Duration, Penalty, Requirement, Spot
from streams.catalog import CatalogDocument, take_catalog
from streams.errors import CatalogError

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
ONE, TWO = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", "1b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
CERTIFICATE = "org.openedx.learning.certificate.created.v1"
EXAM = "org.openedx.learning.exam.attempt.verified.v1"
REGISTERED = "org.openedx.learning.student.registration.completed.v1"
POSTED = "org.openedx.learning.forum.thread.created.v1"
AWARDED = "org.openedx.learning.badge.awarded.v1"
KEY = "course.course_key"
PLACE = "templates[0].requirements[0]"
PENALTY = "templates[0].penalties[0]"


def taken(*requirements: dict[str, Any], penalties: Any = (), **more: Any) -> CatalogDocument:
    template = {"id": ONE, "organization": ORGANIZATION, "name": "One", **more}
    template |= {"requirements": list(requirements), "penalties": list(penalties)}
    other = {"id": TWO, "organization": ORGANIZATION, "name": "Two", "requirements": [passes(id="two")]}
    organizations = [{"id": ORGANIZATION}]
    return take_catalog({"version": 1, "organizations": organizations, "templates": [template, other]})


def faults(*requirements: dict[str, Any], penalties: Any = (), **more: Any) -> list[str]:
    with pytest.raises(CatalogError) as refusal:
        taken(*requirements, penalties=penalties, **more)
    return list(refusal.value.faults)


def passes(**more: Any) -> dict[str, Any]:
    return {"id": "r", "event_type": PASSING} | more


def either(*types: str, **more: Any) -> dict[str, Any]:
    return {"id": "r", "event_types": list(types), **more}


def loses(**more: Any) -> dict[str, Any]:
    return {"id": "p", "event_type": PASSING, **more}


def rule(path: str = KEY, operator: str = "eq", value: Any = "A", **more: Any) -> dict[str, Any]:
    return {"path": path, "operator": operator, "value": value, **more}


def holds_two(**more: Any) -> dict[str, Any]:
    return {"id": "b", "event_type": AWARDED, "rules": [rule("template.uuid", "eq", TWO)], **more}


def test_all_of_the_second_edition_is_taken() -> None:
    course = rule(operator="starts_with", value="Demo", part="org")
    document = taken(
        holds_two(text="Hold the other", group="G"),
        passes(
            text="Pass three", rules=[course], count=3, distinct={"path": KEY, "part": "course"}, within="P9D"
        ),
        either(PASSING, CERTIFICATE, id="s", after="r", no_later_than="P14D", distinct=KEY, within="P1D")
        | {"repeats": "newest"},
        penalties=[
            {"id": "p", "event_types": [PASSING, EXAM], "withdraws": ["r"]},
            loses(id="q", resets=["s"], withdraws=["s"]),
        ],
        expires_after="P2Y",
        renewable=True,
    )

    template = document.compiled.active[document.compiled.turns[ONE]].template
    _, pass_three, soon_after = template.requirements
    assert isinstance(pass_three, Requirement)
    assert isinstance(soon_after, Requirement)
    assert pass_three.distinct == Spot(("course", "course_key"), "course")
    assert (pass_three.rules[0].part, pass_three.repeats) == ("org", "first")
    assert soon_after.event_types == (PASSING, CERTIFICATE)
    assert soon_after.distinct == Spot(("course", "course_key"))
    assert (soon_after.repeats, soon_after.no_later_than is not None) == ("newest", True)
    assert template.penalties[0] == Penalty("p", (PASSING, EXAM), withdraws=("r",))
    assert isinstance(template.renewed_after, Duration)
    assert document.templates[ONE].requirements[1].text is not None


@pytest.mark.parametrize(
    ("requirement", "fault"),
    [
        ({"id": "r"}, "event_type: required"),
        ({"id": "r", "event_type": None}, "event_type: required"),
        (
            passes(event_types=[PASSING, EXAM]),
            "event_types: is given in place of event_type: only one of the two",
        ),
        (either(PASSING), "event_types: must be two or more"),
        (either(), "event_types: must be two or more"),
        (either(PASSING, AWARDED), "event_types[1]: badge events are not activities"),
        (either(PASSING, "org.x"), "event_types[1]: no event type of this name"),
        (either(PASSING, PASSING), f"event_types[1]: {PASSING} is given already"),
        (
            either(PASSING, EXAM, rules=[rule()]),
            f"rules[0].path: in {EXAM}: no field 'course' in the payload",
        ),
        (
            either(EXAM, REGISTERED, rules=[rule("id", "exists", True)]),
            f"rules[0].path: in {EXAM}: no field 'id'",
        ),
        (either(PASSING, EXAM, distinct=KEY), f"distinct: in {EXAM}: no field 'course' in the payload"),
        (passes(rules=[rule(operator="starts_with", value=1)]), "rules[0].value: must be a string"),
        (passes(rules=[rule("is_passing", "starts_with")]), "rules[0].operator: does not fit a boolean"),
        (
            passes(event_type=POSTED, rules=[rule("user_course_roles")]),
            "rules[0].operator: does not fit an array",
        ),
        (
            passes(rules=[rule("is_passing", "exists", True, part="org")]),
            "rules[0].part: only a string has parts",
        ),
        (
            passes(rules=[rule("course", "exists", True, part="org")]),
            "rules[0].part: only a string has parts",
        ),
        (passes(rules=[rule(part="namespace")]), "rules[0].part: Input should be 'org', 'course' or 'run'"),
        (passes(distinct={"path": "is_passing", "part": "run"}), "distinct.part: only a string has parts"),
        (
            passes(distinct={"path": KEY, "part": "x"}),
            "distinct.part: Input should be 'org', 'course' or 'run'",
        ),
        (passes(distinct={"path": "nowhere"}), "distinct.path: no field 'nowhere' in the payload"),
        (passes(distinct={"part": "org"}), "distinct.path: required"),
        (passes(distinct={"path": KEY, "as": "x"}), "distinct.as: unknown key"),
        (passes(no_later_than="P1D"), "no_later_than: needs after"),
        (passes(repeats="newest"), "repeats: needs distinct and within"),
        (passes(repeats="newest", distinct=KEY), "repeats: needs within"),
        (passes(repeats="first", within="P1D"), "repeats: needs distinct"),
        (passes(repeats="last", distinct=KEY, within="P1D"), "repeats: Input should be 'first' or 'newest'"),
        (passes(text=""), "text: must be a text that is not empty"),
        (holds_two(repeats="first"), "repeats: a badge requirement takes a group, a text and one rule"),
        (
            holds_two(no_later_than="P1D"),
            "no_later_than: a badge requirement takes a group, a text and one rule",
        ),
        (
            holds_two() | {"rules": [rule("template.uuid", "eq", TWO, part="org")]},
            "rules[0].part: a template's id",
        ),
    ],
)
def test_a_requirement_that_makes_no_sense_is_refused(requirement: dict[str, Any], fault: str) -> None:
    found = faults(requirement)

    assert len(found) == 1
    assert found[0].startswith(f"{PLACE}.{fault}")


def test_a_path_at_which_event_types_have_other_types_is_refused() -> None:
    thread = "org.openedx.learning.forum.thread.created.v1"

    assert faults(either(REGISTERED, thread, rules=[rule("id", "eq", 5)])) == [
        f"{PLACE}.rules[0].path: a string in {thread}, but a long in {REGISTERED}"
    ]


@pytest.mark.parametrize(
    ("penalty", "fault"),
    [
        (loses(), "resets: required, or withdraws"),
        (loses(withdraws=["x"]), "withdraws[0]: no requirement of this template has the id x"),
        (loses(withdraws=["plain"]), "withdraws[0]: plain has no distinct, so there is no value to withdraw"),
        (loses(withdraws=["b"]), "withdraws[0]: no penalty can withdraw from a badge requirement"),
        (
            loses() | {"event_type": EXAM, "withdraws": ["r"]},
            f"withdraws[0]: r differs by {KEY}, which {EXAM} does not",
        ),
        (loses(resets=["r"]) | {"event_type": AWARDED}, "event_type: badge events are not activities"),
        (
            {"id": "p", "event_types": [PASSING, AWARDED], "resets": ["r"]},
            "event_types[1]: badge events are not",
        ),
        ({"id": "p", "resets": ["r"]}, "event_type: required"),
    ],
)
def test_a_penalty_that_makes_no_sense_is_refused(penalty: dict[str, Any], fault: str) -> None:
    found = faults(passes(distinct=KEY), passes(id="plain"), holds_two(), penalties=[penalty])

    assert len(found) == 1
    assert found[0].startswith(f"{PENALTY}.{fault}")


def test_what_is_renewable_expires_and_can_be_earned() -> None:
    assert faults(passes(), renewable=True) == ["templates[0].renewable: needs expires_after"]
    [fault] = faults(holds_two(), renewable=True, expires_after="P1Y")
    assert fault.startswith("templates[0].renewable: needs a requirement that is no badge requirement")
    assert (
        json.loads(taken(passes(), expires_after="P1Y").templates[ONE].model_dump_json())["renewable"]
        is False
    )

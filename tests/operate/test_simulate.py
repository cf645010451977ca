"""What the commands `check` and `simulate` read and print."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.bus.schemas import event_types, learner_path
from streams.cli import main

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
OPENEDX = "org.openedx.learning."
PASSING = f"{OPENEDX}course.passing.status.updated.v1"
ADA = {"id": 7, "is_active": True, "pii": {"username": "ada", "email": "ada@example.com", "name": "Ada"}}
STAFF = {"id": 1, "is_active": True, "pii": {"username": "staff", "email": "", "name": ""}}


def catalog(event_type: str = PASSING, **more: Any) -> dict[str, Any]:
    requirement = {"id": "any", "event_type": event_type}
    template = {"id": TEMPLATE, "organization": ORGANIZATION, "name": "Any", "requirements": [requirement]}
    return {"version": 1, "organizations": [{"id": ORGANIZATION}], "templates": [{**template, **more}]}


def activity(offset: int = 0, event_type: str = PASSING, **data: Any) -> dict[str, Any]:
    return {
        "type": event_type,
        "id": f"id-{offset}",
        "time": "2026-01-01T00:00:00",
        "source": {"topic": "bus", "partition": 0, "offset": offset},
        "data": data or {"user": ADA},
    }


def run(tmp_path: Path, document: object, *lines: object) -> Result:
    """Simulate; a line that is neither text nor bytes is written as JSON."""
    files = tmp_path / "catalog.json", tmp_path / "activities.jsonl"
    files[0].write_text(json.dumps(document))
    files[1].write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines))
    return CliRunner().invoke(main, ["simulate", "--catalog", str(files[0]), "--activities", str(files[1])])


def decisions(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_decision_is_one_line_of_json_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    penalty = {
        "id": "lost",
        "event_type": PASSING,
        "resets": ["any"],
        "rules": [{"path": "is_passing", "operator": "eq", "value": False}],
    }
    later = {**activity(1, user=ADA, is_passing=False), "time": "2026-01-02T05:30:00.25+05:30"}

    result = run(tmp_path, catalog(penalties=[penalty]), activity(), later)

    assert (result.exit_code, result.stderr) == (0, "")
    assert [list(decision) for decision in decisions(result)] == [
        ["kind", "template", "learner", "generation", "badge", "decision", "time", "activity", "because"]
    ] * 2
    badge = "5aa9c4f1-1660-5e41-b543-ffb2c3d78d3b"
    assert [list(decision.values()) for decision in decisions(result)] == [
        [
            "awarded",
            TEMPLATE,
            7,
            1,
            badge,
            "eb1a6a72-4fa7-583d-9368-52478736b107",
            "2026-01-01T00:00:00+00:00",
            "id-0",
            ["id-0"],
        ],
        [
            "revoked",
            TEMPLATE,
            7,
            1,
            badge,
            "5e865c82-560b-5b05-bee0-02a452570e58",
            "2026-01-02T00:00:00.250000+00:00",
            "id-1",
            ["id-1"],
        ],
    ]


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("course.passing.status.updated.v1", {"user": ADA}),
        ("course.enrollment.created.v1", {"user": ADA, "created_by": STAFF}),
        ("exam.attempt.verified.v1", {"student_user": ADA, "requesting_user": STAFF, "user": STAFF}),
        ("student.registration.completed.v1", ADA),
        ("auth.session.login.completed.v1", ADA),
        ("course.persistent_grade_summary.changed.v1", {"user_id": 7}),
    ],
)
def test_the_learner_is_whom_the_event_is_about(tmp_path: Path, event_type: str, data: Any) -> None:
    name = OPENEDX + event_type

    result = run(tmp_path, catalog(name), activity(0, name, **data))

    assert [decision["learner"] for decision in decisions(result)] == [7]


def test_every_event_type_of_a_catalog_says_where_its_learner_is() -> None:
    assert {learner_path(event_type) for event_type in event_types()} == {
        (),
        ("user",),
        ("student_user",),
        ("user_id",),
    }


@pytest.mark.parametrize(
    "user", [None, {}, {"id": None}, {"id": "7"}, {"id": True}, {"id": 7.0}, 7, [], "7"], ids=repr
)
def test_an_event_without_its_learner_is_unreadable(tmp_path: Path, user: Any) -> None:
    result = run(tmp_path, catalog(), activity(user=user, requesting_user=STAFF, user_id=1))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "line 1: data.user: names no learner\n"


@pytest.mark.parametrize(
    "line",
    [
        b"{bad",
        b"\xff\xfe{}",
        b"[]",
        b"null",
        b"5",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 5_000,
        {},
        {"type": PASSING},
        {**activity(), "type": 5},
        {**activity(), "id": ""},
        {**activity(), "time": "soon"},
        {**activity(), "time": 1767225600},
        {**activity(), "time": "0001-01-01T00:00:00+05:00"},
        {**activity(), "source": None},
        {**activity(), "source": {"topic": "bus", "partition": "0", "offset": 0}},
        {**activity(), "source": {"topic": "bus", "partition": 0, "offset": -1}},
        {**activity(), "source": {"topic": "bus", "partition": 0, "offset": True}},
        {**activity(), "source": {"topic": "bus", "partition": 0, "offset": 10**30}},
        {**activity(), "data": []},
        {"catalog": None},
        {"catalog": {"version": 1}, "more": 1},
        {"catalog": {"version": 2}},
        b'{"catalog": {"version": 1, "version": 1}}',
    ],
)
def test_what_cannot_be_read_is_reported_with_its_number_and_the_others_are_judged(
    tmp_path: Path, line: object
) -> None:
    result = run(tmp_path, catalog(), b"", line, b"  \r", activity(5))

    assert result.exit_code == 1
    assert [said[:8] for said in result.stderr.splitlines()] == ["line 2: "]
    assert [decision["activity"] for decision in decisions(result)] == ["id-5"]


def test_a_catalog_among_the_lines_is_in_force_from_there_on(tmp_path: Path) -> None:
    strict = catalog()
    strict["templates"][0]["requirements"][0]["count"] = 3
    others = (activity(n, user={**ADA, "id": n}) for n in (2, 3))

    result = run(tmp_path, strict, activity(0), activity(1), {"catalog": catalog()}, *others, activity(4))

    assert result.exit_code == 0
    assert [d["because"] for d in decisions(result)] == [["id-2"], ["id-3"], ["id-0", "id-1", "id-4"]]


def order(kind: str = "award", **more: Any) -> dict[str, Any]:
    return {
        "order": kind,
        "template": TEMPLATE.upper(),
        "learner": 7,
        "id": "an order",
        "time": "2026-01-01T00:00:00",
    } | more


def test_orders_and_what_is_given_again_may_lie_between_the_activities(tmp_path: Path) -> None:
    again = activity(5) | {"catch_up": [TEMPLATE.upper()], "time": "2026-01-03T00:00:00"}
    without_place = {key: value for key, value in again.items() if key != "source"}

    result = run(tmp_path, catalog(), order(), order("revoke", id="another"), without_place, activity(3))

    assert (result.exit_code, result.stderr) == (0, "")
    said = [(d["kind"], d["generation"], d["because"]) for d in decisions(result)]
    assert said == [("awarded", 1, ["an order"]), ("revoked", 1, ["another"]), ("awarded", 2, ["id-5"])]


def test_an_order_that_is_refused_is_said_and_is_no_fault_of_the_lines(tmp_path: Path) -> None:
    result = run(tmp_path, catalog(active=False), order())

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.strip() == f"line 1: order refused: template {TEMPLATE} is not active"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (order("grant"), "order: neither award nor revoke"),
        (order(learner="7"), "learner: "),
        (order(id=""), "id: "),
        (order(template=None), "template: "),
        (order(time="soon"), "time: no ISO 8601 time"),
        (activity() | {"catch_up": TEMPLATE}, "catch_up: neither true nor a list of templates' ids"),
        (activity() | {"catch_up": [7]}, "catch_up: neither true nor a list of templates' ids"),
    ],
)
def test_a_line_that_is_no_order_and_no_catch_up_is_unreadable(
    tmp_path: Path, line: dict[str, Any], fault: str
) -> None:
    result = run(tmp_path, catalog(), line)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"line 1: {fault}")


def test_check_prints_each_fault_with_its_place_and_exits_with_1(tmp_path: Path) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text("version: 1\nversion: 1\ntemplates:\n- {id: x}\n")

    result = CliRunner().invoke(main, ["check", str(file)])

    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == [
        "templates[0].id",
        "templates[0].name",
        "templates[0].organization",
        "templates[0].requirements",
        "version",
    ]


def test_check_takes_yaml_and_json(tmp_path: Path) -> None:
    texts = json.dumps(catalog()), f"version: 1\norganizations: [id: {ORGANIZATION}]\n"
    for number, text in enumerate(texts):
        file = tmp_path / str(number)
        file.write_text(text)

        assert CliRunner().invoke(main, ["check", str(file)]).exit_code == 0


def test_check_takes_a_catalog_from_standard_input() -> None:
    result = CliRunner().invoke(main, ["check", "-"], input=json.dumps(catalog()))

    assert result.exit_code == 0
    assert "no fault" in result.stdout

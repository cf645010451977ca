"""What `simulate` says to people: totals, who just missed a badge, and what another catalog changes."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from streams.cli import main
from tests.operate.test_simulate import ADA, activity, catalog

PASS = {"path": "is_passing", "operator": "eq", "value": True}


def courses(count: int, name: str = "Three courses") -> dict[str, Any]:
    """A catalog of one template: so many different courses passed."""
    document = catalog(name=name)
    [requirement] = document["templates"][0]["requirements"]
    requirement |= {
        "text": {"en": "Pass courses"},
        "count": count,
        "distinct": "course.course_key",
        "rules": [PASS],
    }
    return document


def passed(learner: int, *keys: str) -> list[dict[str, Any]]:
    user = ADA | {"id": learner}
    return [
        activity(learner * 100 + n, user=user, is_passing=True, course={"course_key": key})
        for n, key in enumerate(keys)
    ]


def run(
    tmp_path: Path, lines: list[dict[str, Any]], *catalogs: dict[str, Any], totals: bool = True
) -> Result:
    """Simulate by the first catalog, against the second if there is one."""
    activities = tmp_path / "activities.jsonl"
    activities.write_text("\n".join(map(json.dumps, lines)))
    command = ["simulate", "--activities", str(activities), *(["--totals"] if totals else [])]
    for option, document in zip(("--catalog", "--against"), catalogs, strict=False):
        file = tmp_path / option
        file.write_text(json.dumps(document))
        command += [option, str(file)]
    return CliRunner().invoke(main, command)


LINES = [*passed(1, "a", "b", "c"), *passed(2, "a", "b"), *passed(3, "a")]


def test_the_totals_name_each_template_and_who_just_missed_it_with_what_they_lack(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, courses(3))

    assert result.exit_code == 0
    assert [json.loads(line)["learner"] for line in result.stdout.splitlines()] == [1]
    assert "│ Three courses │ 1    │ 1       │ 0" in result.stderr
    assert "just missed Three courses:\n" in result.stderr
    assert "  learner 2 (ada): any (Pass courses): 2 of 3, so far a, b\n" in result.stderr
    assert "learner 3" not in result.stderr


def test_of_a_group_it_is_said_how_many_are_missing(tmp_path: Path) -> None:
    document = courses(2)
    template = document["templates"][0]
    [requirement] = template["requirements"]
    template["requirements"] = [requirement | {"id": id, "group": "A"} for id in ("one", "two", "three")]
    template["requirements"][2] |= {"rules": [], "count": 1, "distinct": None, "text": "Do anything"}
    del template["requirements"][2]["distinct"]
    template["groups"] = {"A": {"at_least": 2}}

    said = run(tmp_path, passed(2, "a"), document).stderr

    assert "1 of: one (Pass courses): 1 of 2, so far a | two (Pass courses): 1 of 2, so far a" in said


def test_without_a_terminal_there_are_decisions_alone(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, courses(3), totals=False)

    assert result.stderr == ""


def test_another_catalog_is_told_apart_by_what_it_decides(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, courses(2, name="Two courses"), courses(3))

    [difference] = map(json.loads, result.stdout.splitlines())
    assert (difference["name"], difference["learner"]) == ("Two courses", 2)
    assert (difference["held"], difference["held_against"]) == (True, False)
    assert "│ Two courses │ 1: 2" in result.stderr


def test_a_catalog_differs_from_itself_in_nothing(tmp_path: Path) -> None:
    result = run(tmp_path, LINES, courses(3), courses(3))

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "both catalogs decide the same\n"


def test_what_cannot_be_read_is_said_once_for_two_catalogs(tmp_path: Path) -> None:
    result = run(tmp_path, [*LINES, {"type": 5}], courses(3), courses(3))

    assert result.exit_code == 1
    assert result.stderr.count("line 7: ") == 1


def test_who_fell_short_of_a_limit_is_named_with_how_near_it_was(tmp_path: Path) -> None:
    document = catalog("org.openedx.learning.certificate.created.v1", name="With Distinction")
    rules = [
        {"path": "grade", "operator": "ge", "value": 0.9},
        {"path": "mode", "operator": "eq", "value": "verified"},
    ]
    document["templates"][0]["requirements"][0]["rules"] = rules
    grades = [
        (1, "0.95", "verified"),
        (2, "0.5", "verified"),
        (2, "0.88", "verified"),
        (3, "0.89", "audit"),
        (4, "0.7", "verified"),
    ]
    lines = [
        activity(
            n,
            "org.openedx.learning.certificate.created.v1",
            user=ADA | {"id": learner},
            grade=grade,
            mode=mode,
        )
        for n, (learner, grade, mode) in enumerate(grades)
    ]

    said = run(tmp_path, lines, document).stderr

    assert "learner 1" not in said
    assert "learner 3" not in said
    assert said.endswith(
        "just missed With Distinction:\n"
        "  learner 2: any: best grade 0.88, at least 0.9 is asked\n"
        "  learner 4: any: best grade 0.7, at least 0.9 is asked\n"
    )

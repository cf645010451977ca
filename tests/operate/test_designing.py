"""What a course team asks while it designs a badge: which events there are, what the LMS has to know."""

import io
import json
from typing import Any

import fastavro
import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from streams.bus import schemas
from streams.bus.description import envelope, sample
from streams.cli import main
from tests.sites import CATALOG

PASSING = "org.openedx.learning.course.passing.status.updated.v1"
ENROLLED = "org.openedx.learning.course.enrollment.created.v1"

ONE = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"


def run(*arguments: str, given: str = "", **settings: str) -> Result:
    return CliRunner().invoke(main, arguments, input=given, env=settings)


def catalog(event_type: str, **requirement: Any) -> dict[str, Any]:
    requirements = [{"id": "any", "event_type": event_type, **requirement}]
    template = {"id": ONE, "organization": ONE, "name": "Any", "requirements": requirements}
    return {"version": 1, "organizations": [{"id": ONE}], "templates": [template]}


@pytest.mark.parametrize("event_type", sorted(schemas.event_types()))
def test_a_sample_is_what_its_schema_says(event_type: str) -> None:
    schema = fastavro.parse_schema(schemas.schema(event_type))

    fastavro.schemaless_writer(io.BytesIO(), schema, {envelope(event_type): sample(event_type)["data"]})


def test_the_sample_of_an_event_can_be_simulated(tmp_path: Any) -> None:
    activities = tmp_path / "sample.jsonl"
    activities.write_text(run("events", PASSING).stdout.splitlines()[-1])
    file = tmp_path / "catalog.json"
    file.write_text(json.dumps(catalog(PASSING)))

    result = run("simulate", "--catalog", str(file), "--activities", str(activities))

    assert json.loads(result.stdout)["learner"] == 42


def test_every_event_is_listed_with_its_topic_and_whether_the_site_reads_it() -> None:
    listed = run(
        "events", "--json", BADGES_SOURCE_TOPICS="dev-learning-badges-lifecycle", BADGES_TOPIC_PREFIX="dev"
    )

    rows = {row["type"]: row for row in map(json.loads, listed.stdout.splitlines())}
    assert set(rows) == schemas.event_types() - {schemas.BADGE_REVOKED}
    assert (rows[PASSING]["topic"], rows[PASSING]["read"]) == ("dev-learning-badges-lifecycle", True)
    assert (rows[ENROLLED]["shipped"], rows[ENROLLED]["read"]) == (False, False)
    assert all(event_type in run("events").stdout for event_type in rows)


@pytest.mark.parametrize("name", [PASSING, PASSING.removeprefix("org.openedx.learning.")])
def test_an_event_is_shown_with_its_fields(name: str) -> None:
    shown = run("events", name).stdout

    assert PASSING in shown
    assert "│ course.course_key" in shown
    assert "at each recalculation" in shown
    fields = {f["path"]: f for f in json.loads(run("events", name, "--json").stdout)["fields"]}
    assert fields["is_passing"] == {"path": "is_passing", "type": "boolean", "optional": False}
    assert fields["course.start"]["optional"]


def test_an_event_that_there_is_not_is_answered_with_what_may_be_meant() -> None:
    result = run("events", PASSING.replace("passing", "pasing"))

    assert result.exit_code == 2
    assert f"did you mean {PASSING}?" in result.stderr


def test_the_settings_for_a_catalog_switch_on_what_its_rules_use() -> None:
    text = CATALOG.read_text()
    used = {c["event_type"] for t in yaml.safe_load(text)["templates"] for c in _conditions(t)}

    printed = run("lms-settings", "-", given=text, BADGES_TOPIC_PREFIX="dev").stdout

    config: dict[str, Any] = {}
    exec(printed, {"EVENT_BUS_PRODUCER_CONFIG": config})
    assert set(config) == used - schemas.BADGE_EVENTS
    assert config[PASSING] == {
        "learning-badges-lifecycle": {
            "event_key_field": "course_passing_status.course.course_key",
            "enabled": True,
        }
    }
    assert "BADGES_SOURCE_TOPICS=dev-learning-badges-lifecycle," in printed


@pytest.mark.parametrize(
    ("bus", "needed"),
    [("kafka", "topics --create --all"), ("redis", "EVENT_BUS_REDIS_CONNECTION_URL")],
)
def test_the_settings_for_a_catalog_say_what_its_bus_needs_besides(bus: str, needed: str) -> None:
    printed = {name: run("lms-settings", str(CATALOG), BADGES_BUS=name).stdout for name in ("kafka", "redis")}

    assert [name for name, text in printed.items() if needed in text] == [bus]
    assert [line for line in printed["kafka"].splitlines() if not line.startswith("#")] == [
        line for line in printed["redis"].splitlines() if not line.startswith("#")
    ]


def _conditions(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["requirements"], *template.get("penalties", ())]


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        (catalog(PASSING, rules=[{"path": "course.course_key", "operator": "exists"}]), True),
        (catalog(PASSING, rules=[{"path": "course.course_id", "operator": "exists"}]), False),
        (catalog(PASSING, count=2, distinct="course.course_key"), True),
        (catalog(PASSING, count=2, distinct="course_key"), False),
        (
            catalog(
                "org.openedx.learning.forum.thread.created.v1",
                rules=[{"path": "options.any_key", "operator": "exists"}],
            ),
            True,
        ),
        (catalog(PASSING, text={"de": "Bestehen"}), True),
        (catalog(PASSING, text={"German": "Bestehen"}), False),
    ],
)
def test_an_editor_that_has_the_schema_knows_the_paths_of_each_event(
    document: dict[str, Any], valid: bool
) -> None:
    schema = json.loads(run("schema").stdout)

    assert jsonschema.Draft202012Validator(schema).is_valid(document) is valid

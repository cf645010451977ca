"""What a catalog probably does not mean is said by `check`, and is no fault."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from click.testing import CliRunner

from streams.cli import main

SUMMARY = "org.openedx.learning.course.persistent_grade_summary.changed.v1"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
BADGE = "org.openedx.learning.badge.awarded.v1"
OPEN_BADGES = {
    "id": str(UUID(int=1)),
    "provider": "open_badges",
    "name": "Example University",
    "url": "https://badges.example.edu",
}
FIRST, SECOND = str(UUID(int=2)), str(UUID(int=3))


def catalog(*types: str) -> str:
    """A template for these event types, and one that requires its badge alone."""
    organization = str(UUID(int=1))
    requirements = [{"id": f"r{n}", "event_type": event_type} for n, event_type in enumerate(types)]
    rule = {"path": "template.uuid", "operator": "eq", "value": FIRST}
    templates = [
        {"id": FIRST, "organization": organization, "name": "Grades", "requirements": requirements},
        {
            "id": SECOND,
            "organization": organization,
            "name": "More",
            "requirements": [{"id": "b", "event_type": BADGE, "rules": [rule]}],
        },
    ]
    return yaml.safe_dump({"version": 1, "organizations": [{"id": organization}], "templates": templates})


@pytest.mark.parametrize(
    ("types", "said"), [((SUMMARY,), True), ((SUMMARY, PASSING), False), ((PASSING,), False)]
)
def test_a_template_whose_events_never_name_the_learners_address_is_told(
    types: tuple[str, ...], said: bool, tmp_path: Path
) -> None:
    file = tmp_path / "catalog.yaml"
    file.write_text(catalog(*types))
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 0, result.output
    assert ("templates[0] (Grades)" in result.stderr) == said
    assert "templates[1]" not in result.stderr
    assert "2 badge templates, no fault" in result.stdout


@pytest.mark.parametrize(
    ("organization", "texts", "said"),
    [
        (OPEN_BADGES, {}, ["has no description", "has no criteria"]),
        (OPEN_BADGES, {"description": "For work", "criteria": {"en": "Work"}}, []),
        (OPEN_BADGES, {"description": "", "criteria": "Work"}, ["has no description"]),
        ({"id": OPEN_BADGES["id"]}, {}, []),
        ({"id": OPEN_BADGES["id"]}, {"image_url": "http://x.example/a.png"}, ["is no https address"]),
        ({"id": OPEN_BADGES["id"]}, {"image_url": "a.png"}, ["is no https address"]),
        ({"id": OPEN_BADGES["id"]}, {"image_url": "https://x.example/a.png"}, []),
    ],
)
def test_what_people_would_not_read_or_see_is_told(
    organization: dict[str, str], texts: dict[str, Any], said: list[str], tmp_path: Path
) -> None:
    document = yaml.safe_load(catalog(PASSING))
    document["organizations"] = [organization]
    document["templates"] = document["templates"][:1]
    document["templates"][0].update(texts)
    document["templates"][0]["requirements"][0]["rules"] = [
        {"path": "is_passing", "operator": "eq", "value": True}
    ]
    file = tmp_path / "catalog.yaml"
    file.write_text(yaml.safe_dump(document))

    result = CliRunner().invoke(main, ["check", str(file)])

    assert result.exit_code == 0, result.output
    warned = [line for line in result.stderr.splitlines() if "templates[0]" in line]
    assert len(warned) == len(said), result.stderr
    assert all(words in " ".join(warned) for words in said), result.stderr


@pytest.mark.parametrize(("provider", "said"), [("accredible", True), ("credly", False)])
def test_evidence_that_the_issuer_is_not_told_is_said(provider: str, said: bool, tmp_path: Path) -> None:
    declared = yaml.safe_load(catalog(PASSING))
    declared["organizations"][0]["provider"] = provider
    for number, template in enumerate(declared["templates"]):
        template |= {"evidence": True} | (
            {"external_id": str(number + 1)} if provider == "accredible" else {}
        )
    file = tmp_path / "catalog.yaml"
    file.write_text(yaml.safe_dump(declared))
    result = CliRunner().invoke(main, ["check", str(file)])
    assert result.exit_code == 0, result.output
    assert ("templates[1].evidence (More): accredible is not told what counted" in result.stderr) == said

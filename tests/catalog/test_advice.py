"""What a catalog probably does not mean is said by `check`, and is no fault."""

from pathlib import Path
from uuid import UUID

import pytest
import yaml
from click.testing import CliRunner

from streams.cli import main

SUMMARY = "org.openedx.learning.course.persistent_grade_summary.changed.v1"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
BADGE = "org.openedx.learning.badge.awarded.v1"
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

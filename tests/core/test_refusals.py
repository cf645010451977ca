"""What is refused, and what is said of it: catalogs and lines of a rehearsal."""

import json
from typing import Any

import pytest

from streams.catalog import load_catalog
from streams.errors import CatalogError
from streams.simulate import simulate

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"


def catalog(requirement: dict[str, Any] | None, **organization: Any) -> str:
    template = {
        "id": "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10",
        "organization": ORGANIZATION,
        "name": "Stream Master",
        "requirements": [] if requirement is None else [requirement],
    }
    organizations = [{"id": ORGANIZATION, **organization}]
    return json.dumps({"version": 1, "organizations": organizations, "templates": [template]})


def faults(text: str) -> list[str]:
    with pytest.raises(CatalogError) as refusal:
        load_catalog(text)
    return list(refusal.value.faults)


def rehearse(*lines: str) -> tuple[list[bytes], list[str]]:
    reports: list[str] = []
    accepted = catalog({"id": "kafka", "event_type": PASSING})
    decisions = list(simulate(accepted, [line.encode() for line in lines], reports.append))
    return decisions, reports


def activity(user: object) -> str:
    source = {"topic": "courses", "partition": 0, "offset": 1}
    line = {
        "type": PASSING,
        "id": "a",
        "time": "2026-01-01T00:00:00",
        "source": source,
        "data": {"user": user},
    }
    return json.dumps(line)


def test_a_faulty_requirement_does_not_count_as_no_requirement() -> None:
    assert faults(catalog({"id": "kafka", "event_type": PASSING, "color": "red"})) == [
        "templates[0].requirements[0].color: unknown key"
    ]


def test_a_template_without_a_requirement_is_a_fault() -> None:
    assert faults(catalog(None)) == ["templates[0].requirements: must not be empty"]


def test_a_password_in_an_url_is_an_inline_secret_and_is_not_repeated() -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, url="https://me:hush@proxy.example.org/v1"))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].url"]
    assert "hush" not in said[0]


@pytest.mark.parametrize("depth", [600, 1000, 1015, 3000])
def test_a_catalog_line_nested_too_deeply_is_reported_and_the_next_line_judged(depth: int) -> None:
    decisions, reports = rehearse('{"catalog": ' + "[" * depth + "]" * depth + "}", activity({"id": 7}))
    assert len(decisions) == 1
    assert [report.partition(":")[0] for report in reports] == ["line 1"]


def test_a_bare_number_in_place_of_user_data_names_no_learner() -> None:
    decisions, reports = rehearse(activity(5))
    assert decisions == []
    assert reports == ["line 1: data.user: names no learner"]

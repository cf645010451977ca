"""What learners read: one text for all, or one for each language."""

import json
from typing import Any
from uuid import UUID

import pytest

from streams.catalog import load_catalog
from streams.catalog.texts import in_language
from streams.errors import CatalogError

ONE, TWO = str(UUID(int=1)), str(UUID(int=2))
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
BADGE = "org.openedx.learning.badge.awarded.v1"


def catalog(text: Any = None, criteria: Any = None) -> str:
    badge = {
        "id": "other",
        "event_type": BADGE,
        "text": {"en": "Hold the other badge"},
        "rules": [{"path": "template.uuid", "operator": "eq", "value": TWO}],
    }
    any_course = {"id": "any", "event_type": PASSING, **({} if text is None else {"text": text})}
    template = {
        "id": ONE,
        "organization": ONE,
        "name": "Any",
        "requirements": [any_course, badge],
        **({} if criteria is None else {"criteria": criteria}),
    }
    other = {"id": TWO, "organization": ONE, "name": "Other", "requirements": [any_course]}
    return json.dumps({"version": 1, "organizations": [{"id": ONE}], "templates": [template, other]})


def test_requirements_and_templates_have_texts_in_one_language_or_in_several() -> None:
    template = load_catalog(catalog("Pass a course", {"en": "All of it", "pt-br": "Tudo"})).templates[ONE]

    assert [requirement.text for requirement in template.requirements] == [
        {"": "Pass a course"},
        {"en": "Hold the other badge"},
    ]
    assert template.criteria == {"en": "All of it", "pt-br": "Tudo"}


@pytest.mark.parametrize(
    "text", ["", " ", [], {}, 5, True, {"de": ""}, {"de": 5}, {"": "x"}, {"German": "x"}]
)
def test_what_is_no_text_is_refused_at_its_place(text: Any) -> None:
    for fault in (catalog(text), catalog("x", text)):
        with pytest.raises(CatalogError) as refusal:
            load_catalog(fault)
        assert {line.partition(": ")[0] for line in refusal.value.faults} <= {
            "templates[0].criteria",
            "templates[0].requirements[0].text",
            "templates[1].requirements[0].text",
        }


def test_a_text_changes_no_rules() -> None:
    assert load_catalog(catalog("x")).compiled.revision == load_catalog(catalog("y")).compiled.revision


@pytest.mark.parametrize(
    ("languages", "text"),
    [
        (["de"], "Deutsch"),
        (["de-AT"], "Deutsch"),
        (["pt"], "Português"),
        (["fr", "de"], "Deutsch"),
        (["fr"], "English"),
        ([], "English"),
    ],
)
def test_a_text_is_in_the_first_language_that_there_is(languages: list[str], text: str) -> None:
    texts = {"de": "Deutsch", "en": "English", "pt-BR": "Português"}

    assert in_language(texts, languages) == text


def test_a_text_for_all_is_for_all() -> None:
    assert in_language({"": "Pass"}, ["de"]) == "Pass"
    assert in_language({"it": "Ciao"}, ["de"]) == "Ciao"

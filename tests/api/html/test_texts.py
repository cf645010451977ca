"""The pages' texts are in every language, and their classes in the style sheet."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from streams.api.html.languages import FOLDER, NAMES, spoken
from streams.api.html.rendering import STATIC, style

TEMPLATES = FOLDER.parent / "templates"
OTHERS = sorted(set(NAMES) - {"en"})


def texts() -> Iterator[str | tuple[str, ...]]:
    """Of what learners read: the console speaks English alone (decision 0090)."""
    options = {"**.html": {"newstyle_gettext": "true"}}
    for file, _, text, _, _ in extract_from_dir(TEMPLATES, [("**.html", "jinja2")], options):
        if not file.startswith("console/"):
            yield text


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_in_every_language_with_what_it_names(language: str) -> None:
    with (FOLDER / language / "messages.po").open("rb") as file:
        catalog = read_po(file, locale=language)
    wanted = {text if isinstance(text, str) else text[0] for text in texts()}

    assert {message.id if isinstance(message.id, str) else message.id[0] for message in catalog} - {
        ""
    } == wanted
    for message in catalog:
        said = message.string
        assert said if isinstance(said, str) else said and all(said), message.id
        assert not list(message.check(catalog)), message.id
        assert message.id == "" or not message.fuzzy


def used_in(templates: Iterable[Path]) -> set[str]:
    """The classes that these templates name."""
    named = (re.findall(r'class="([^"]*)"', file.read_text()) for file in templates)
    return {
        name
        for classes in named
        for each in classes
        for name in re.sub(r"{%.*?%}|{{.*?}}", " ", each).split()
    }


def test_no_rule_of_the_consoles_changes_a_learners_page() -> None:
    rules = re.sub(r"/\*.*?\*/|@media[^{]*{", "", (STATIC / "console.css").read_text(), flags=re.S)
    learners = used_in(TEMPLATES.glob("*.html"))

    for selectors in re.findall(r"([^{}]+){", rules):
        for one in selectors.split(","):
            assert set(re.findall(r"\.([a-z][\w-]*)", one)) - learners, one


def test_every_class_of_the_templates_is_in_the_style_sheet() -> None:
    _, css = style()
    used = used_in(TEMPLATES.rglob("*.html"))

    assert {name for name in used if f".{name}".encode() not in css} == {"badge-card"}


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ([], "en"),
        (["de"], "en"),
        (["de", "es-419", "ar"], "es"),
        (["AR-eg"], "ar"),
        (["en-GB", "es"], "en"),
    ],
)
def test_a_page_is_in_the_first_language_that_it_speaks(asked: list[str], language: str) -> None:
    assert spoken(asked) == language

"""What the documents show works as shown."""

import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from streams.badges import Operator
from streams.catalog import load_catalog
from streams.catalog.document import (
    AccredibleOrganization,
    CredlyOrganization,
    Declaration,
    PenaltyDeclaration,
    RequirementDeclaration,
    RuleDeclaration,
    TemplateDeclaration,
    WebhookOrganization,
)
from streams.cli import main
from streams.kafka.dead_letters import REASONS
from streams.kafka.topics import topics
from streams.relay.waiting import Place
from streams.runtime.partition import NEXT
from streams.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERY_PAGE = pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
EXAMPLES = [
    pytest.param(example, id=f"{document.name}-{number}")
    for document in (ROOT / "README.md", ROOT / "docs" / "catalog.md", ROOT / "docs" / "issuers.md")
    for number, example in enumerate(
        re.findall(r"```yaml\n(version: 1\n.*?)```", document.read_text(), re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_catalog_in_the_documents_has_no_fault(example: str) -> None:
    assert load_catalog(example).templates


@EVERY_PAGE
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@EVERY_PAGE
def test_every_link_to_a_heading_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*\.md)?#([^)]*)\)", document.read_text())
    missing = [
        f"{page}#{place}"
        for page, place in links
        if place not in _headings(document.parent / page if page else document)
    ]

    assert missing == []


@EVERY_PAGE
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = re.findall(r"`((?:streams|tests|docs|avro|helm)/[\w./-]+)`", document.read_text())

    assert [path for path in named if not (ROOT / path).exists()] == []


@EVERY_PAGE
def test_what_is_named_after_a_file_is_defined_there(document: Path) -> None:
    named = re.findall(r"`(streams/[\w/]+\.py)` `([\w.]+)`", document.read_text())
    missing = [
        f"{path}: {names}"
        for path, names in named
        for name in names.split(".")
        if not re.search(
            rf"^ *(async def|def|class) {name}\b|^{name}\b.* = ", (ROOT / path).read_text(), re.M
        )
    ]

    assert missing == []


@pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_has_its_row_in_the_index(record: Path) -> None:
    begins = re.match(r"# (.+)\n\nStatus: (accepted|superseded), (\d{4}-\d\d-\d\d)\n", record.read_text())
    assert begins, "a record begins with its title, an empty line, and its status and date"
    title, status, date = begins.groups()
    number = record.name[:4]

    row = f"| [{number}]({record.name}) | {title} | {status} | {date} |\n"
    assert row in (record.parent / "README.md").read_text()


@pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_says_what_it_was_about_and_what_it_costs(record: Path) -> None:
    assert re.findall("^## (.*)", record.read_text(), re.M) == ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_in_force_is_named_where_it_binds(record: Path) -> None:
    assert "Status: superseded" in record.read_text() or record.name[:4] in _named_decisions()


def test_every_decision_that_is_named_is_recorded() -> None:
    assert _named_decisions() <= {record.name[:4] for record in DECISIONS}


def test_a_partitions_states_and_transitions_are_those_of_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = {
        state: {name.strip() for name in nexts.split(",")}
        for state, nexts in re.findall(r"^\| (\w+) \| [^|]* \| ([\w, ]+) \|$", page, re.MULTILINE)
        if state in NEXT
    }

    assert rows == NEXT


def test_a_badges_places_are_those_of_the_architecture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## A badge's places")[2]

    assert re.findall(r"^\| (\w+) \|", page, re.MULTILINE)[1:] == list(get_args(Place))


def test_every_command_has_its_row_in_the_readme() -> None:
    rows = "\n".join(re.findall(r"^\| (.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE))

    assert [name for name in main.commands if not re.search(rf"`{name}\b", rows)] == []


def test_every_topic_of_ours_is_named_where_personal_data_is() -> None:
    names = topics(Settings.model_construct(app_id="{app}", relay_id="{relay}", bus="redis"))
    page = (ROOT / "docs" / "security.md").read_text()
    ours = (*names.bridge, *names.tracker, *names.relay)

    assert [topic.name for topic in ours if f"`{topic.name}`" not in page] == []


def test_every_operator_has_its_row_in_the_catalog_by_example() -> None:
    assert _first_cells("## Operators") == sorted(get_args(Operator))


@pytest.mark.parametrize(
    ("heading", "declaration"),
    [
        ("### Of the catalog", Declaration),
        ("### Of an organization", CredlyOrganization),
        ("### Of an account at Accredible", AccredibleOrganization),
        ("### Of a webhook", WebhookOrganization),
        ("### Of a template", TemplateDeclaration),
        ("### Of a requirement", RequirementDeclaration),
        ("### Of a penalty", PenaltyDeclaration),
        ("### Of a rule", RuleDeclaration),
    ],
)
def test_every_key_of_a_catalog_has_its_row(heading: str, declaration: type[BaseModel]) -> None:
    assert _first_cells(heading) == sorted(declaration.model_fields)


def test_each_reason_of_a_dead_letter_has_its_way_out() -> None:
    raised = {
        reason
        for module in (ROOT / "streams").rglob("*.py")
        for reason in re.findall(r'UnreadableError\(\s*"(\w+)"', module.read_text())
    }
    page = (
        (ROOT / "docs" / "operate.md").read_text().partition("\n## Dead letters\n")[2].partition("\n## ")[0]
    )
    table = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    explained = {reason for row in table for reason in re.findall(r"`(\w+)`", row)}

    # A rehearsal's lines are no letters.
    assert raised - {"line"} == explained == set(REASONS)


def test_every_command_that_finds_something_wrong_has_its_row_of_exit_codes() -> None:
    page = (ROOT / "docs" / "operate.md").read_text()
    table = page.partition("| command | is 1 if |")[2].partition("\n\n")[0]
    says_so = {name for name, command in _leaves(main) if "xit 1 if" in (command.help or "")}

    assert set(re.findall(r"^\| `([\w -]+)` \|", table, re.MULTILINE)) == says_so


@pytest.mark.parametrize(
    ("code", "arguments", "settings"),
    [
        (0, ["check", "streams/sandbox/catalog.yaml"], {}),
        (1, ["check", "-"], {}),
        (1, ["topics", "--wait", "0.2"], {"BADGES_KAFKA": "127.0.0.1:1"}),
        (2, ["topics", "--no-such-option"], {}),
        (2, ["topics"], {"BADGES_PARTITIONS": "none"}),
        (2, ["topics"], {"BADGES_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}),
        (2, ["catalog", "publish", "-"], {}),
        (2, ["record", "--type", "org.openedx.no.such.event.v1"], {}),
        (2, ["dead-letters", "redrive"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_exit_code_means_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, code: int, arguments: list[str], settings: dict[str, str]
) -> None:
    monkeypatch.chdir(ROOT)
    ran = CliRunner().invoke(main, arguments, input="version: 1\ntemplates: [{}]\n", env=settings)

    assert (ran.exit_code, isinstance(ran.exception, SystemExit | None)) == (code, True), ran.output
    table = (
        (ROOT / "docs" / "operate.md").read_text().partition("| exit code | means |")[2].partition("\n\n")[0]
    )
    assert f"\n| {code} | " in table


@pytest.mark.parametrize("page", ["reference.md", "events.md", "asyncapi.yaml"])
def test_a_page_that_is_made_is_what_the_code_declares(page: str, tmp_path: Path) -> None:
    made = tmp_path / page

    subprocess.run([sys.executable, ROOT / "docs" / f"make_{made.stem}.py", made], check=True)

    assert made.read_text() == (ROOT / "docs" / page).read_text(), "run make reference"


def _first_cells(heading: str) -> list[str]:
    """The names in the first column of the table below a heading of the catalog's page."""
    page = (ROOT / "docs" / "catalog.md").read_text().partition(f"\n{heading}\n")[2]
    rows = re.findall(r"^\| (\W*`.*?) \|", re.split(r"^##", page, maxsplit=1, flags=re.M)[0], re.MULTILINE)
    return sorted(re.findall(r"`(\w+)`", " ".join(rows)))


def _leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


@functools.cache
def _named_decisions() -> frozenset[str]:
    """The numbers of the records that code, chart, plugin and build files name."""
    folders = (
        path
        for folder in ("streams", "helm", "tutor")
        for path in (ROOT / folder).rglob("*.*")
        if path.is_file()
    )
    files = (*folders, ROOT / "Dockerfile", ROOT / "Makefile", ROOT / "pyproject.toml")
    texts = (path.read_text() for path in files if path.suffix not in (".pyc", ".json", ".png"))
    return frozenset(number for text in texts for number in re.findall(r"[Dd]ecision (\d{4})", text))


def _headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

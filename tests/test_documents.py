"""What the documents show works as shown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams.catalog import load_catalog

ROOT = Path(__file__).parents[1]
EXAMPLES = [
    pytest.param(example, id=f"{document.name}-{number}")
    for document in (ROOT / "README.md", ROOT / "docs" / "catalog.md")
    for number, example in enumerate(
        re.findall(r"```yaml\n(version: 1\n.*?)```", document.read_text(), re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_catalog_in_the_documents_has_no_fault(example: str) -> None:
    assert load_catalog(example).templates


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_every_link_to_a_heading_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*\.md)?#([^)]*)\)", document.read_text())
    missing = [
        f"{page}#{place}"
        for page, place in links
        if place not in _headings(document.parent / page if page else document)
    ]

    assert missing == []


def test_each_reason_of_a_dead_letter_has_its_way_out() -> None:
    raised = {
        reason
        for module in (ROOT / "streams").rglob("*.py")
        for reason in re.findall(r'UnreadableError\(\s*"(\w+)"', module.read_text())
    }
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE)
    explained = {reason for row in table for reason in re.findall(r"`(\w+)`", row)}

    # A rehearsal's lines are no letters.
    assert raised - {"line"} == explained


def test_the_reference_is_what_the_code_declares(tmp_path: Path) -> None:
    made = tmp_path / "reference.md"

    subprocess.run([sys.executable, ROOT / "docs" / "make_reference.py", made], check=True)

    assert made.read_text() == (ROOT / "docs" / "reference.md").read_text()


def _headings(document: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

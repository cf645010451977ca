"""Which language a learner reads."""

from pathlib import Path

import pytest
import yaml

from streams.api.languages import accepted
from tests.api.world import CATALOG, MASTER, judged, of, passed, rows, world


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, []),
        ("", []),
        ("de", ["de"]),
        ("de-CH, de;q=0.9, en;q=0.8", ["de-CH", "de", "en"]),
        ("en;q=0.5, fr", ["fr", "en"]),
        ("en;q=0, fr", ["fr"]),
        ("*", []),
        ("en;q=high, ;;;, de", ["de"]),
        ("x" * 600 + ",de", []),
    ],
)
def test_languages_come_the_best_first(header: str | None, languages: list[str]) -> None:
    assert accepted(header) == languages


async def test_a_requirement_is_read_in_the_learners_language(tmp_path: Path) -> None:
    document = yaml.safe_load(CATALOG.read_text())
    master = next(template for template in document["templates"] if template["id"] == MASTER)
    master["requirements"][1]["text"] = {"en": "Pass the other course", "de": "Bestehe den anderen Kurs"}
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump(document))

    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)])), catalog=catalog) as here:
        german = await here.get("progress/", of(42) | {"Accept-Language": "de-AT,de;q=0.9"})
        asked = await here.get("progress/", of(42) | {"Accept-Language": "en"}, lang="de")
        english = await here.get("progress/", of(42))

    def lacks(page: dict[str, list[dict[str, object]]]) -> object:
        return page["results"][0]["lacks"]

    assert lacks(german) == lacks(asked) == ["Bestehe den anderen Kurs"]
    assert lacks(english) == ["Pass the other course"]

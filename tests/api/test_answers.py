"""What the API answers about templates, progress and badges."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.world import APPRENTICE, CATALOG, MASTER, judged, of, passed, rows, world


async def test_templates_are_for_everybody_with_their_requirements(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        page = await here.get("templates/")

    assert page["count"] == 8
    assert page["next"] is page["previous"] is None
    apprentice = next(one for one in page["results"] if one["id"] == APPRENTICE)
    assert apprentice["name"] == "Kafka Apprentice"
    assert apprentice["organization"]["name"] == "Demo University"
    assert [r["id"] for group in apprentice["groups"] for r in group["requirements"]] == ["kafka"]


async def test_a_learner_sees_how_far_she_is_and_what_she_holds(tmp_path: Path) -> None:
    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)]))) as here:
        progress = await here.get("progress/", of(42))
        badges = await here.get("badges/", of(42))

    master = next(one for one in progress["results"] if one["template"]["id"] == MASTER)
    assert (master["state"], master["groups_fulfilled"], master["groups_total"]) == ("in_progress", 1, 2)
    assert master["lacks"] == ["Pass Streams 201"]
    assert [badge["template"]["id"] for badge in badges["results"]] == [APPRENTICE]
    assert badges["results"][0]["awarded_at"] == "2026-03-14T15:01:00Z"


async def test_the_rest_of_the_templates_follows_where_all_are_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)]))) as here:
        begun = await here.get("progress/", of(42))
        every = await here.get("progress/", of(42), all=True)

    names = [one["template"]["name"] for one in every["results"]]
    assert every["count"] == 8
    assert every["results"][: begun["count"]] == begun["results"]
    assert names[begun["count"] :] == sorted(names[begun["count"] :])
    assert {one["state"] for one in every["results"][begun["count"] :]} == {"not_begun"}


async def test_who_has_done_nothing_has_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert (await here.get("progress/", of(42)))["results"] == []
        assert (await here.get("badges/", of(42)))["results"] == []


def with_apprentice(folder: Path, **changes: Any) -> Path:
    """The catalog, with another Kafka Apprentice."""
    document = yaml.safe_load(CATALOG.read_text())
    for template in document["templates"]:
        if template["id"] == APPRENTICE:
            template.update(changes)
    file = folder / "catalog.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("lasts", "renewable", "told", "state", "expires"),
    [
        ("P2Y", False, "P24M", "held", "2028-03-14T15:01:00Z"),
        ("P1M", True, "P1M", "expired", "2026-04-14T15:01:00Z"),
        ("P1M", False, "P1M", "held", "2026-04-14T15:01:00Z"),
        ("P10DT12H", True, "P10DT43200S", "expired", "2026-03-25T03:01:00Z"),
    ],
)
async def test_a_badge_says_when_it_expires(
    tmp_path: Path, lasts: str, renewable: bool, told: str, state: str, expires: str
) -> None:
    catalog = with_apprentice(tmp_path, expires_after=lasts, renewable=renewable)
    learners = judged([passed(42, "kafka", 1)], catalog.read_bytes())

    async with world(tmp_path, rows(learners), catalog=catalog) as here:
        template = await here.get(f"templates/{APPRENTICE}/")
        [badge] = (await here.get("badges/", of(42)))["results"]

    assert (template["expires_after"], template["renewable"]) == (told, renewable)
    assert (badge["state"], badge["expires_at"]) == (state, expires)


async def test_a_badge_of_a_template_that_is_gone_is_still_hers(tmp_path: Path) -> None:
    learners = judged([passed(42, "kafka", 1)])
    catalog = with_apprentice(tmp_path, active=False)

    async with world(tmp_path, rows(learners), catalog=catalog) as here:
        [badge] = (await here.get("badges/", of(42)))["results"]
        ids = [one["template"]["id"] for one in (await here.get("progress/", of(42)))["results"]]

        assert await here.status(f"templates/{APPRENTICE}/") == 404

    assert (badge["state"], badge["template"]["name"]) == ("held", "Kafka Apprentice")
    assert APPRENTICE not in ids

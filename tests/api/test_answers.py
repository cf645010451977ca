"""What the API answers about templates, progress and badges."""

from pathlib import Path

from tests.api.world import APPRENTICE, MASTER, judged, of, passed, rows, world


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
    assert master["lacks"] == ["streams"]
    assert [badge["template"]["id"] for badge in badges["results"]] == [APPRENTICE]
    assert badges["results"][0]["awarded_at"] == "2026-03-14T15:01:00Z"


async def test_who_has_done_nothing_has_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        assert (await here.get("progress/", of(42)))["results"] == []
        assert (await here.get("badges/", of(42)))["results"] == []

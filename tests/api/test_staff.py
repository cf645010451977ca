"""What administrators are answered: a template's learners, a learner's reasons, numbers."""

from pathlib import Path
from typing import Any

import pytest

from streams.api.rows import issuance_row
from streams.api.store import Batch
from streams.badges import badge_id, decision_id
from tests.api.world import APPRENTICE, MASTER, issued, judged, of, passed, rows, staff, world

EACH = ("templates/{}/holders/", "templates/{}/progress/", "learners/42/explain/", "counts/", "waiting/")


def classroom() -> Batch:
    """Learners 1 to 30 passed one course, the first ten of them both; 30 has lost hers again."""
    lines = [passed(n, "kafka", 1) for n in range(1, 31)] + [passed(n, "streams", 2) for n in range(1, 11)]
    return rows(judged([*lines, passed(30, "kafka", 3, passing=False)]))


async def test_holders_come_in_pages(tmp_path: Path) -> None:
    async with world(tmp_path, classroom()) as here:
        first = await here.get(f"templates/{APPRENTICE}/holders/", staff())
        answer = await here.ask.get(first["next"], headers=staff())
        second = answer.json()

    assert first["count"] == 29
    assert [one["learner"]["lms_user_id"] for one in first["results"]] == list(range(1, 21))
    assert [one["learner"]["lms_user_id"] for one in second["results"]] == list(range(21, 30))
    assert (first["previous"], second["next"]) == (None, None)
    assert first["results"][0]["learner"]["username"] == "user1"


async def test_who_lost_the_badge_is_asked_for_by_state(tmp_path: Path) -> None:
    async with world(tmp_path, classroom()) as here:
        revoked = await here.get(f"templates/{APPRENTICE}/holders/", staff(), state="revoked")
        both = await here.get(f"templates/{APPRENTICE}/holders/", staff(), state="all")

    assert [one["learner"]["lms_user_id"] for one in revoked["results"]] == [30]
    assert revoked["results"][0]["badge"]["state"] == "revoked"
    assert both["count"] == 30


async def test_who_has_begun_is_listed_with_how_far(tmp_path: Path) -> None:
    async with world(tmp_path, classroom()) as here:
        page = await here.get(f"templates/{MASTER}/progress/", staff(), page_size=100)

    states = {one["learner"]["lms_user_id"]: one["progress"]["state"] for one in page["results"]}
    assert states == {n: "held" if n <= 10 else "in_progress" for n in range(1, 30)}


async def test_counts_say_how_far_the_learners_are(tmp_path: Path) -> None:
    async with world(tmp_path, classroom()) as here:
        page = await here.get("counts/", staff())

    master = next(one for one in page["results"] if one["template"]["id"] == MASTER)
    assert (master["held"], master["begun"], master["groups_total"]) == (10, 29, 2)
    assert [share["learners"] for share in master["histogram"]] == [0, 19, 10]


async def test_a_learner_is_explained_as_the_command_explains_her(tmp_path: Path) -> None:
    async with world(tmp_path, classroom()) as here:
        told = await here.get("learners/42/explain/", staff())
        known = await here.get("learners/1/explain/", staff())

    assert "no relevant activity has been seen" in told["lines"]
    assert f"Kafka Apprentice ({APPRENTICE}): 1 of 1 groups" in known["lines"]
    assert any(line.startswith("  awarded 2026-03-14T15:01:00+00:00") for line in known["lines"])


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"held": "x", "state": "pending", "sure": True}, "pending"),
        ({"held": "x", "state": "accepted", "sure": True}, "accepted"),
        ({}, "waiting"),
        ({"refused": "no such template"}, "refused"),
    ],
)
async def test_a_badge_says_where_it_is_at_its_issuer(tmp_path: Path, fields: Any, state: str) -> None:
    batch = rows(judged([passed(42, "kafka", 1)]))
    badge = badge_id(APPRENTICE, 42)
    key, row = issued(42, APPRENTICE, **fields | {"decision": str(decision_id(badge, "awarded", 1))})
    batch.issuances[key] = issuance_row(row)

    async with world(tmp_path, batch) as here:
        [shown] = (await here.get("badges/", of(42)))["results"]

    assert shown["issuer"]["state"] == state


@pytest.mark.parametrize("path", EACH)
async def test_only_administrators_are_answered(tmp_path: Path, path: str) -> None:
    path = path.format(APPRENTICE)

    async with world(tmp_path, classroom()) as here:
        assert await here.status(path) == 401
        assert await here.status(path, of(42)) == 403
        assert await here.status(path, staff()) == 200

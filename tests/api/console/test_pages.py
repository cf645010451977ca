"""The console's pages: what is on them, who sees them, and that nobody's text becomes part of them."""

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from markupsafe import escape

from streams.api.console.answering import CONSOLE
from streams.catalog.in_force import Revision, pack
from streams.errors import FatalError
from streams.operate.dead_letters import Filter
from tests.api.console.desk import LETTER, PATHS, Desk, classroom, console, desk, letter, page, row
from tests.api.world import APPRENTICE, CATALOG, MASTER, judged, of, passed, rows, staff

HOSTILE = "</bdi><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
SHELL = "x'; rm -rf ~ #"


@pytest.mark.parametrize("path", PATHS)
async def test_administrators_alone_see_a_page(tmp_path: Path, path: str) -> None:
    async with console(tmp_path, desk(), login="https://lms.example.org/login") as here:
        learner = await here.ask.get(f"{CONSOLE}{path}", headers=of(42))
        nobody = await here.ask.get(f"{CONSOLE}{path}")
        await page(here, path)

    assert (learner.status_code, nobody.status_code) == (403, 401)
    for answer in (learner, nobody):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "user1" not in answer.text
    assert "https://lms.example.org/login?next=" in nobody.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("writes", [False, True])
async def test_a_page_is_kept_by_nobody_and_runs_nothing(tmp_path: Path, path: str, writes: bool) -> None:
    async with console(tmp_path, desk(), writes=writes) as here:
        answer = await page(here, path)

    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text
    assert ('method="post"' in answer.text) <= writes


async def test_nobodys_text_becomes_part_of_a_page(tmp_path: Path) -> None:
    document = yaml.safe_load(CATALOG.read_text())
    document["organizations"][0]["name"] = HOSTILE
    for one in document["templates"]:
        one.update(name=HOSTILE, description=HOSTILE)
    file = tmp_path / "catalog.yaml"
    file.write_text(yaml.safe_dump(document))
    batch = rows(judged([passed(1, "kafka", 1, name=HOSTILE)], file.read_bytes()))
    changed = json.dumps(document | {"templates": document["templates"][1:]}).encode()
    for n, published in enumerate((changed, json.dumps(document).encode())):
        batch.revisions.append(Revision(HOSTILE, n, n, pack(published)))
    raw = HOSTILE.encode() + b"\xff\x1b[2J"
    given = letter(raw, [(HOSTILE, raw), ("ce_type", raw)], detail=HOSTILE, place=HOSTILE, reason=HOSTILE)
    at = desk(
        rows_=[row(1, HOSTILE, agent=HOSTILE, type=HOSTILE, event=HOSTILE, what=HOSTILE)], letter_=given
    )
    at.workers_ = [type(one)(HOSTILE, HOSTILE, False, HOSTILE, HOSTILE, HOSTILE) for one in at.workers_]

    async with console(tmp_path, at, batch, writes=True, catalog=file) as here:
        texts = {path: (await page(here, path)).text for path in PATHS}

    for path in ("", "templates/", f"templates/{APPRENTICE}/", "learners/1/", "catalogs/", "dead-letters/"):
        assert "&lt;script&gt;" in texts[path], path
    assert "&lt;script&gt;" in texts[f"dead-letters/{LETTER}/"]
    for text in texts.values():
        for part in ("<script", "<img", "\x1b"):
            assert part not in text


async def test_the_overview_shows_who_works_and_what_hinders_the_issuers(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        text = (await page(here)).text

    for said in ("8 of 12", "1,204", "does not answer in time", "held back", "HTTP 503", "2.5 a second"):
        assert said in text
    assert "env CREDLY_API_KEY_DEMO" in text
    assert "expires <time" in text
    assert 'href="/console/dead-letters/?reason=refused"' in text


async def test_a_site_that_does_not_answer_holds_no_page_up(tmp_path: Path) -> None:
    class Hangs(Desk):
        async def groups(self):  # type: ignore[no-untyped-def]
            await asyncio.sleep(60)

        workers = letters = groups  # type: ignore[assignment]

    async with console(tmp_path, Hangs()) as here:
        async with asyncio.timeout(3):
            text = (await page(here)).text

    assert "Kafka is being asked" in text
    assert "The workers are being asked" in text
    assert "<dd>30</dd>" in text


async def test_trouble_is_said_with_what_is_known_all_the_same(tmp_path: Path) -> None:
    async with console(tmp_path, desk(error=FatalError("Kafka cannot be reached"))) as here:
        overview = (await page(here)).text
        letters = (await page(here, "dead-letters/")).text
        one = await page(here, f"dead-letters/{LETTER}/", 503)

    for text in (overview, letters, one.text):
        assert "Kafka cannot be reached" in text
    assert "Demo University" in overview


async def test_a_template_shows_how_far_its_learners_are_and_who_holds_it(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        master = (await page(here, f"templates/{MASTER}/")).text
        open_ones = (await page(here, f"templates/{MASTER}/?state=open&page_size=5&page=2")).text
        lost = (await page(here, f"templates/{APPRENTICE}/?state=revoked")).text
        await page(here, "templates/00000000-0000-4000-8000-000000000000/", 404)
        await page(here, f"templates/{MASTER}/?page=99", 404)

    shares = re.findall(r'<tr><th scope="row">(\d/\d)</th><td class="num">(\d+)</td>', master)
    assert shares == [("0/2", "0"), ("1/2", "19"), ("2/2", "10")]
    assert 'part-held" x="0.00" width="52.63"' in master
    assert re.findall(r'"/console/learners/(\d+)/"', open_ones) == ["16", "17", "18", "19", "20"]
    assert 'href="?state=open&amp;page_size=5&amp;page=3"' in open_ones
    assert re.findall(r'"/console/learners/(\d+)/"', lost) == ["30"]


@pytest.mark.parametrize("text", ["1", "user1", " USER1@example.com "])
async def test_a_learner_is_found_by_id_user_name_and_address(tmp_path: Path, text: str) -> None:
    async with console(tmp_path, desk()) as here:
        answer = await here.ask.get(f"{CONSOLE}learners/", params={"q": text}, headers=staff())

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/learners/1/"


async def test_whoever_is_not_known_is_said_so(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        assert "Nobody is known by that" in (await page(here, "learners/?q=nobody")).text
        assert "No relevant activity has been seen" in (await page(here, "learners/404/")).text
        await page(here, f"learners/{2**63}/", 400)


async def test_a_learner_shows_each_badge_where_it_is_and_why(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        refused = (await page(here, "learners/1/")).text
        held = (await page(here, "learners/2/")).text

    assert "HTTP 422: no such template" in refused
    assert f"badge-streams reissue --learner 1 --template {APPRENTICE}" in refused
    assert "fulfilled 2026-03-14T15:01:00+00:00 by 00000000" in refused
    assert '<span class="badge badge-secondary">accepted</span> since <time' in held


async def test_a_catalog_shows_what_it_changed(tmp_path: Path) -> None:
    document = yaml.safe_load(CATALOG.read_text())
    fewer = document | {"templates": document["templates"][:-1]}
    batch = classroom()
    for n, text in enumerate((document, fewer, {})):
        batch.revisions.append(Revision(f"catalog-{n}", n, n * 1000, pack(json.dumps(text).encode())))

    async with console(tmp_path, desk(), batch) as here:
        text = (await page(here, "catalogs/")).text
        again = (await page(here, "catalogs/")).text
        second = (await page(here, "catalogs/?page_size=1&page=2")).text

    first, second_part, third = text.split("<article")[1:]
    assert "refused" in first
    assert 'class="change-gone"' in second_part
    assert "change-" not in third
    assert "It is the first" in third
    assert again == text
    assert 'class="change-gone"' in second


async def test_dead_letters_are_filtered_and_come_in_pages(tmp_path: Path) -> None:
    at = desk(before=datetime(2026, 11, 26, 10, tzinfo=UTC))

    async with console(tmp_path, at) as here:
        query = (
            "reason=refused&worker=relay&type=course&since=2026-11-26T09:00&until=2026-11-26T12:00%2B01:00"
        )
        first = (await page(here, f"dead-letters/?{query}")).text
        second = (await page(here, f"dead-letters/?{query}&page=2")).text
        await page(here, "dead-letters/?since=yesterday", 400)
        await page(here, "dead-letters/?worker=nobody", 400)

    wanted = Filter(
        "refused", since=datetime(2026, 11, 26, 9, tzinfo=UTC), until=datetime(2026, 11, 26, 11, tzinfo=UTC)
    )
    assert at.wanted[0] == (wanted, "relay", "course")
    times = "--since=2026-11-26T09:00:00+00:00 --until=2026-11-26T11:00:00+00:00"
    assert f"badge-streams dead-letters list --reason=refused {times}" in first
    assert first.count('href="/console/dead-letters/3:') == 50
    assert second.count('href="/console/dead-letters/3:') == 20
    assert "page=2" in first
    assert "until=2026-11-26T10%3A00%3A00%2B00%3A00" in second


async def test_a_command_takes_what_is_in_a_letter_as_one_word(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        text = (await page(here, f"dead-letters/?reason={SHELL.replace('#', '%23')}")).text

    assert "dead-letters redrive &#39;--reason=x&#39;&#34;&#39;&#34;&#39;; rm -rf ~ #&#39;" in text


async def test_what_only_a_page_shows_can_be_sent_again_by_its_ids(tmp_path: Path) -> None:
    async with console(tmp_path, desk(rows_=[row(2), row(1)])) as here:
        text = (await page(here, "dead-letters/?type=course")).text

    assert "badge-streams dead-letters redrive 3:2 3:1<" in text
    assert "--all" not in text


async def test_a_letter_shows_all_but_its_bytes(tmp_path: Path) -> None:
    at = desk(letter_=letter(b"user1@example.com", [("ce_id", b"\xff\xfe")]))

    async with console(tmp_path, at) as here:
        text = (await page(here, f"dead-letters/{LETTER}/")).text
        await page(here, "dead-letters/3:18/", 404)
        await page(here, "dead-letters/nonsense/", 400)

    assert "17 bytes" in text
    assert "user1@example.com" not in text
    assert r"\xff\xfe" in text


async def test_a_letter_that_was_sent_again_shows_by_whom_and_why(tmp_path: Path) -> None:
    at = desk(letter_=letter(redriven=True, note=("op", HOSTILE)))

    async with console(tmp_path, at) as here:
        text = (await page(here, f"dead-letters/{LETTER}/")).text

    assert f"yes, by <bdi>op</bdi>: <bdi>{escape(HOSTILE)}</bdi>" in text


async def test_its_address_is_found_without_its_slash(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        answer = await here.ask.get(CONSOLE.rstrip("/"))

    assert (answer.status_code, answer.headers["location"]) == (308, CONSOLE)


async def test_before_anything_is_known_a_page_says_so(tmp_path: Path) -> None:
    async with console(tmp_path, desk()) as here:
        here.following.as_of = None
        answer = await page(here, "", 503)

    assert "being read for the first time" in answer.text

"""A learner's page: what is on it, who sees it, and that nobody's text becomes part of it."""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest
import yaml

from streams.api.html.addresses import FRAGMENT, HOME
from streams.api.html.login import login_page
from streams.api.html.rendering import style
from streams.api.rows import issuance_row
from streams.api.store import Batch
from streams.badges import badge_id, decision_id
from tests.api.world import (
    APPRENTICE,
    CATALOG,
    MASTER,
    World,
    issued,
    judged,
    of,
    passed,
    rows,
    shown,
    token,
    world,
)

PAGES = (HOME, FRAGMENT)
HOSTILE = "</bdi><script>alert(1)</script><img src=x onerror=alert(1)>\"'"


def catalog(folder: Path, template: str, requirement: dict[str, Any] | None = None, **changes: Any) -> Path:
    """The demo's catalog with another template, and another of its last requirement."""
    document = yaml.safe_load(CATALOG.read_text())
    found = next(one for one in document["templates"] if one["id"] == template)
    found.update(changes)
    found["requirements"][-1].update(requirement or {})
    file = folder / "catalog.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


async def page(here: World, learner: int = 42, path: str = HOME, **query: str) -> httpx.Response:
    answer = await here.ask.get(path, headers=of(learner), params=query)
    assert answer.status_code == 200, answer.text
    return answer


def unproven(answer: httpx.Response) -> str:
    """A page without what its forms show, which is another for each token."""
    return re.sub(r'name="proof" value="\w+"', "", answer.text)


async def test_a_learner_sees_her_badges_how_far_she_is_and_what_is_next(tmp_path: Path) -> None:
    file = catalog(tmp_path, MASTER, {"text": {"en": "Pass Streams", "es": "Aprueba Streams"}})

    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)])), catalog=file) as here:
        english = (await page(here)).text
        spanish = (await page(here, lang="es")).text

    assert "Kafka Apprentice" in english
    assert '<time datetime="2026-03-14T15:01:00Z">March 14, 2026</time>' in english
    assert 'aria-label="Progress: Stream Master">50%</progress>' in english
    assert "<strong>Next:</strong> <bdi>Pass Streams</bdi>" in english
    assert "<strong>Siguiente:</strong> <bdi>Aprueba Streams</bdi>" in spanish
    assert "14 de marzo de 2026" in spanish


async def test_what_a_clock_without_a_time_awarded_is_shown_too(tmp_path: Path) -> None:
    first = orjson.loads(passed(42, "kafka", 1)) | {"time": "0001-01-01T00:00:00Z"}

    async with world(tmp_path, rows(judged([orjson.dumps(first)]))) as here:
        text = (await page(here)).text
        badge = (await here.get("badges/", of(42)))["results"][0]

    assert "January 1, 1<" in text
    assert badge["awarded_at"] == "0001-01-01T00:00:00Z"


async def test_a_badge_that_was_lost_is_shown_as_such(tmp_path: Path) -> None:
    lost = judged([passed(42, "kafka", 1), passed(42, "kafka", 2, passing=False)])

    async with world(tmp_path, rows(lost)) as here:
        text = (await page(here)).text

    assert "You have no badge yet." in text
    assert text.index("No longer held") < text.index('<span class="badge badge-danger">Revoked</span>')


async def test_a_badge_that_waits_at_its_issuer_is_to_be_claimed(tmp_path: Path) -> None:
    batch = rows(judged([passed(42, "kafka", 1)]))
    decision = str(decision_id(badge_id(APPRENTICE, 42), "awarded", 1))
    key, row = issued(42, APPRENTICE, held="x", state="pending", sure=True, decision=decision)
    batch.issuances[key] = issuance_row(row)

    async with world(tmp_path, batch) as here:
        texts = [(await page(here, path=path)).text for path in PAGES]

    for text in texts:
        assert "Your badge is waiting for you" in text
        assert "Credly has sent you an e-mail." in text


OWN = {"id": "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11", "provider": "open_badges", "name": "Example & Co"}
CREDENTIAL = f"{OWN['id']}-3-0-7-{'a' * 32}"
AT_CREDLY = "9f0c1a52-7c1e-4bb0-9a53-1d0e6f1f7a10"


def held_at(folder: Path, state: str, held: str, **organization: str) -> tuple[Batch, Path]:
    """A learner's badge as its issuer holds it, and a catalog with this organization."""
    batch = rows(judged([passed(42, "kafka", 1)]))
    decision = str(decision_id(badge_id(APPRENTICE, 42), "awarded", 1))
    key, row = issued(42, APPRENTICE, held=held, state=state, sure=True, decision=decision)
    batch.issuances[key] = issuance_row(row)
    file = catalog(folder, APPRENTICE)
    document = yaml.safe_load(file.read_text())
    document["organizations"][0] = organization
    for template in document["templates"]:
        template["organization"] = organization["id"]
    file.write_text(yaml.safe_dump(document))
    return batch, file


async def test_an_open_badge_is_taken_along_by_links_alone(tmp_path: Path) -> None:
    batch, file = held_at(tmp_path, "issued", CREDENTIAL, **OWN, url="https://badges.example.edu/")
    address = f"https://badges.example.edu/badges/credentials/{CREDENTIAL}"

    async with world(tmp_path, batch, catalog=file) as here:
        text = (await page(here)).text
        (badge,) = (await here.get("badges/", of(42)))["results"]

    links = {label: html.unescape(url) for url, label in re.findall(r'href="(https:[^"]+)">([^<]+) <', text)}
    asked = dict(parse_qsl(urlsplit(links.pop("Add to LinkedIn")).query))
    assert links == {"Show": address, "Download": f"{address}.png", "File for a wallet": f"{address}.json"}
    assert asked == {
        "startTask": "CERTIFICATION_NAME",
        "name": "Kafka Apprentice",
        "organizationName": "Example & Co",
        "issueYear": "2026",
        "issueMonth": "3",
        "certUrl": address,
        "certId": CREDENTIAL,
    }
    assert badge["issuer"]["url"] == address


@pytest.mark.parametrize(
    ("state", "held", "organization", "url"),
    [
        ("accepted", AT_CREDLY, {}, f"https://www.credly.com/badges/{AT_CREDLY}"),
        (
            "accepted",
            AT_CREDLY,
            {"environment": "sandbox"},
            f"https://sandbox.credly.com/badges/{AT_CREDLY}",
        ),
        ("accepted", AT_CREDLY, {"url": "http://127.0.0.1:8090"}, None),
        ("accepted", '"><script>', {}, None),
        ("pending", AT_CREDLY, {}, None),
        ("issued", AT_CREDLY, {**OWN, "url": "https://badges.example.edu"}, None),
        (
            "issued",
            "7",
            {"id": OWN["id"], "provider": "webhook", "url": "https://hooks.example.edu/a"},
            None,
        ),
    ],
)
async def test_only_where_an_issuer_surely_shows_a_badge_is_there_a_link(
    tmp_path: Path, state: str, held: str, organization: dict[str, str], url: str | None
) -> None:
    batch, file = held_at(tmp_path, state, held, **{"id": OWN["id"]} | organization)

    async with world(tmp_path, batch, catalog=file) as here:
        text = (await page(here)).text
        (badge,) = (await here.get("badges/", of(42)))["results"]

    assert badge["issuer"]["url"] == url
    assert re.findall(r'href="(https:[^"]+)"', text) == ([url] if url else [])


async def test_her_page_is_found_without_its_slash(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        answer = await here.ask.get(HOME.rstrip("/"))

    assert (answer.status_code, answer.headers["location"]) == (308, HOME)


async def test_who_has_done_nothing_sees_what_she_could(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        text = (await page(here)).text

    assert "You have no badge yet." in text
    assert "Stream Master" in text


async def test_arabic_is_written_from_the_right(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        answer = await page(here, lang="ar-EG")

    assert '<html lang="ar" dir="rtl">' in answer.text
    assert answer.headers["content-language"] == "ar"
    assert "شاراتي" in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_nobodys_text_becomes_part_of_the_page(tmp_path: Path, path: str) -> None:
    text = {"en": HOSTILE}
    file = catalog(tmp_path, MASTER, {"text": text}, name=HOSTILE, description=HOSTILE)
    document = yaml.safe_load(file.read_text())
    document["templates"][0].update(name=HOSTILE, image_url='https://x/"onload="alert(1)')
    file.write_text(yaml.safe_dump(document))
    learners = judged([passed(42, "kafka", 1, name=HOSTILE)], file.read_bytes())

    async with world(tmp_path, rows(learners), catalog=file) as here:
        page_text = (await page(here, path=path)).text

    assert "&lt;script&gt;" in page_text
    for part in ("<script", "<img src=x", '"onload="'):
        assert part not in page_text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://images.example.org/a.png", "a.png"])
async def test_only_what_the_policy_allows_is_a_picture(tmp_path: Path, url: str) -> None:
    file = catalog(tmp_path, APPRENTICE, image_url=url)

    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)])), catalog=file) as here:
        text = (await page(here)).text

    assert url not in text


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_kept_by_nobody_and_runs_nothing(tmp_path: Path, path: str) -> None:
    async with world(tmp_path, rows(judged([passed(42, "kafka", 1)]))) as here:
        answer = await page(here, path=path)

    assert answer.headers["cache-control"] == "private, no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert " style=" not in answer.text


async def test_the_fragment_may_be_in_a_frame_of_the_lms_and_the_page_in_none(tmp_path: Path) -> None:
    async with world(tmp_path, origins=["https://apps.lms.example.org"]) as here:
        whole, fragment = [(await page(here, path=path)).headers for path in PAGES]

    assert whole["content-security-policy"].endswith("frame-ancestors 'none'")
    assert fragment["content-security-policy"].endswith("frame-ancestors 'self' https://apps.lms.example.org")


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_another_learners_page(tmp_path: Path, path: str) -> None:
    both = judged([passed(42, "kafka", 1, name="Ada"), passed(43, "streams", 1, name="Grace")])

    async with world(tmp_path, rows(both)) as here:
        own = unproven(await page(here, path=path))
        asked = unproven(await page(here, path=path, lms_user_id="43", user_id="43"))
        administrator = await here.ask.get(
            path, headers=shown(token(user_id=42, administrator=True)), params={"lms_user_id": "43"}
        )

    assert "Kafka Apprentice" in own
    assert asked == own
    assert unproven(administrator) == own


@pytest.mark.parametrize("path", PAGES)
async def test_who_is_not_recognized_is_told_so_by_a_page(tmp_path: Path, path: str) -> None:
    async with world(tmp_path) as here:
        nobody = await here.ask.get(path, headers={"Accept-Language": "es"})
        nameless = await here.ask.get(path, headers=shown(token()))
        wrong = await here.ask.get(path, headers=of(42), params={"lang": "x" * 99})
        here.following.as_of = None
        early = await here.ask.get(path, headers=of(42))

    for answer, status in ((nobody, 401), (nameless, 403), (wrong, 400), (early, 503)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Inicia sesión" in nobody.text
    assert nobody.headers["www-authenticate"].startswith("JWT")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("at", "back"),
    [
        ("https://lms.example.org", "%2Fbadges%2F"),
        ("https://badges.example.org", "https%3A%2F%2Fbadges.example.org%2Fbadges%2F"),
    ],
)
async def test_who_is_not_recognized_is_led_to_the_lms_and_back(
    tmp_path: Path, path: str, at: str, back: str
) -> None:
    login = login_page(["nobody", "https://lms.example.org/oauth2"])

    async with world(tmp_path, login=login) as here:
        text = (await here.ask.get(f"{at}{path}")).text

    assert f'target="_top" href="https://lms.example.org/login?next={back}"' in text


async def test_an_issuer_that_is_no_lmss_address_leads_nowhere(tmp_path: Path) -> None:
    for issuer in ("openedx", "javascript:alert(1)//oauth2", "https://lms.example.org/a/oauth2"):
        async with world(tmp_path, login=login_page([issuer])) as here:
            assert "<a" not in (await here.ask.get(HOME)).text


async def test_the_style_sheet_is_kept_and_another_is_not_there(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        name = style()[0]
        answer = await here.ask.get(f"/badges/style/{name}")
        linked = (await page(here)).text
        other = await here.ask.get("/badges/style/other.css")

    assert f'href="/badges/style/{name}"' in linked
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert b"Paragon" in answer.content
    assert other.status_code == 404

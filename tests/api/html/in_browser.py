"""A learner's page in a real browser: `make test-browser` runs this file, with the tools that it gets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from playwright.async_api import Browser, Page, Route

from streams.api.html.addresses import FRAGMENT, HOME
from streams.api.html.languages import NAMES
from streams.api.html.public import PUBLIC
from streams.api.rows import issuance_row
from streams.api.store import Batch
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE
from streams.badges import badge_id, decision_id, stamp
from streams.issuers.issuer import Evidence
from streams.kafka.consents import Consent
from tests.api.html.browsers import browser, pictured, served, violations
from tests.api.world import APPRENTICE, NOW, World, issued, judged, passed, rows, token, world
from tests.issuers.open_badges.a_badge import TIME, Issuing

LINK = "AAECAwQFBgcICQoLDA0ODw"
PAGE = f"{PUBLIC}{LINK}/"
PHONE, DESK = 320, 1_280
"""Widths: the narrowest that WCAG asks for, and a usual one."""


@dataclass(slots=True)
class Site:
    """A worker that answers at `address`, and a browser."""

    world: World
    browser: Browser
    address: str
    elsewhere: list[str]

    @asynccontextmanager
    async def page(
        self,
        path: str = HOME,
        language: str = "en",
        width: int = DESK,
        *,
        script: bool = True,
        learner: int | None = 42,
    ) -> AsyncIterator[Page]:
        """The page as this learner's browser shows it."""
        size = {"width": width, "height": 800}
        context = await self.browser.new_context(viewport=size, java_script_enabled=script)  # type: ignore[arg-type]  # a TypedDict
        # A lambda: Playwright sets an attribute on the object of a method, and this one has slots.
        await context.route("**/*", lambda route: self._only_here(route))
        if learner is not None:
            head, payload, signature = token(user_id=learner).split(".")
            cookies = {HEADER_PAYLOAD: f"{head}.{payload}", SIGNATURE: signature}
            await context.add_cookies(
                [{"name": n, "value": v, "url": self.address} for n, v in cookies.items()]
            )
        try:
            async with pictured(await context.new_page()) as page:
                await page.goto(f"{self.address}{path}?lang={language}")
                yield page
        finally:
            await context.close()

    async def _only_here(self, route: Route) -> None:
        if route.request.url.startswith(self.address):
            await route.continue_()
        else:
            self.elsewhere.append(route.request.resource_type)
            await route.abort()


ISSUING = Issuing(evidence=(Evidence("Pass Kafka 101", TIME, ("Kafka 101",)),))
VALID, REVOKED = (f"/badges/credentials/{ISSUING.issue(badge)}" for badge in ("valid", "revoked"))
ISSUING.revoke(REVOKED.rpartition("/")[2])


def learners() -> Batch:
    """Ada holds a badge that she has not accepted, Grace lost one, Alan accepted one, Linus has done nothing.

    Everybody may see Ida's, who holds the same. Two Open Badges are published, of which one was revoked.
    """
    lost = [passed(43, "kafka", 1, name="Grace"), passed(43, "kafka", 2, passing=False, name="Grace")]
    names = {42: "Ada", 45: "Alan", 46: "Ida"}
    held = [passed(learner, "kafka", 1, name=name) for learner, name in names.items()]
    batch = rows(judged([*held, *lost]))
    for learner, state in ((42, "pending"), (45, "accepted")):
        decision = str(decision_id(badge_id(APPRENTICE, learner), "awarded", 1))
        key, row = issued(
            learner, APPRENTICE, held=str(UUID(int=learner)), state=state, sure=True, decision=decision
        )
        batch.issuances[key] = issuance_row(row)
    batch.published = {key: orjson.dumps(value) for key, value in ISSUING.published.items()}
    batch.consents[badge_id(APPRENTICE, 46).bytes] = Consent(46, APPRENTICE, LINK, stamp(NOW))
    return batch


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        world(tmp_path, learners(), login="https://lms.example.org/login") as here,
        browser() as chromium,
        served(here.app) as address,
    ):
        yield Site(here, chromium, address, [])


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_axe_finds_nothing(site: Site, language: str, width: int) -> None:
    of_learners = (
        (HOME, 42),
        (HOME, 43),
        (HOME, 44),
        (HOME, 45),
        (HOME, 46),
        (HOME, None),
        (FRAGMENT, 42),
        (FRAGMENT, 44),
    )
    for path, learner in (*of_learners, (VALID, None), (REVOKED, None), (PAGE, None)):
        async with site.page(path, language, width, learner=learner) as page:
            for details in await page.locator("summary").all():
                await details.click()

            assert json.dumps(await violations(page), indent=1) == "[]", (path, learner)


@pytest.mark.parametrize("language", NAMES)
@pytest.mark.parametrize("path", [HOME, FRAGMENT, VALID, PAGE])
async def test_a_narrow_screen_shows_all_of_its_width(site: Site, path: str, language: str) -> None:
    async with site.page(path, language, PHONE) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE


async def test_without_javascript_all_is_there(site: Site) -> None:
    async with site.page(script=False) as page:
        bar = page.get_by_role("progressbar", name="Progress: Stream Master")
        takes = page.locator("li", has=page.get_by_role("heading", name="Grand Master"))

        assert await page.get_by_role("heading", name="Kafka Apprentice").is_visible()
        assert await bar.get_attribute("value") == "50"
        assert not await takes.get_by_text("Not done yet:").first.is_visible()
        await takes.get_by_text("What it takes").click()
        assert await takes.get_by_text("Not done yet:").first.is_visible()


async def test_arabic_runs_from_the_right(site: Site) -> None:
    async def edges(language: str) -> tuple[float, float]:
        async with site.page(language=language) as page:
            card = page.locator(".badge-card").first
            picture = await card.locator(".picture").bounding_box()
            name = await card.locator("bdi").first.bounding_box()
            assert picture is not None
            assert name is not None
            return picture["x"], name["x"]

    assert (await edges("en"))[0] < (await edges("en"))[1]
    assert (await edges("ar"))[0] > (await edges("ar"))[1]


async def test_a_page_shows_what_became_known_since(site: Site) -> None:
    both = [passed(44, "kafka", 1, name="Linus"), passed(44, "streams", 2, name="Linus")]
    async with site.page(learner=44) as page:
        earned = page.get_by_role("region", name="Earned badges").get_by_role("heading", level=3)
        former = page.get_by_role("region", name="No longer held").get_by_role("heading", level=3)
        assert await earned.all_inner_texts() == []

        site.world.store.apply(rows(judged(both)))
        await page.reload()
        assert set(await earned.all_inner_texts()) == {"Kafka Apprentice", "Stream Master"}

        site.world.store.apply(rows(judged([*both, passed(44, "streams", 3, passing=False, name="Linus")])))
        await page.reload()
        assert await earned.all_inner_texts() == ["Kafka Apprentice"]
        assert await former.all_inner_texts() == ["Stream Master"]


async def test_of_others_it_asks_pictures_alone_and_breaks_no_policy(site: Site) -> None:
    async with site.page() as page:
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        await page.reload()
        await page.wait_for_load_state("networkidle")

        assert set(site.elsewhere) == {"image"}
        assert [text for text in said if "Content Security Policy" in text] == []


async def test_a_baked_svg_that_is_opened_runs_nothing_and_shows_its_picture(site: Site) -> None:
    context = await site.browser.new_context()
    page = await context.new_page()
    await page.route("**/*", lambda route: route.continue_(headers={"accept": "image/svg+xml"}))
    answer = await page.goto(f"{site.address}{VALID}")

    assert answer is not None
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert await page.locator("circle").count() == 1
    await context.close()

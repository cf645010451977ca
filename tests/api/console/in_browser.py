"""The console in a real browser: `make test-browser` runs this file, with the tools that it gets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.async_api import Browser, Page

from streams.api.console.answering import CONSOLE
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE
from streams.catalog.in_force import Revision, pack
from tests.api.console.desk import PATHS, Desk, classroom, console, desk
from tests.api.html.browsers import browser, pictured, served, violations
from tests.api.world import APPRENTICE, CATALOG, MASTER, token

PHONE, DESK = 320, 1_280
"""Widths: the narrowest that WCAG asks for, and a usual one."""


@dataclass(slots=True)
class Shown:
    """A console at `address`, and a browser."""

    browser: Browser
    address: str
    desk: Desk

    @asynccontextmanager
    async def page(
        self, path: str = "", width: int = DESK, *, script: bool = True, known: bool = True
    ) -> AsyncIterator[Page]:
        """The page as an administrator's browser shows it; as anybody's where nobody is known."""
        size = {"width": width, "height": 800}
        context = await self.browser.new_context(viewport=size, java_script_enabled=script)  # type: ignore[arg-type]  # a TypedDict
        if known:
            given = token(user_id=1, administrator=True, preferred_username="op")
            head, payload, signature = given.split(".")
            cookies = {HEADER_PAYLOAD: f"{head}.{payload}", SIGNATURE: signature}
            await context.add_cookies(
                [{"name": n, "value": v, "url": self.address} for n, v in cookies.items()]
            )
        try:
            async with pictured(await context.new_page()) as page:
                await page.goto(f"{self.address}{CONSOLE}{path}")
                yield page
        finally:
            await context.close()


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Shown]:
    at, batch = desk(), classroom()
    document = yaml.safe_load(CATALOG.read_text())
    fewer = document | {"templates": document["templates"][:-1]}
    for n, text in enumerate((fewer, document, {})):
        batch.revisions.append(Revision(f"catalog-{n}", n, n * 1000, pack(json.dumps(text).encode())))
    async with (
        console(tmp_path, at, batch, writes=True, login="https://lms.example.org/login") as here,
        browser() as chromium,
        served(here.app) as address,
    ):
        yield Shown(chromium, address, at)


@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(shown: Shown, width: int) -> None:
    for path, known in (*((path, True) for path in PATHS), ("", False)):
        async with shown.page(path, width, known=known) as page:
            for details in await page.locator("summary").all():
                await details.click()

            assert json.dumps(await violations(page), indent=1) == "[]", path
            assert await page.evaluate("document.documentElement.scrollWidth") == width, path


async def test_the_keyboard_leads_to_all_of_it_and_shows_where_it_is(shown: Shown) -> None:
    async with shown.page("dead-letters/") as page:
        await page.keyboard.press("Tab")
        assert await page.locator(":focus").inner_text() == "Skip to the content"
        await page.keyboard.press("Enter")
        assert page.url.endswith("#main")
        await page.keyboard.press("Tab")
        assert await page.locator(":focus").get_attribute("id") == "reason"

        await page.get_by_role("link", name="Templates").focus()
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/templates/")
        await page.get_by_role("link", name="Stream Master").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/templates/{MASTER}/")


async def test_a_click_selects_a_command_whole(shown: Shown) -> None:
    async with shown.page(f"templates/{APPRENTICE}/", script=True) as page:
        command = page.locator(".command").first
        await command.click()

        selected = str(await page.evaluate("getSelection().toString()"))

    assert selected.strip().startswith("badge-streams award --template")
    assert selected.strip().endswith("--reason WHY")


async def test_an_order_is_given_without_a_script_and_from_no_other_page(shown: Shown) -> None:
    async with shown.page("learners/1/", script=False) as page:
        form = page.locator('form[action="/console/orders/award/"]')
        await form.get_by_label("Template").select_option(label="Stream Master")
        await form.get_by_label("Why").fill("they helped")
        await form.get_by_role("button", name="Award").click()
        assert await page.get_by_role("status").is_visible()

    assert shown.desk.given == [("award", MASTER, 1, "op", "they helped")]


async def test_what_is_found_opens(shown: Shown) -> None:
    async with shown.page() as page:
        await page.get_by_role("search").get_by_role("searchbox").fill("user2@example.com")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Learner 2").wait_for()
        assert await page.get_by_text("user2@example.com").is_visible()


async def test_no_page_breaks_its_policy(shown: Shown) -> None:
    said: list[str] = []
    for path in PATHS:
        async with shown.page(path) as page:
            page.on("console", lambda message: said.append(message.text))
            await page.reload()

    assert [text for text in said if "Content Security Policy" in text] == []

"""The browser that `make test-browser` gets, and the pictures of what failed in it: in `.cache/browser`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

TOOLS = Path(os.environ["BROWSER_TOOLS"])
KEPT = Path(__file__).parents[3] / ".cache" / "browser"


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a window."""
    async with async_playwright() as playwright:
        # Root's Chromium has no sandbox.
        started = await playwright.chromium.launch(executable_path=TOOLS / "chromium", args=["--no-sandbox"])
        yield started
        await started.close()


@asynccontextmanager
async def pictured(page: Page) -> AsyncIterator[Page]:
    """Keeps a picture of the page, under the test's name, where the test fails."""
    try:
        yield page
    except BaseException:
        KEPT.mkdir(parents=True, exist_ok=True)
        name = os.environ["PYTEST_CURRENT_TEST"].partition("::")[2].partition(" ")[0]
        await page.screenshot(path=KEPT / f"{name.replace('/', '-')}.png", full_page=True)
        raise

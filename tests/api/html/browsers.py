"""The browser that `make test-browser` gets, and the pictures of what failed in it: in `.cache/browser`."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from starlette.types import ASGIApp

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


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The address where a browser finds the application."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    await serving


async def violations(page: Page) -> list[Any]:
    """What axe finds, all of its rules: which, and where."""
    await page.evaluate((TOOLS / "axe.min.js").read_text())
    found = await page.evaluate("axe.run()")
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]

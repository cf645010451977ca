"""The pictures of badges: had from where the catalog's author put them, once, and never more than is bounded.

Nobody who asks says what is fetched (decision 0096).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from streams.clock import Clock
from streams.issuers.open_badges.baking import bake_png, bake_svg, check, is_png, png_in_svg, text_of

log = logging.getLogger(__name__)

MOST_BYTES = 1024 * 1024
"""Of a picture. Issuers' are of 50 to 300 kB, and each badge that is downloaded is as large."""
KEPT_BYTES = 16 * MOST_BYTES
"""Of all pictures in memory: some hundred usual ones. The one that was asked for least lately goes first."""
FETCH = aiohttp.ClientTimeout(total=5)
"""Who downloads waits for it, once; after that our own picture is taken."""
AGAIN_SECONDS = 300.0
"""After a picture could not be had. Meanwhile nobody asks its host."""
AT_ONCE = 4
"""Pictures that are fetched at the same time; others wait."""
OURS = Path(__file__).parent / "html" / "static"

Fetch = Callable[[str], Awaitable[bytes]]


class NoSuchPictureError(Exception):
    """A picture that cannot be had, and why."""


class Pictures:
    """What was fetched, by address; each address once, however many ask at the same time."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._failed: dict[str, float] = {}
        self._fetching: dict[str, asyncio.Task[bytes | None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def get(self, url: str) -> bytes | None:
        """The PNG or SVG at an address; None where there is none to be had now."""
        if (kept := self._kept.get(url)) is not None:
            self._kept.move_to_end(url)
            return kept
        if self._clock.monotonic() - self._failed.get(url, float("-inf")) < AGAIN_SECONDS:
            return None
        task = self._fetching.get(url)
        if task is None:
            task = self._fetching[url] = asyncio.create_task(self._had(url))
        try:
            # Who goes away, or has waited for long, leaves the picture to others.
            async with asyncio.timeout(FETCH.total):
                return await asyncio.shield(task)
        except TimeoutError:
            return None

    async def baked(self, document: Mapping[str, Any], form: str) -> bytes:
        """A credential in its picture, as `png` or `svg`."""
        url = document["credentialSubject"]["achievement"].get("image", {}).get("id", "")
        picture = await self.get(url) if url else None
        return await asyncio.to_thread(_baked, picture, form, text_of(document))

    async def _had(self, url: str) -> bytes | None:
        try:
            async with self._turns:
                picture = await self._fetch(url)
            await asyncio.to_thread(check, picture)
        except (NoSuchPictureError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.warning("the picture %s cannot be had: %s", url, error or type(error).__name__)
            self._failed[url] = self._clock.monotonic()
            return None
        finally:
            del self._fetching[url]
        self._failed.pop(url, None)
        self._kept[url] = picture
        while sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return picture


async def from_the_web(url: str) -> bytes:
    """Ask a web address, and no other that it would send us to; raises `NoSuchPictureError`."""
    if not url.startswith(("https://", "http://")):
        raise NoSuchPictureError("it is no web address")
    async with (
        # Of a compressed answer nobody knows how long it is.
        aiohttp.ClientSession(timeout=FETCH, trust_env=True, auto_decompress=False) as session,
        session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status != 200:
            raise NoSuchPictureError(f"its host answers {answer.status}")
        body = bytearray()
        async for part in answer.content.iter_chunked(64 * 1024):
            body += part
            if len(body) > MOST_BYTES:
                raise NoSuchPictureError(f"it has more than {MOST_BYTES} bytes")
        return bytes(body)


@cache
def ours(kind: str) -> bytes:
    """Our own picture, where a template's cannot be had in this form."""
    return (OURS / f"badge.{kind}").read_bytes()


def _baked(picture: bytes | None, form: str, text: str) -> bytes:
    if form == "png":
        return bake_png(picture if picture is not None and is_png(picture) else ours("png"), text)
    if picture is None:
        picture = ours("svg")
    return bake_svg(png_in_svg(picture) if is_png(picture) else picture, text)

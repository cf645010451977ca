"""Pictures are had once, within bounds, and not from where their host would send us."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestServer

from streams.api import pictures
from streams.api.pictures import AGAIN_SECONDS, Fetch, NoSuchPictureError, Pictures, from_the_web, ours
from streams.clock import Clock
from streams.issuers.open_badges.baking import check
from tests.issuers.open_badges.pictures import chunk, png, svg


class Host:
    """Where pictures are, and how often each was asked for."""

    def __init__(self, **held: bytes) -> None:
        self.held = held
        self.asked: list[str] = []
        self.now = 0.0

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        if url not in self.held:
            raise NoSuchPictureError("nobody answers")
        return self.held[url]

    def pictures(self) -> Pictures:
        fetch: Fetch = self.fetch
        return Pictures(fetch, Clock(monotonic=lambda: self.now))


async def test_a_picture_is_fetched_once_however_many_ask() -> None:
    host = Host(a=png())
    kept = host.pictures()

    first = await asyncio.gather(*(kept.get("a") for _ in range(5)))

    assert first == [png()] * 5
    assert await kept.get("a") == png()
    assert host.asked == ["a"]


@pytest.mark.parametrize("held", [{}, {"a": b"GIF89a"}, {"a": svg("<script/>")}])
async def test_what_is_no_picture_is_asked_for_again_only_later(held: dict[str, bytes]) -> None:
    host = Host(**held)
    kept = host.pictures()

    assert [await kept.get("a"), await kept.get("a")] == [None, None]
    host.held["a"] = png()
    host.now = AGAIN_SECONDS

    assert await kept.get("a") == png()
    assert host.asked == ["a", "a"]


async def test_who_goes_away_leaves_the_picture_to_others() -> None:
    host = Host(a=png())
    kept = host.pictures()
    gone = asyncio.create_task(kept.get("a"))
    await asyncio.sleep(0)
    gone.cancel()

    assert await kept.get("a") == png()
    assert host.asked == ["a"]


async def test_nobody_waits_for_long_where_others_wait_for_pictures_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "FETCH", ClientTimeout(total=0.05))
    come = asyncio.Event()

    async def fetch(url: str) -> bytes:
        await come.wait()
        return png()

    kept = Pictures(fetch, Clock())
    found = await asyncio.gather(*(kept.get(f"{number}") for number in range(2 * pictures.AT_ONCE)))
    come.set()

    assert found == [None] * 2 * pictures.AT_ONCE
    assert await kept.get("0") == png()


async def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "KEPT_BYTES", 2 * len(png()))
    host = Host(a=png(), b=png(), c=png())
    kept = host.pictures()

    for url in ("a", "b", "a", "c", "a", "b"):
        assert await kept.get(url) is not None

    assert host.asked == ["a", "b", "c", "b"]


ANSWERS = {
    "good": web.Response(body=png()),
    "long": web.Response(body=png(chunk(b"aaAa", bytes(pictures.MOST_BYTES)))),
    "elsewhere": web.Response(status=302, headers={"Location": "/good"}),
}


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A web site with a picture, one that is too long, one that is elsewhere, and one that never comes."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/never":
            await asyncio.Event().wait()
        return ANSWERS.get(request.path[1:]) or web.Response(status=404)

    app = web.Application()
    app.add_routes([web.get("/{name}", answer)])
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def test_a_picture_comes_from_its_address(site: str) -> None:
    assert await from_the_web(f"{site}good") == png()


@pytest.mark.parametrize(("path", "why"), [("long", "bytes"), ("elsewhere", "302"), ("unknown", "404")])
async def test_what_is_too_long_or_elsewhere_is_not_had(site: str, path: str, why: str) -> None:
    with pytest.raises(NoSuchPictureError, match=why):
        await from_the_web(f"{site}{path}")


async def test_a_host_that_does_not_answer_is_waited_for_no_longer_than_bounded(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FETCH", ClientTimeout(total=0.05))

    assert await Pictures(from_the_web, Clock()).get(f"{site}never") is None


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "data:image/png;base64,AAAA", "a.png", "ftp://x/a.png"]
)
async def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(NoSuchPictureError, match="no web address"):
        await from_the_web(url)


def test_our_own_pictures_can_be_baked() -> None:
    for kind in ("png", "svg"):
        check(ours(kind))

"""What the workers' pages say, and that one which says nothing is waited for by nobody."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.api.console.operator import Groups, OfSite
from streams.api.console.workers import Pace, look
from streams.errors import FatalError
from streams.settings import Settings

ROLES = {"badge-streams-activities": "tracker", "badge-relay-decisions": "relay"}
RELAY = """
# TYPE badges_build_info gauge
badges_build_info{python="3.11",version="0.1.0"} 1.0
# TYPE badges_catalog_info gauge
badges_catalog_info{revision="abc"} 1.0
# TYPE badges_lag_records gauge
badges_lag_records{partition="0",topic="badge-relay-decisions"} 3.0
# TYPE badges_issuer_breaker_open gauge
badges_issuer_breaker_open{issuer="credly",organization="one"} 1.0
# TYPE badges_issuer_parked gauge
badges_issuer_parked{issuer="credly",organization="one",template="a"} 2.0
badges_issuer_parked{issuer="credly",organization="one",template="b"} 3.0
# TYPE badges_issuer_key_expiry_timestamp_seconds gauge
badges_issuer_key_expiry_timestamp_seconds{issuer="credly",organization="one"} 1798070400.0
"""


@asynccontextmanager
async def pages(**answers: Any) -> AsyncIterator[tuple[int, list[str]]]:
    """A worker's pages, at that port; and the tokens that it was shown."""
    shown: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers.get("Authorization", ""))
        said = answers[request.path.strip("/")]
        if said is None:
            await asyncio.sleep(60)
        if isinstance(said, Mapping):
            return web.json_response(said, status=200 if said.get("ok", True) else 503)
        return web.Response(text=said)

    application = web.Application()
    application.router.add_get("/{page}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)  # 0 would wait without end
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1], shown
    finally:
        await runner.cleanup()


def said(ok: bool = True, why: str = "3 partitions assigned and recovered", **more: Any) -> dict[str, Any]:
    verdict = {"ok": ok, "why": why}
    return {"ready": verdict, "health": {"live": verdict, "ready": verdict} | more, "metrics": RELAY}


async def test_a_relay_says_how_it_calls_each_organization() -> None:
    organizations = {"one": {"held_back": "HTTP 503", "rate": 2.5}}

    async with pages(**said(organizations=organizations)) as (port, shown):
        [relay] = await look([("127.0.0.1", port)], "secret", ROLES)

    assert (relay.name, relay.ready, relay.catalog, relay.version) == ("relay", True, "abc", "0.1.0")
    expires = datetime(2026, 12, 24, tzinfo=UTC)
    assert relay.organizations == {
        "one": Pace("HTTP 503", breaker=True, key_expires=expires, parked=5, rate=2.5)
    }
    assert set(shown) == {"Bearer secret"}


async def test_the_workers_of_a_small_site_are_told_apart() -> None:
    ready = {
        "ok": False,
        "why": "x",
        "workers": {"tracker": {"ok": True, "why": "a"}, "relay": {"ok": False, "why": "b"}},
    }
    health = {"workers": {"relay": {"ready": {"ok": False, "why": "b: with names"}}}}
    metrics = RELAY.replace("{", '{worker="relay",')

    async with pages(ready=ready, health=health, metrics=metrics) as (port, _):
        relay, tracker = await look([("127.0.0.1", port)], "", ROLES)

    assert (relay.name, relay.ready, relay.why, relay.catalog) == ("relay", False, "b: with names", "abc")
    assert (tracker.name, tracker.ready, tracker.why, tracker.catalog) == ("tracker", True, "a", "")
    assert list(relay.organizations) == ["one"]


async def test_workers_that_do_not_answer_are_asked_side_by_side() -> None:
    async with pages(ready=None, health=None, metrics=None) as (slow, _), pages(**said()) as (port, _):
        addresses = [*(("127.0.0.1", slow) for _ in range(3)), ("localhost", slow), ("127.0.0.1", port)]
        async with asyncio.timeout(3):
            found = await look([*addresses, ("127.0.0.1", 1), ("no.such.host.invalid", 8080)], "", ROLES)

    silent = {one.address.rpartition(":")[2]: one.why for one in found if not one.answers}
    assert silent == {
        str(slow): "does not answer in time",
        "1": "cannot be reached",
        "8080": "cannot be reached",
    }
    assert [one.name for one in found if one.answers] == ["relay"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ready": "<html>"},
        {"ready": "[]"},
        {"metrics": "badges_build_info{b"},
        {"metrics": "badges_build_info 1\n"},
        {"health": '{"organizations": {"one": [1]}}'},
        {"ready": '{"workers": {"relay": 1}}'},
        {"metrics": "x" * (5 * 1024 * 1024)},
        {"metrics": 'badges_issuer_key_expiry_timestamp_seconds{organization="one"} 1e300\n'},
    ],
)
async def test_what_is_no_workers_page_is_none(wrong: dict[str, str]) -> None:
    async with pages(**said() | wrong) as (port, _):
        [found] = await look([("127.0.0.1", port)], "", ROLES)

    assert (found.answers, found.why) == (False, "cannot be reached")


async def test_only_a_worker_that_is_named_is_shown_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")

    async with pages(**said()) as (port, shown):
        found = OfSite(Settings(http=f"127.0.0.1:{port}", http_token_file=file))
        named = OfSite(Settings(console_workers=(f"127.0.0.1:{port}",), http_token_file=file))
        groups = Groups([], [("relay", "127.0.0.1")])

        [by_group] = await found.workers(groups)
        before = set(shown)
        [by_name] = await named.workers(groups)

    assert before == {""}
    assert set(shown) == {"", "Bearer secret"}
    assert by_group.name == by_name.name == "relay"


async def test_of_a_host_where_no_page_answers_there_is_one_row() -> None:
    found = OfSite(Settings(http="127.0.0.1:1"))

    [silent] = await found.workers(Groups([], [("bridge", "127.0.0.1")]))

    assert not silent.answers


async def test_without_kafka_a_question_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.api.console.operator.REACH_SECONDS", 0.2)
    away = OfSite(Settings(kafka="127.0.0.1:1"))

    with pytest.raises(FatalError, match=r"Kafka at 127\.0\.0\.1:1 cannot be reached"):
        await away.groups()

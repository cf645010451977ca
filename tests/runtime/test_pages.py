"""Liveness is progress, readiness is ownership; both say why."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiokafka.structs import TopicPartition

from streams.errors import ConfigurationError
from streams.runtime.app import App
from streams.runtime.pages import Pages, liveness, readiness
from tests.pages import address

TP = TopicPartition("activities", 3)
STALL = 120.0


@dataclass
class Worker:
    """What the pages ask of an app."""

    behind: int = 0
    lagging_since: float | None = None
    ready: bool = True
    holds: str = ""
    joined: bool = True
    waits_for: str = ""
    fatal: BaseException | None = None
    token_file: Path | None = None

    @property
    def settings(self) -> Any:
        return SimpleNamespace(stall_seconds=STALL, http_token_file=self.token_file)

    @property
    def owned(self) -> dict[TopicPartition, Any]:
        return {
            TP: SimpleNamespace(
                lagging_since=self.lagging_since,
                ready=self.ready,
                waits_for=self.holds,
                committed=7,
                rows={},
                table=None,
            )
        }

    def lag(self) -> dict[TopicPartition, int]:
        return {TP: self.behind}


class Served:
    """What a worker's pages say to who shows this token."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def get(self, path: str, authorization: str = "") -> tuple[int, str]:
        headers = {"Authorization": authorization} if authorization else {}
        async with self._session.get(self._base + path, headers=headers) as response:
            return response.status, await response.text()


@asynccontextmanager
async def served(worker: Worker, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Served]:
    described = {"organizations": {"hidden-organization": {"held_back": "401: hidden words"}}}
    pages = Pages(cast(App, worker), worker.settings, "127.0.0.1:0", lambda: described)
    with caplog.at_level("INFO", "streams.runtime.pages"):
        await pages.start()
    found = address(caplog.text)
    assert found is not None
    try:
        async with aiohttp.ClientSession() as session:
            yield Served(session, found)
    finally:
        await pages.stop()


def live(worker: Worker, now: float = 1_000.0) -> dict[str, Any]:
    return liveness(cast(App, worker), now)


def ready(worker: Worker) -> dict[str, Any]:
    return readiness(cast(App, worker))


def test_a_worker_with_nothing_to_do_is_live() -> None:
    assert live(Worker())["ok"]


def test_lag_with_commits_is_live() -> None:
    assert live(Worker(behind=50, lagging_since=1_000.0 - STALL))["ok"]


def test_lag_without_a_commit_for_too_long_is_not_live_and_says_where() -> None:
    verdict = live(Worker(behind=50, lagging_since=1_000.0 - STALL - 1))
    assert verdict == {"ok": False, "why": "lag and no commit for 121 s: activities-3, 50 records"}


def test_a_fatal_state_is_neither_live_nor_ready() -> None:
    worker = Worker(fatal=RuntimeError("fenced"))
    assert live(worker) == {"ok": False, "why": "the worker is stopping: fenced"}
    assert not ready(worker)["ok"]


def test_ready_is_who_has_partitions_and_their_tables() -> None:
    assert ready(Worker()) == {"ok": True, "why": "1 partitions assigned and recovered"}
    assert ready(Worker(joined=False))["why"] == "the consumer group has assigned nothing yet"
    assert ready(Worker(ready=False)) == {"ok": False, "why": "recovering: activities-3"}


def test_who_waits_for_something_is_live_and_says_for_what() -> None:
    waiting = Worker(joined=False, waits_for="a catalog")

    assert live(waiting)["ok"]
    assert ready(waiting) == {"ok": False, "why": "waiting for a catalog"}


def free_port() -> int:
    with socket.create_server(("", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def pages(address: str) -> Pages:
    worker = Worker()
    return Pages(cast(App, worker), worker.settings, address, dict)


async def answers(host: str, port: int) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/live") as answer:
        return answer.status


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_the_pages_are_at_every_address_of_both_families() -> None:
    port = free_port()
    served = pages(f"*:{port}")

    await served.start()

    try:
        assert [await answers(host, port) for host in ("127.0.0.1", "[::1]")] == [200, 200]
    finally:
        await served.stop()


async def test_a_machine_without_ipv6_has_the_pages_at_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    served = pages(f"*:{port}")

    await served.start()

    try:
        assert await answers("127.0.0.1", port) == 200
    finally:
        await served.stop()


async def test_an_address_that_is_taken_is_named() -> None:
    port = free_port()
    with (
        socket.create_server(("", port)),
        pytest.raises(ConfigurationError, match=f"cannot listen on .:{port}"),
    ):
        await pages(f"*:{port}").start()


WRONG = [
    Worker(ready=False),
    Worker(fatal=RuntimeError("hidden words: activities-3")),
    Worker(behind=50, lagging_since=-1e9),
]


@pytest.mark.parametrize("worker", [Worker(), *WRONG])
@pytest.mark.parametrize("path", ["/live", "/ready", "/health"])
async def test_who_shows_no_token_learns_whether_and_no_names(
    worker: Worker, path: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a-token\n")

    for token_file in (None, tmp_path / "token"):
        worker.token_file = token_file
        async with served(worker, caplog) as pages:
            for shown in ("", "Bearer other", "Bearer None", "Bearer ", "Basic a-token"):
                status, body = await pages.get(path, shown)

                assert status == (200 if path == "/health" or '"ok": true' in body else 503)
                assert "activities" not in body
                assert "hidden" not in body


async def test_who_shows_the_token_learns_everything(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a-token\n")
    worker = Worker(behind=50, ready=False, token_file=tmp_path / "token")

    async with served(worker, caplog) as pages:
        _, health = await pages.get("/health", "Bearer a-token")
        _, ready = await pages.get("/ready", "Bearer a-token")
        status, metrics = await pages.get("/metrics", "Bearer a-token")

    assert json.loads(health)["lag"] == {"activities-3": 50}
    assert "hidden-organization" in health
    assert json.loads(ready)["why"] == "recovering: activities-3"
    assert status == 200
    assert 'badges_lag_records{partition="3",topic="activities"} 50.0' in metrics


async def test_metrics_ask_for_the_token_once_there_is_one(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a-token")

    async with served(Worker(), caplog) as pages:
        assert (await pages.get("/metrics"))[0] == 200
    async with served(Worker(token_file=tmp_path / "token"), caplog) as pages:
        assert await pages.get("/metrics") == (401, "")


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff"])
async def test_a_token_that_cannot_be_read_is_refused_at_the_start(
    content: bytes | None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"token|BADGES_HTTP_TOKEN_FILE"):
        async with served(Worker(token_file=tmp_path / "token"), caplog):
            pass


def test_a_worker_with_a_partition_that_waits_for_others_is_live_and_not_ready() -> None:
    worker = Worker(behind=50, holds="the schema registry")
    assert live(worker)["ok"]
    assert ready(worker) == {"ok": False, "why": "waiting for the schema registry: activities-3"}

"""Liveness is progress, readiness is ownership; both say why."""

import socket
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiokafka.structs import TopicPartition

from streams.errors import ConfigurationError
from streams.runtime.app import App
from streams.runtime.pages import Pages, liveness, readiness

TP = TopicPartition("activities", 3)
STALL = 120.0


@dataclass
class Worker:
    """What the pages ask of an app."""

    behind: int = 0
    lagging_since: float | None = None
    ready: bool = True
    joined: bool = True
    waits_for: str = ""
    fatal: BaseException | None = None
    settings: Any = field(default_factory=lambda: SimpleNamespace(stall_seconds=STALL))

    @property
    def owned(self) -> dict[TopicPartition, Any]:
        return {TP: SimpleNamespace(lagging_since=self.lagging_since, ready=self.ready)}

    def lag(self) -> dict[TopicPartition, int]:
        return {TP: self.behind}


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
    assert verdict == {"ok": False, "why": "activities-3: lag 50 and no commit for 121 s"}


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
    return Pages(cast(App, Worker()), address, dict)


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

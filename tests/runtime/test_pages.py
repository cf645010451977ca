"""Liveness is progress, readiness is ownership; both say why."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from aiokafka.structs import TopicPartition

from streams.runtime.app import App
from streams.runtime.pages import liveness, readiness

TP = TopicPartition("activities", 3)
STALL = 120.0


@dataclass
class Worker:
    """What the pages ask of an app."""

    behind: int = 0
    lagging_since: float | None = None
    ready: bool = True
    joined: bool = True
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

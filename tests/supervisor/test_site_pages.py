"""The pages of all workers are one: nothing collides, nothing is said that a worker would not say."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from streams import metrics
from streams.operate.status import _page
from streams.supervisor.merging import NOT_READY, combined, merged
from streams.supervisor.pages import ANSWER_SECONDS
from streams.supervisor.supervisor import Patience
from tests.supervisor.fakes import SWIFT, Fake, RunSite, exists, until

TRACKER = """\
# HELP badges_ready As /ready says.
# TYPE badges_ready gauge
badges_ready 1.0
# HELP badges_latency_seconds How long.
# TYPE badges_latency_seconds histogram
badges_latency_seconds_bucket{le="1.0"} 2.0
badges_latency_seconds_bucket{le="+Inf"} 3.0
badges_latency_seconds_count 3.0
badges_latency_seconds_sum 4.5
"""
RELAY = """\
# HELP badges_ready As /ready says.
# TYPE badges_ready gauge
badges_ready 0.0
# HELP badges_calls_total Calls.
# TYPE badges_calls_total counter
badges_calls_total{organization="a \\"b\\" {c}"} 5.0
"""


def series(page: bytes) -> Mapping[tuple[str, str], float]:
    """Each sample's value by its name and worker; fails where two are the same."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            key = (f"{sample.name} {sample.labels.get('le', '')}".strip(), sample.labels["worker"])
            assert key not in found
            found[key] = sample.value
    return found


def test_every_series_names_its_worker_so_that_none_collides() -> None:
    page = merged({"tracker": TRACKER, "relay": RELAY}, [])

    assert series(page) == {
        ("badges_ready", "tracker"): 1,
        ("badges_ready", "relay"): 0,
        ("badges_latency_seconds_bucket 1.0", "tracker"): 2,
        ("badges_latency_seconds_bucket +Inf", "tracker"): 3,
        ("badges_latency_seconds_count", "tracker"): 3,
        ("badges_latency_seconds_sum", "tracker"): 4.5,
        ("badges_calls_total", "relay"): 5,
    }
    assert page.count(b"# TYPE badges_ready ") == 1
    assert rb'organization="a \"b\" {c}"' in page


def test_a_worker_that_does_not_answer_is_not_ready_rather_than_missing() -> None:
    page = merged({"tracker": TRACKER, "relay": NOT_READY}, [])

    assert series(page)["badges_ready", "relay"] == 0
    assert [family.name for family in text_string_to_metric_families(NOT_READY)] == [
        family.name for family in metrics.READY.collect()
    ]


def test_what_the_supervisor_counts_is_in_the_page_once() -> None:
    empty = "# HELP badges_worker_restarts_total Theirs.\n# TYPE badges_worker_restarts_total counter\n"
    ours = Metric("badges_worker_restarts", "Ours.", "counter")
    ours.add_sample("badges_worker_restarts_total", {"worker": "relay"}, 3)

    page = merged({"tracker": empty, "relay": empty}, [ours])

    assert series(page) == {("badges_worker_restarts_total", "relay"): 3}


def test_a_verdict_is_good_if_all_are_and_names_those_that_are_not() -> None:
    good: dict[str, Any] = {"ok": True, "why": "well"}
    bad: dict[str, Any] = {"ok": False, "why": "waiting for a catalog"}

    assert combined({"tracker": good, "relay": good}) == {"ok": True, "why": "all of tracker, relay"}
    assert combined({"tracker": good, "relay": bad}) == {"ok": False, "why": "relay: waiting for a catalog"}


async def test_a_site_is_ready_when_all_its_workers_are(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay) as running:
        await until(lambda: tracker.serves and relay.serves)
        before = await running.get("/ready")
        relay.does("waiting")
        after = await running.get("/ready")

    assert (before.status, after.status) == (200, 503)
    assert (await after.json())["why"] == "relay: waiting for a catalog"


async def test_status_reads_each_workers_part(run_site: RunSite, tracker: Fake, relay: Fake) -> None:
    relay.does("waiting")

    async with run_site(tracker, relay) as running, aiohttp.ClientSession() as session:
        await until(lambda: tracker.serves and relay.serves)
        pages = [await _page(session, name, running.address) for name in ("tracker", "relay")]

    assert [page.ready for page in pages] == ["yes", "no: waiting for a catalog"]
    assert [page.parked for page in pages] == [{"tracker": 5}, {"relay": 5}]


async def test_health_has_what_each_worker_says(
    run_site: RunSite, tracker: Fake, relay: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.supervisor.pages.ANSWER_SECONDS", 0.5)
    relay.does("exit 1")

    async with run_site(tracker, relay) as running:
        await until(lambda: tracker.serves and len(relay.pids) > 1)
        health = await (await running.get("/health")).json()

    assert health["live"] == {"ok": False, "why": "relay: it does not answer"}
    assert health["workers"]["tracker"]["mine"] == 1
    assert health["workers"]["relay"]["restarts"] >= 1


async def test_nobody_waits_long_for_a_worker_that_is_down(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay, patience=replace(SWIFT, first=60)) as running:
        await until(lambda: tracker.serves and relay.serves)
        before = await running.get("/ready")
        os.kill(relay.pids[0], signal.SIGKILL)
        await until(lambda: not exists(relay.pids[0]))

        began = time.monotonic()
        after = await running.get("/ready")
        took = time.monotonic() - began

    assert (before.status, after.status) == (200, 503)
    assert (await after.json())["why"] == "relay: it does not answer"
    assert took < ANSWER_SECONDS / 2


async def test_one_that_hangs_is_waited_for_once(run_site: RunSite, tracker: Fake, relay: Fake) -> None:
    async with run_site(tracker, relay, patience=Patience()) as running:
        await until(lambda: tracker.serves and relay.serves)
        await running.get("/ready")
        os.kill(relay.pids[0], signal.SIGSTOP)
        took = []
        for _ in range(2):
            began = time.monotonic()
            await running.get("/ready")
            took.append(time.monotonic() - began)
        os.kill(relay.pids[0], signal.SIGCONT)

        async with asyncio.timeout(20):
            while (await running.get("/ready")).status != 200:
                pass

    assert took[0] >= ANSWER_SECONDS > 2 * took[1]


async def test_a_worker_whose_pages_are_broken_takes_nothing_from_the_others(
    run_site: RunSite, tracker: Fake, relay: Fake
) -> None:
    async with run_site(tracker, relay, patience=Patience()) as running:
        await until(lambda: tracker.serves and relay.serves)
        relay.does("broken")
        health = await (await running.get("/health")).json()
        measured = series(await (await running.get("/metrics")).read())

    assert health["live"] == {"ok": False, "why": "relay: it does not answer"}
    assert (measured["badges_ready", "tracker"], measured["badges_ready", "relay"]) == (1, 0)


async def test_the_token_is_the_workers_own_matter(
    run_site: RunSite, tracker: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_TOKEN", "a-token")

    async with run_site(tracker) as running:
        await until(lambda: tracker.serves)
        without = await running.get("/metrics")
        shown = await running.get("/metrics", Authorization="Bearer a-token")

    assert (without.status, without.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert ("badges_commits_total", "tracker") in series(await shown.read())

"""What a site at work measures, and what it does not say in its logs."""

import asyncio
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams import metrics
from streams.catalog import in_force
from streams.kafka.topics import topics
from streams.sandbox import lms
from tests import pages
from tests.whole.full_site import FullSite

STREAM = {
    "badges_build_info",
    "badges_records_read_total",
    "badges_commits_total",
    "badges_last_commit_timestamp_seconds",
    "badges_ready",
    "badges_rebalances_total",
    "badges_table_keys",
    "badges_catalog_info",
    "badges_catalog_templates",
    "badges_catalog_refusals_total",
    "badges_registry_request_seconds_count",
    "badges_recovery_seconds",
    "badges_records_dropped_total",
}
TRACKER = STREAM | {
    "badges_activities_matched_total",
    "badges_activities_judged_total",
    "badges_decisions_total",
    "badges_decision_latency_seconds_count",
    "badges_dead_letters_total",
    "badges_recovery_records_total",
}
RELAY = STREAM | {
    "badges_issuer_calls_total",
    "badges_issuer_call_seconds_count",
    "badges_issue_latency_seconds_count",
    "badges_issuer_key_expiry_timestamp_seconds",
}


def figures(full: FullSite, worker: str) -> dict[str, float]:
    """Of each metric of a worker the sum over its labels."""
    text = pages.read(full.workers[worker].log.read_text(), "metrics").decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


@pytest.fixture(scope="module")
def at_work(full: FullSite, loop: asyncio.Runner) -> FullSite:
    """With trouble behind it: a restart, an unreadable record, a refused catalog."""

    async def trouble() -> None:
        settings = full.commands.parsed
        await asyncio.to_thread(full.stop, "tracker")
        full.start("tracker")
        data = {"is_passing": True, "course": lms.course("course-v1:A+B+C"), "user": lms.user(77)}
        [emission] = full.press.publish([lms.Happening(lms.PASSING, datetime.now(UTC), 77, data)])
        rubbish = full.press.rubbish(emission, "truncated body")
        tombstone = full.press.rubbish(emission, "tombstone")
        await full.emit([emission, rubbish, tombstone])
        await in_force.publish(settings, topics(settings).catalog.name, b"version: 2", "by-hand")
        async with asyncio.timeout(20):
            for worker in ("tracker", "relay"):
                while not figures(full, worker)["badges_catalog_refusals_total"]:
                    await asyncio.sleep(0.1)
            while full.badges_of(77) < 2:
                await asyncio.sleep(0.1)

    loop.run(trouble())
    return full


@pytest.mark.parametrize(("worker", "counted"), [("tracker", TRACKER), ("relay", RELAY)])
def test_what_has_happened_is_counted(at_work: FullSite, worker: str, counted: set[str]) -> None:
    measured = figures(at_work, worker)

    assert {name for name in counted if not measured.get(name)} == set()


def test_every_metric_on_the_page_is_declared(at_work: FullSite) -> None:
    declared = {name for names in metrics.REGISTRY._collector_to_names.values() for name in names}

    assert {*figures(at_work, "tracker"), *figures(at_work, "relay")} <= declared


def test_logs_hold_no_personal_data(at_work: FullSite) -> None:
    for worker in at_work.workers.values():
        said = worker.log.read_text()
        assert "sets a record aside" in said or worker is at_work.workers["relay"]
        for learner in (*range(1, 7), 77):
            pii = lms.user(learner)["pii"]
            assert [text for text in pii.values() if text in said] == []

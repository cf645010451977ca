"""What an operator asks of a site at work."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.errors import FatalError
from streams.kafka.topics import topics
from streams.sandbox.audit import announcement, read_topic
from tests.faults.configs import alter
from tests.here import Here
from tests.sites import CATALOG, Site


def _badge_events(site: Site) -> Counter[str]:
    settings = site.commands.parsed
    records = asyncio.run(read_topic(settings, topics(settings).badges.name))
    return Counter(event.id for record in records if (event := announcement(record, settings)))


@pytest.fixture(scope="module")
def recorded(site: Site) -> list[str]:
    """The lines of all that is on the bus, of which some is rubbish."""
    return site.commands.run("record", codes=(1,)).splitlines()


def test_what_was_recorded_simulates_to_what_was_decided(
    site: Site, recorded: list[str], tmp_path: Path
) -> None:
    activities = tmp_path / "activities.jsonl"
    activities.write_text("\n".join(recorded))

    decided = [json.loads(line) for line in _simulated(activities)]

    # Between partitions the order of arrival is that of the records' times only nearly.
    first = {
        (d["template"], d["learner"]) for d in decided if d["generation"] == 1 and d["kind"] == "awarded"
    }
    settings = site.commands.parsed
    events = [
        announcement(r, settings) for r in asyncio.run(read_topic(settings, topics(settings).badges.name))
    ]
    emitted = {(e.template, e.learner) for e in events if e and e.generation == 1 and e.kind == "awarded"}
    assert len(first & emitted) > 0.9 * len(emitted) > 0


def test_what_is_recorded_is_in_the_order_of_time(site: Site, recorded: list[str]) -> None:
    timestamps = {
        (r.topic, r.partition, r.offset): r.timestamp
        for topic in topics(site.commands.parsed).sources
        for r in asyncio.run(read_topic(site.commands.parsed, topic.name))
    }

    places = [json.loads(line)["source"] for line in recorded]

    times = [timestamps[source["topic"], source["partition"], source["offset"]] for source in places]
    assert times == sorted(times)
    assert len({(source["topic"], source["partition"]) for source in places}) > 1


def test_a_learners_or_a_types_records_are_recorded_alone(site: Site, recorded: list[str]) -> None:
    everything = [json.loads(line) for line in recorded]
    learner, type = _learner(everything[0]), everything[0]["type"]

    of_learner = site.commands.run("record", "--learner", str(learner), codes=(0, 1)).splitlines()
    of_type = site.commands.run("record", "--type", type, codes=(0, 1)).splitlines()

    assert {_learner(json.loads(line)) for line in of_learner} == {learner}
    assert len(of_learner) == sum(_learner(one) == learner for one in everything)
    assert {json.loads(line)["type"] for line in of_type} == {type}
    assert len(of_type) == sum(one["type"] == type for one in everything)


def test_a_record_that_cannot_be_read_is_said_and_counted(site: Site) -> None:
    with pytest.raises(
        FatalError, match=r"ended with 1: (?s:.*)\d+ activities; \d+ could not be read: \d+ \w+"
    ):
        site.commands.run("record")


def test_records_of_no_time_are_none(site: Site) -> None:
    assert site.commands.run("record", "--until", "2001-01-01") == ""
    assert site.commands.run("record", "--since", "2101-01-01") == ""


def test_a_learner_is_explained_by_the_activities_that_counted(site: Site) -> None:
    settings = site.commands.parsed
    records = asyncio.run(read_topic(settings, topics(settings).badges.name))
    event = next(event for r in records if (event := announcement(r, settings)) and event.kind == "awarded")

    said = site.commands.run("explain", "--learner", str(event.learner), "--template", event.template)

    assert f"badge {event.badge}" in said
    assert "because of" in said
    assert "fulfilled" in said
    [counted, *_] = [line for line in said.splitlines() if line.startswith(f"    {because(said)}: ")]
    assert "course course-v1:" in counted
    assert "issuer: the relay has not heard of it" in said


def because(said: str) -> str:
    """The first activity that an explanation names."""
    return said.partition("because of ")[2].split(",")[0].split()[0]


def test_a_learner_never_heard_of_is_told_what_each_badge_asks(site: Site) -> None:
    said = site.commands.run("explain", "--learner", "987654321")

    assert "no relevant activity" in said
    assert "not begun: Kafka Apprentice (" in said


def test_dead_letters_are_listed_and_shown_and_what_cannot_be_read_is_not_sent(site: Site) -> None:
    as_json = site.commands.run("dead-letters", "list", "--reason", "no_id", "--json").splitlines()
    listed = site.commands.run("dead-letters", "list", "--reason", "no_id")
    ids = [
        cell
        for line in listed.splitlines()
        if (cell := line.strip("│ ").split("│")[0].strip()).count(":") == 1
    ]
    assert ids == [json.loads(line)["id"] for line in as_json]
    limited = site.commands.run("dead-letters", "list", "--reason", "no_id", "--json", "--limit", "2")
    assert limited.splitlines() == as_json[:2]

    shown = site.commands.run("dead-letters", "show", ids[0])
    assert "no_id" in shown
    assert "ce_type=org.openedx" in shown

    before = _badge_events(site)
    said = site.commands.run("dead-letters", "redrive", "--reason", "no_id", codes=(1,))
    assert said == "sent again: 0\n"
    assert _badge_events(site) == before


def test_a_catalog_comes_into_force_without_a_restart(site: Site, tmp_path: Path) -> None:
    document = yaml.safe_load(CATALOG.read_text())
    name = document["templates"][0]["name"] = "Kafka Beginner"
    changed = tmp_path / "catalog.yaml"
    changed.write_text(yaml.safe_dump(document))

    said = site.commands.run("catalog", "publish", str(changed))

    assert f"~ {name} (" in said
    assert ": name" in said
    assert name in site.commands.run("catalog", "show")
    line = site.commands.run("catalog", "history").splitlines()[-1]
    assert name in site.commands.run("catalog", "show", line.split()[1])
    with pytest.raises(Exception, match="no catalog never was published"):
        site.commands.run("catalog", "show", "never")


def test_the_topics_are_compared_with_what_a_worker_needs(site: Site) -> None:
    settings = site.commands.parsed
    progress = topics(settings).progress.name
    assert all(
        line.rstrip().endswith(("verdict", "good")) for line in site.commands.run("topics").splitlines()
    )

    asyncio.run(alter(settings, progress, {"cleanup.policy": "delete"}))
    try:
        said = site.commands.run("topics", "--json", codes=(1,)).splitlines()
        created = site.commands.run("topics", "--create", codes=(1,))
    finally:
        asyncio.run(alter(settings, progress, {"cleanup.policy": "compact"}))

    [fault] = [row for line in said if (row := json.loads(line))["verdict"] != "good"]
    assert fault["topic"] == progress
    assert "it needs compact" in fault["verdict"]
    assert fault["verdict"] in created


def test_the_status_is_what_workers_and_topics_say(site: Site) -> None:
    settings = site.commands.parsed
    letters = site.commands.run("dead-letters", "list", "--json").splitlines()

    found = json.loads(site.commands.run("status", "--json"))

    trackers = [one for one in found["streams"] if one["worker"] == "tracker"]
    assert {one["topic"] for one in trackers} == {t.name for t in topics(settings).sources} | {
        topics(settings).activities.name
    }
    assert {(one["alive"], one["lag"], one["assigned"] == one["partitions"]) for one in trackers} == {
        (1, 0, True)
    }
    assert {one["alive"] for one in found["streams"] if one["worker"] == "relay"} == {0}
    assert found["catalog"]
    assert found["dead_letters"]["tracker"] == Counter(json.loads(line)["reason"] for line in letters)
    screen = site.commands.run("status")
    assert found["catalog"] in screen
    assert topics(settings).activities.name in screen


def test_nothing_is_made_where_topics_are_missing(site: Site, app_prefix: str) -> None:
    settings = dict(site.commands.settings) | {
        "BADGES_APP_ID": app_prefix,
        "BADGES_RELAY_ID": f"{app_prefix}-r",
    }
    elsewhere = Here(settings)

    for command in (
        ("catalog", "publish", str(CATALOG)),
        ("dead-letters", "list"),
        ("dead-letters", "redrive", "--all"),
    ):
        with pytest.raises(
            FatalError, match=r"ended with 2: topic \S+ does not exist .*--create makes it\)\n$"
        ):
            elsewhere.run(*command, within=30)
    missing = [json.loads(line) for line in elsewhere.run("topics", "--json", codes=(1,)).splitlines()]

    assert {row["found"] for row in missing if row["topic"].startswith(app_prefix)} == {"missing"}


def test_a_catalog_is_published_from_standard_input(site: Site) -> None:
    before = site.commands.run("catalog", "history", "--json").splitlines()

    said = site.commands.run("catalog", "publish", "-", given=CATALOG.read_text())

    assert said.startswith("published ")
    after = site.commands.run("catalog", "history", "--json").splitlines()
    assert json.loads(after[-1])["revision"] == said.split()[1]
    assert len(after) == len(before) + 1


def test_a_catalog_with_a_fault_is_not_published(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "catalog.yaml"
    broken.write_text("version: 1\ntemplates: [{}]\n")

    with pytest.raises(Exception, match=r"templates\[0\].id: required"):
        site.commands.run("catalog", "publish", str(broken))


def _learner(activity: dict[str, Any]) -> int:
    data = activity["data"]
    who = data.get("user") or data.get("student_user") or {"id": data.get("user_id", data.get("id"))}
    return int(who["id"])


def _simulated(activities: Path) -> list[str]:
    return Here({}).run("simulate", "--catalog", str(CATALOG), "--activities", str(activities)).splitlines()

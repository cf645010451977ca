"""What an operator asks of a site at work."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from streams.kafka.topics import topics
from streams.sandbox.audit import announcement, read_topic
from tests.sites import CATALOG, Site


def _badge_events(site: Site) -> Counter[str]:
    settings = site.commands.parsed
    records = asyncio.run(read_topic(settings, topics(settings).badges.name))
    return Counter(event.id for record in records if (event := announcement(record, settings)))


def test_what_was_recorded_simulates_to_what_was_decided(site: Site, tmp_path: Path) -> None:
    recorded = tmp_path / "activities.jsonl"
    recorded.write_text(site.commands.run("record"))

    decided = [json.loads(line) for line in _simulated(recorded)]

    # Between partitions the order of arrival is not recorded, so only the learners' first awards are sure.
    first = {
        (d["template"], d["learner"]) for d in decided if d["generation"] == 1 and d["kind"] == "awarded"
    }
    settings = site.commands.parsed
    events = [
        announcement(r, settings) for r in asyncio.run(read_topic(settings, topics(settings).badges.name))
    ]
    emitted = {(e.template, e.learner) for e in events if e and e.generation == 1 and e.kind == "awarded"}
    assert len(first & emitted) > 0.9 * len(emitted) > 0


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
    assert "issuer: there is no relay here" in said


def test_a_learner_never_heard_of_is_said_to_be_so(site: Site) -> None:
    assert "no relevant activity" in site.commands.run("explain", "--learner", "987654321")


def test_dead_letters_are_listed_shown_and_redriven_once(site: Site) -> None:
    listed = site.commands.run("dead-letters", "list", "--reason", "no_id")
    ids = [
        cell
        for line in listed.splitlines()
        if (cell := line.strip("│ ").split("│")[0].strip()).count(":") == 1
    ]
    assert ids

    shown = site.commands.run("dead-letters", "show", ids[0])
    assert "no_id" in shown
    assert "ce_type=org.openedx" in shown

    before = _badge_events(site)
    first = site.commands.run("dead-letters", "redrive", "--reason", "no_id")
    second = site.commands.run("dead-letters", "redrive", "--reason", "no_id", *ids)
    assert f"sent again: {len(ids)}" in first
    assert all(id in first for id in ids)
    assert second == "sent again: 0\n"
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
    [line] = site.commands.run("catalog", "history").splitlines()
    assert name in site.commands.run("catalog", "show", line.split()[1])
    with pytest.raises(Exception, match="no catalog never was published"):
        site.commands.run("catalog", "show", "never")


def test_a_catalog_with_a_fault_is_not_published(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "catalog.yaml"
    broken.write_text("version: 1\ntemplates: [{}]\n")

    with pytest.raises(Exception, match=r"templates\[0\].id: required"):
        site.commands.run("catalog", "publish", str(broken))


def _simulated(activities: Path) -> list[str]:
    command = [sys.executable, "-c", "from streams.cli import main; main()", "simulate"]
    command += ["--catalog", str(CATALOG), "--activities", str(activities)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

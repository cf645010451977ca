"""What a worker says of topics that are missing or made otherwise than it needs them."""

import asyncio
import json
from dataclasses import replace
from importlib.metadata import version

import pytest

from streams.errors import FatalError
from streams.kafka import checks
from streams.kafka.client import admin
from streams.kafka.topics import topics
from streams.sandbox.bus import Bus
from streams.sandbox.process import Deadline
from streams.settings import Settings
from tests.faults.configs import alter
from tests.here import on_bus
from tests.sites import CATALOG

TOPICS = topics(Settings())
NEEDED = TOPICS.all
PARTITIONS = {topic.name: topic.partitions for topic in NEEDED}
CONFIGS = {topic.name: topic.configs(1_000_000) for topic in NEEDED}
OURS, BUS = TOPICS.progress, TOPICS.badges


def faults(partitions: dict[str, int], configs: dict[str, dict[str, str]]) -> list[str]:
    return list(checks.faults(NEEDED, PARTITIONS | partitions, CONFIGS | configs))


def without(name: str) -> list[str]:
    return list(checks.faults(NEEDED, {n: p for n, p in PARTITIONS.items() if n != name}, CONFIGS))


def test_topics_that_are_as_declared_have_no_fault() -> None:
    assert faults({}, {}) == []


def test_a_missing_topic_is_named_and_for_ours_how_to_make_it() -> None:
    assert without(OURS.name) == [
        f"topic {OURS.name} does not exist (badge-streams topics --create makes it)"
    ]
    assert without(BUS.name) == [f"topic {BUS.name} does not exist"]


def test_our_topics_have_as_many_partitions_as_the_settings_say_and_the_buss_any_number() -> None:
    assert faults({OURS.name: 5, BUS.name: 5}, {}) == [
        f"topic {OURS.name} has 5 partitions, the settings want {OURS.partitions}"
    ]


def test_a_changelog_is_compacted_and_a_stream_is_not() -> None:
    made = {name: {"cleanup.policy": "delete"} for name in (OURS.name, BUS.name)}
    stream = {TOPICS.activities.name: {"cleanup.policy": "compact,delete"}}
    assert faults({}, made | stream) == [
        f"topic {TOPICS.activities.name} has cleanup.policy=compact,delete, it needs delete",
        f"topic {OURS.name} has cleanup.policy=delete, it needs compact",
    ]


@pytest.mark.parametrize("policy", ["compact,delete", "delete,compact"])
def test_a_changelog_that_also_deletes_what_is_old_loses_state(policy: str) -> None:
    [fault] = faults({}, {OURS.name: {"cleanup.policy": policy}})

    assert fault == f"topic {OURS.name} has cleanup.policy={policy}, it needs compact"


def test_a_compacted_topic_is_made_with_small_segments_and_one_with_large_ones_is_named() -> None:
    made = {name: {"segment.bytes": str(2**30)} | config for name, config in CONFIGS.items()}
    assert list(checks.slow(NEEDED, made)) == []

    made[OURS.name] = {"segment.bytes": str(2**30)}
    [advice] = checks.slow(NEEDED, made)

    assert advice.startswith(f"topic {OURS.name} has segment.bytes=1073741824")
    assert advice.endswith("--add-config segment.bytes=67108864")


def test_a_topic_whose_configuration_may_not_be_read_is_a_fault() -> None:
    seen = {name: config for name, config in CONFIGS.items() if name != BUS.name}
    [fault] = checks.faults(NEEDED, PARTITIONS, seen)
    assert fault == f"topic {BUS.name}: its configuration may not be read (DescribeConfigs)"


def test_all_faults_are_said_at_once() -> None:
    missing = [replace(topic, name=f"{topic.name}-not-there") for topic in NEEDED]
    assert len(list(checks.faults(missing, PARTITIONS, CONFIGS))) == len(NEEDED)


def test_other_versions_than_those_whose_parts_are_replaced_are_refused() -> None:
    checks.versions({"aiokafka": version("aiokafka")})
    with pytest.raises(FatalError, match=r"aiokafka .* is installed, this product needs 0\.0"):
        checks.versions({"aiokafka": "0.0"})


def test_changelogs_that_the_command_made_are_quick_to_take_over_and_one_with_gigabytes_is_named(
    sandbox: Bus, app_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=1)
    settings = commands.parsed
    progress = topics(settings).progress

    async def segments() -> str:
        async with admin(settings) as client:
            return (await checks.configs(client, [progress.name]))[progress.name]["segment.bytes"]

    commands.run("topics", "--create", "--all")
    assert asyncio.run(segments()) == str(64 * 2**20)
    asyncio.run(checks.topics(settings, [progress]))
    assert caplog.messages == []

    asyncio.run(alter(settings, progress.name, {"segment.bytes": str(2**30)}))
    deadline = Deadline(30, "the broker does not know of the change")
    while asyncio.run(segments()) != str(2**30):
        deadline.wait()
    asyncio.run(checks.topics(settings, [progress]))
    [warning] = caplog.messages
    rows = (json.loads(line) for line in commands.run("topics", "--json").splitlines())
    [row] = (row for row in rows if row["verdict"] != "good")
    assert row["verdict"] == f"good, but {warning}"
    assert "next owner may have to read that much" in warning

"""What must be true before a worker reads anything; each failure is one clear line."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.errors import FatalError
from streams.kafka.client import admin
from streams.kafka.topics import SEGMENT_BYTES, Topic
from streams.settings import Settings

log = logging.getLogger(__name__)

HOW_TO_MAKE = " (badge-streams topics --create makes it)"


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker says of the topics: partitions and the largest record batch, by topic."""

    partitions: Mapping[str, int]
    max_message_bytes: Mapping[str, int]


def versions(wanted: Mapping[str, str]) -> None:
    """Refuse other versions than those whose parts the runtime replaces."""
    for package, exact in wanted.items():
        if version(package) != exact:
            raise FatalError(f"{package} {version(package)} is installed, this product needs {exact}")


async def topics(settings: Settings, needed: Iterable[Topic]) -> Found:
    """Look at the topics that a worker needs; raise `FatalError` where one is missing or made otherwise."""
    wanted = {topic.name: topic for topic in needed}
    async with admin(settings) as client:
        partitions, found = await look(client, wanted)
    if said := list(faults(wanted.values(), partitions, found)):
        raise FatalError("; ".join(said))
    for advice in slow(wanted.values(), found):
        log.warning("%s", advice)
    sizes = {name: int(config["max.message.bytes"]) for name, config in found.items()}
    return Found(partitions, sizes)


async def look(
    client: AIOKafkaAdminClient, wanted: Iterable[str]
) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Of those of these topics that exist: their partitions, and the configurations that may be read."""
    # Of all: a question about some makes those that are missing, where the broker may do so.
    described = await client.describe_topics()
    existing = {t["topic"]: len(t["partitions"]) for t in described if not t["error_code"]}
    partitions = {name: existing[name] for name in wanted if name in existing}
    return partitions, await configs(client, partitions)


async def configs(client: AIOKafkaAdminClient, wanted: Iterable[str]) -> dict[str, dict[str, str]]:
    """The broker's configuration of each of these topics that exists."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
    found: dict[str, dict[str, str]] = {}
    for response in await client.describe_configs(resources):
        for resource in response.resources:
            error_code, _, _, name, entries = _five(resource)
            if not error_code:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def faults(
    needed: Iterable[Topic], partitions: Mapping[str, int], configs: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """What is wrong with the needed topics; of the bus's only that they cannot be found or read."""
    for topic in needed:
        yield from _faults(topic, partitions.get(topic.name), configs.get(topic.name))


def slow(needed: Iterable[Topic], configs: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Which of our compacted topics were made with segments so large that taking them over takes long."""
    for topic in needed:
        size = configs[topic.name]["segment.bytes"]
        if topic.ours and topic.cleanup == "compact" and int(size) > 2 * SEGMENT_BYTES:
            yield (
                f"topic {topic.name} has segment.bytes={size}: a partition's next owner may have to read "
                f"that much; kafka-configs.sh --alter --add-config segment.bytes={SEGMENT_BYTES}"
            )


def _faults(topic: Topic, partitions: int | None, config: Mapping[str, str] | None) -> Iterator[str]:
    if partitions is None:
        yield f"topic {topic.name} does not exist" + (HOW_TO_MAKE if topic.ours else "")
    elif config is None:
        yield f"topic {topic.name}: its configuration may not be read (DescribeConfigs)"
    elif topic.ours:
        if partitions != topic.partitions:
            yield f"topic {topic.name} has {partitions} partitions, the settings want {topic.partitions}"
        policy = config["cleanup.policy"]
        if policy != topic.cleanup:
            yield f"topic {topic.name} has cleanup.policy={policy}, it needs {topic.cleanup}"


def _five(resource: Any) -> tuple[int, Any, Any, str, list[Any]]:
    return resource[0], resource[1], resource[2], resource[3], resource[4]

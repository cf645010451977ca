"""Making the product's topics; workers never make any."""

import asyncio
from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.errors import FatalError
from streams.kafka import checks
from streams.kafka.client import admin
from streams.kafka.topics import DAY_MS, Topic, Topics, topics
from streams.settings import Settings

HEADROOM_BYTES = 64 * 1024
"""By so much our topics take larger records than the bus: for the headers that we add to a record."""
BROKER_DEFAULT_BYTES = 1_048_588
"""Kafka's default of `message.max.bytes`, for a bus whose topics do not exist yet."""


def describe(settings: Settings) -> list[str]:
    """A line for each topic: its name, partitions, what it holds and how long."""
    return [
        f"{topic.name}: {_partitions(topic)}, {_kept(topic)}, {topic.holds}" for topic in topics(settings).all
    ]


def make(settings: Settings, *, everything: bool) -> list[str]:
    """Make the missing topics; a line for each that was made."""
    made = asyncio.run(create(settings, topics(settings), everything=everything))
    return [f"made {name}" for name in made] or ["every topic exists"]


async def create(settings: Settings, names: Topics, *, everything: bool) -> list[str]:
    """Make the topics that are missing: ours, and with `everything` the bus's too; return what was made."""
    wanted = [topic for topic in names.all if topic.ours or everything]
    async with admin(settings) as client:
        largest = await _largest_source_record(client, names)
        existing = set(await client.list_topics())
        missing = [topic for topic in wanted if topic.name not in existing]
        await _create(client, settings, missing, largest)
    return [topic.name for topic in missing]


def _partitions(topic: Topic) -> str:
    return f"{topic.partitions} partitions" if topic.ours else "the bus's"


def _kept(topic: Topic) -> str:
    if topic.retention_ms is None:
        return "compacted"
    return f"kept {topic.retention_ms // DAY_MS} days" if topic.ours else "kept by the operator"


async def _largest_source_record(client: AIOKafkaAdminClient, names: Topics) -> int:
    configs = await checks.configs(client, [topic.name for topic in (*names.sources, names.badges)])
    return max((int(c["max.message.bytes"]) for c in configs.values()), default=BROKER_DEFAULT_BYTES)


async def _create(
    client: AIOKafkaAdminClient, settings: Settings, missing: Iterable[Topic], largest: int
) -> None:
    # A commit that only one replica has can be lost with it; by default Kafka asks for no more.
    durable = {"min.insync.replicas": "2"} if settings.replication > 2 else {}
    new = [
        NewTopic(
            name=topic.name,
            num_partitions=topic.partitions,
            replication_factor=settings.replication,
            topic_configs=durable | topic.configs(largest + HEADROOM_BYTES if topic.ours else largest),
        )
        for topic in missing
    ]
    if not new:
        return
    response = await client.create_topics(new)
    for error in response.topic_errors:
        name, code, message = error[0], error[1], error[2] if len(error) > 2 else ""
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise FatalError(f"topic {name} cannot be made: {message or for_code(code).__name__}")

"""The product's topics as the broker has them, and making them; workers never make any."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.errors import FatalError
from streams.kafka import checks
from streams.kafka.topics import DAY_MS, Topic, Topics
from streams.operate.site import Site
from streams.settings import Settings

HEADROOM_BYTES = 64 * 1024
"""By so much our topics take larger records than the bus: for the headers that we add to a record."""
BROKER_DEFAULT_BYTES = 1_048_588
"""Kafka's default of `message.max.bytes`, for a bus whose topics do not exist yet."""
LOOKS, PAUSE_SECONDS = 50, 0.2
"""For topics just made: a broker may hear of them, and of their leaders, after its controller answered."""


@dataclass(frozen=True, slots=True)
class Row:
    """A topic as it is wanted and as the broker has it, what is wrong with that, and what makes it slow."""

    topic: str
    expected: str
    found: str
    fault: str
    slow: str

    @property
    def verdict(self) -> str:
        """In a word or a sentence."""
        return self.fault or (f"good, but {self.slow}" if self.slow else "good")

    def as_json(self) -> dict[str, str]:
        """All of it."""
        return {
            "topic": self.topic,
            "expected": self.expected,
            "found": self.found,
            "verdict": self.verdict,
        }


async def look(here: Site, made: Collection[str] = ()) -> list[Row]:
    """Every topic of both workers, as they would find it at their start; those just `made` are waited for."""
    wanted = {topic.name: topic for topic in here.topics.all}
    partitions, configs = await checks.look(await here.admin(), wanted)
    waits = iter([PAUSE_SECONDS] * LOOKS)
    # Another broker may be asked for the configurations than for the partitions.
    while not partitions.keys() & configs.keys() >= set(made) and (wait := next(waits, None)):
        await asyncio.sleep(wait)
        partitions, configs = await checks.look(await here.admin(), wanted)
    return [_row(topic, partitions.get(name), configs.get(name)) for name, topic in wanted.items()]


def _row(topic: Topic, partitions: int | None, config: Mapping[str, str] | None) -> Row:
    known = {} if partitions is None else {topic.name: partitions}
    configs = {} if config is None else {topic.name: config}
    faults = "; ".join(checks.faults([topic], known, configs))
    slow = "" if faults else "; ".join(checks.slow([topic], configs))
    return Row(topic.name, _expected(topic), _found(partitions, config), faults, slow)


async def create(here: Site, *, everything: bool) -> list[str]:
    """Make the topics that are missing: ours, and with `everything` the bus's too; return what was made."""
    wanted = [topic for topic in here.topics.all if topic.ours or everything]
    client = await here.admin()
    largest = await _largest_source_record(client, here.topics)
    existing = set(await client.list_topics())
    missing = [topic for topic in wanted if topic.name not in existing]
    await _create(client, here.settings, missing, largest)
    return [topic.name for topic in missing]


def _expected(topic: Topic) -> str:
    if not topic.ours:
        return "there"
    kept = "" if topic.retention_ms is None else f", {topic.retention_ms // DAY_MS} days"
    return f"{topic.partitions} partitions, {topic.cleanup}{kept}"


def _found(partitions: int | None, config: Mapping[str, str] | None) -> str:
    if partitions is None:
        return "missing"
    if config is None:
        return f"{partitions} partitions"
    kept = "" if "compact" in config["cleanup.policy"] else f", {_days(int(config['retention.ms']))}"
    return f"{partitions} partitions, {config['cleanup.policy']}{kept}"


def _days(ms: int) -> str:
    return "for ever" if ms < 0 else f"{ms / DAY_MS:.3g} days"


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

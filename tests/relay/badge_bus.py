"""Badge events on a real bus, as a tracker emits them, and relays as they are run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid5

import yaml
from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from streams.badges import Decision, User
from streams.bus.emitter import BadgeEmitter, BadgeEvent
from streams.bus.registry import registry_of
from streams.kafka.changelog import read_table
from streams.kafka.client import partition_of, partitions_of, reader
from streams.kafka.topics import topics
from streams.relay import rows
from streams.relay.issuance import Issuance, done
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.credly import CredlySimulator
from streams.settings import Settings
from tests.here import on_bus

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "S3cret-Key-of-the-test"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"


@dataclass(frozen=True, slots=True)
class Template:
    """What a badge event says of it."""

    id: str
    name: str = "A badge"
    description: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """One decision for one learner."""

    kind: Literal["awarded", "revoked"]
    template: str
    learner: int
    generation: int

    @property
    def time(self) -> datetime:
        """Another for each generation, so that Credly's `issued_at` tells them apart."""
        return FIRST + timedelta(days=self.generation)

    @property
    def badge(self) -> UUID:
        return uuid5(UUID(self.template), str(self.learner))

    @property
    def id(self) -> UUID:
        return uuid5(self.badge, f"{self.kind}:{self.generation}")


def catalog(url: str, organizations: Mapping[str, Sequence[str]], key: str = "CREDLY_KEY_OF_THE_TEST") -> str:
    """A catalog with these templates by organization, at a simulator."""
    requirement = {"id": "passed", "event_type": PASSING}
    templates = [
        {"id": template, "organization": organization, "name": "A badge", "requirements": [requirement]}
        for organization, ids in organizations.items()
        for template in ids
    ]
    declared = [{"id": o, "url": url, "api_key": {"env": key}} for o in organizations]
    return yaml.safe_dump({"version": 1, "organizations": declared, "templates": templates})


def know(credly: CredlySimulator, organizations: Mapping[str, Sequence[str]]) -> None:
    """Have the simulator know them too."""
    for organization, templates in organizations.items():
        credly.add_organization(organization, KEY)
        for template in templates:
            credly.add_template(organization, template)


def relays(bus: Bus, name: str, catalog: Path, partitions: int = 4, **more: str) -> Commands:
    """The commands, with topics and groups of their own."""
    return on_bus(bus, name, catalog=catalog, partitions=partitions, CREDLY_KEY_OF_THE_TEST=KEY, **more)


class Speaker:
    """Puts decisions on the badge topic."""

    def __init__(
        self, settings: Settings, producer: AIOKafkaProducer, event: Callable[[Word], BadgeEvent]
    ) -> None:
        self.event = event
        self._topic = settings.badge_topic or settings.lifecycle_topic
        self._partitions = settings.partitions
        self._producer = producer

    async def put(self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        """Send one record, and wait until it is there."""
        await self._producer.send_and_wait(topic, value, key, headers=headers)

    async def say(self, words: Iterable[Word], rate: float = 1e9) -> None:
        """Send them in this order, and wait until they are there."""
        sent = []
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, word in enumerate(words):
            event = self.event(word)
            partition = partition_of(event.key, self._partitions)
            sent.append(
                await self._producer.send(
                    self._topic, event.value, event.key, partition=partition, headers=event.headers
                )
            )
            ahead = number / rate - (loop.time() - began)
            if ahead > 0.005:
                await asyncio.sleep(ahead)
        await asyncio.gather(*sent)


@asynccontextmanager
async def encoder(settings: Settings) -> AsyncIterator[Callable[[Word], BadgeEvent]]:
    """What turns a decision into a record of the bus."""
    registry = registry_of(settings)
    await registry.start()
    try:
        emitter = BadgeEmitter(registry, settings, settings.badge_topic or settings.lifecycle_topic)
        await emitter.start()
        yield lambda word: emitter.encode(
            decision_of(word), _user(word.learner), Template(word.template), "credly"
        )
    finally:
        await registry.stop()


@asynccontextmanager
async def speaker(settings: Settings) -> AsyncIterator[Speaker]:
    """One that speaks on the bus of these settings."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, enable_idempotence=True)
    await producer.start()
    try:
        async with encoder(settings) as encode:
            yield Speaker(settings, producer, encode)
    finally:
        await producer.stop()


async def until(true: Callable[[], bool], within: float) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.05)


def decision_of(word: Word) -> Decision:
    """The word as the tracker decides it."""
    return Decision(
        kind=word.kind,
        template=word.template,
        learner=word.learner,
        generation=word.generation,
        badge=word.badge,
        id=word.id,
        time=word.time,
        activity="",
        because=(),
    )


def _user(learner: int) -> User:
    return User(learner, True, f"user{learner}", f"user{learner}@example.org", f"Ada No{learner}")


async def issuances(settings: Settings) -> dict[str, Issuance]:
    """What the relays' table holds, by badge."""
    held: dict[str, Issuance] = {}
    for partition in range(settings.partitions):
        table = await read_table(settings, topics(settings).issuances.name, partition)
        held |= {badge.decode(): issuance for badge, issuance in rows.issuances(table.items())}
    return held


async def all_done(
    settings: Settings, badges: int, within: float, said: Collection[Word] = ()
) -> dict[str, Issuance]:
    """Wait until the table holds so many badges and nothing is left to do; return it.

    `said` are last words of some, which a relay may not have read yet.
    """
    held: dict[str, Issuance] = {}
    try:
        async with asyncio.timeout(within):
            while True:
                held = await issuances(settings)
                decided = {issuance.decision for issuance in held.values()}
                read = all(str(word.id) in decided for word in said)
                if read and len(held) == badges and all(map(done, held.values())):
                    return held
                await asyncio.sleep(0.5)
    except TimeoutError:
        left = [issuance for issuance in held.values() if not done(issuance)]
        raise TimeoutError(f"{len(held)} badges, {len(left)} with something left to do: {left[:3]}") from None


async def until_table(
    settings: Settings, word: Word, true: Callable[[Issuance], bool], within: float
) -> Issuance:
    """Wait until what the table holds of a badge is so; return it."""
    badge = str(word.badge)
    async with asyncio.timeout(within):
        while True:
            known = (await issuances(settings)).get(badge)
            if known is not None and true(known):
                return known
            await asyncio.sleep(0.2)


async def dead_letters(settings: Settings, count: int, within: float) -> list[ConsumerRecord]:
    """Wait until there are so many; return them."""
    async with asyncio.timeout(within), reader(settings) as consumer:
        places = await partitions_of(consumer, topics(settings).relay_dead_letters.name)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        letters: list[ConsumerRecord] = []
        while len(letters) < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                letters += records
        return letters

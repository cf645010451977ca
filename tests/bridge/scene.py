"""A bridge with a real Redis and a small runtime, without Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson

from streams.bridge.bridge import Bridge
from streams.bridge.cursor import Loss
from streams.bridge.reading import Reading
from streams.bridge.stream import Stream
from streams.bus.entries import Fields
from streams.bus.redis import client
from streams.catalog import CatalogDocument
from streams.kafka.topics import topics
from streams.runtime.app import App
from streams.sandbox.redis import Redis
from streams.settings import Settings
from tests.catalog.fixed import FixedCatalog
from tests.runtime.world import Broker, Sent, World
from tests.tracker.scene import catalog

STREAM = "dev-learning-badges-lifecycle"
LARGEST = 20_000


class NotingBridge(Bridge):
    """Keeps what it says went missing."""

    def __init__(self, settings: Settings, document: CatalogDocument) -> None:
        super().__init__(cast(App, None), settings, topics(settings))
        self.catalogs = FixedCatalog(settings, document)
        self.losses: list[Loss] = []
        self.take_catalog()

    def lost(self, what: str, loss: Loss) -> None:
        super().lost(what, loss)
        self.losses.append(loss)


class Scene:
    """A bridge that owns a partition; what it commits stays for its successors."""

    def __init__(self, redis: Redis, broker: Broker | None = None, **more: Any) -> None:
        self.settings = Settings(bus="redis", redis=redis.url, topic_prefix="dev", **more)
        self.bridge = NotingBridge(self.settings, catalog())
        self.world = World(broker or Broker(), name=f"bridge-{id(self)}")
        self.world.worker.partitions = defaultdict(lambda: 1)
        self.world.worker.max_message_bytes = defaultdict(lambda: LARGEST)
        self.redis = client(self.settings)

    @property
    def sent(self) -> list[Sent]:
        """What was committed on the activities and the dead letters, in order."""
        ours = (self.bridge.names.activities.name, self.bridge.names.dead_letters.name)
        return [sent for sent in self.world.broker.records if sent.topic in ours]

    @property
    def learners(self) -> list[int]:
        """Of whom activities were given on, in order."""
        return [int(sent.key or b"") for sent in self.sent if sent.topic == self.bridge.names.activities.name]

    @property
    def places(self) -> list[tuple[int, int]]:
        """Epoch and offset of the source of each."""
        sources = [orjson.loads(sent.value or b"")["source"] for sent in self.sent]
        return [(source["epoch"], source["offset"]) for source in sources]

    async def add(self, entries: Iterable[Fields], ids: Iterable[str] = ()) -> None:
        """Add entries to the stream, with these ids while there are some."""
        given = iter(ids)
        for fields in entries:
            words = [word for field in fields for word in field]
            await self.redis.execute_command("XADD", STREAM, next(given, "*"), *words)

    async def take(self, entries: Iterable[Fields], ids: Iterable[str] = (), *, total: int) -> None:
        """Add entries, and wait until activities of so many entries were given on."""
        await self.add(entries, ids)
        await self.until(lambda: len(self.learners) == total)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for a condition, and for what follows a commit by which it became true."""
        await until(true)
        await self.world.partition.drained()

    async def close(self) -> None:
        await self.redis.aclose()
        await self.bridge.redis.aclose()


@asynccontextmanager
async def scene(redis: Redis, broker: Broker | None = None, **more: Any) -> AsyncIterator[Scene]:
    """A bridge that reads the stream until the end of the block."""
    made = Scene(redis, broker, **more)
    await made.world.keep()
    reading = Reading(made.bridge, made.world.partition, Stream(made.bridge.redis, STREAM))
    made.world.partition.run(reading.run)
    try:
        yield made
    finally:
        await made.world.finish()
        made.world.partition.release()
        await made.close()
    assert made.world.worker.failures == []


async def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)

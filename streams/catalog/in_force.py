"""The catalog in force: the last revision on the catalog topic, or the file while the topic is empty.

A revision is one record: its key is the name, its value the catalog as JSON, gzipped (decision 0019).
"""

import asyncio
import gzip
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Catalog
from streams.catalog import CatalogDocument, load_catalog
from streams.catalog.reading import TEXT_BYTES
from streams.errors import CatalogError, ConfigurationError, FatalError
from streams.kafka.client import connection, partitions_of, reader, records, start
from streams.settings import Settings

log = logging.getLogger(__name__)

COMPRESSED_BYTES = 900_000
"""A revision is one record, of which a broker takes 1 MB by default. Ten thousand templates of the benchmark
are 331 kB."""
FILE = "file"
CATALOG_WANTED = "a catalog (put one in force with badge-streams catalog publish FILE)"
FOLLOW_MS = 1_000
"""How long a broker may wait with its answer while there is no new revision; a new one is sent at once."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One published catalog: `name` is its content's hash and the time, `value` the gzipped document."""

    name: str
    offset: int
    timestamp_ms: int
    value: bytes


class CatalogInForce:
    """What a worker judges by. It changes between units of work, never within one."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = TopicPartition(topic, 0)
        self._document: CatalogDocument | None = None
        self._revision = ""
        self._refused: list[str] = []
        self._follower: asyncio.Task[None] | None = None
        self.loaded = asyncio.Event()

    @property
    def document(self) -> CatalogDocument:
        """The catalog in force; only after it was loaded."""
        assert self._document is not None
        return self._document

    @property
    def compiled(self) -> Catalog:
        """The catalog in force, compiled."""
        return self.document.compiled

    @property
    def revision(self) -> str:
        """The name of the revision in force; `file` and the content's hash for the file."""
        return self._revision

    @property
    def refused(self) -> list[str]:
        """The faults of the last revision that was refused."""
        return self._refused

    def describe(self) -> dict[str, Any]:
        """What `/health` says of it."""
        if self._document is None:
            return {"revision": None, "last_refusal": self._refused or None}
        return {
            "revision": self._revision,
            "rules": self.compiled.revision,
            "templates": len(self.document.templates),
            "last_refusal": self._refused or None,
        }

    async def load_from(self, consumer: AIOKafkaConsumer) -> None:
        """Read the catalog in force, with a consumer that is started.

        Raises `ConfigurationError` if neither the topic nor the file holds a catalog.
        """
        await self._load(consumer)
        if self._document is None:
            raise ConfigurationError(
                f"no catalog: the topic {self._topic.topic} holds none and BADGES_CATALOG is not set"
            )

    async def start(self, changed: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        """Load what there is, and follow the topic; `loaded` is set once a catalog is in force.

        `changed` is called after each catalog that comes into force, `failed` when following the topic has
        ended with an error.
        """
        async with reader(self._settings) as consumer:
            offset = await self._load(consumer)
        if self._document is not None:
            changed()
        self._follower = asyncio.ensure_future(self._follow(offset, changed))
        self._follower.add_done_callback(lambda task: _report(task, failed))

    async def stop(self) -> None:
        """Stop following the topic."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    async def _load(self, consumer: AIOKafkaConsumer) -> int:
        """Put what there is in force; returns the offset of the topic after the last record read."""
        offset = await self._read_last(consumer)
        if self._document is None and self._settings.catalog is not None:
            await self.read_file(self._settings.catalog)
        return offset

    async def read_file(self, path: Path) -> None:
        """Put the file in force."""
        try:
            document = await _loaded(path.read_bytes)
        except OSError as error:
            raise ConfigurationError(f"BADGES_CATALOG: {path}: {error.strerror}") from None
        self._put_in_force(document, f"{FILE}-{document.revision}")

    async def _read_last(self, consumer: AIOKafkaConsumer) -> int:
        """Put the newest acceptable revision in force; returns the offset after the last record read."""
        revisions, end = await _read(consumer, self._topic)
        for revision in reversed(revisions):
            if await self.consider(revision):
                break
        return end

    async def _follow(self, offset: int, changed: Callable[[], None]) -> None:
        async with reader(self._settings, fetch_wait_ms=FOLLOW_MS) as consumer:
            consumer.assign([self._topic])
            consumer.seek(self._topic, offset)
            while True:
                fetched = await consumer.getmany(self._topic, timeout_ms=FOLLOW_MS)
                for record in fetched.get(self._topic, ()):
                    if await self.consider(_revision(record)):
                        changed()

    async def consider(self, revision: Revision | None) -> bool:
        """Put a revision in force and return True; a refused one is reported and changes nothing."""
        if revision is None:
            return False
        try:
            document = await _loaded(lambda: unpack(revision.value))
        except (CatalogError, ConfigurationError) as error:
            from streams import metrics  # dear, and a command that reads revisions counts none

            self._refused = str(error).splitlines()[:20]
            metrics.CATALOG_REFUSALS.inc()
            log.error("catalog %s is refused: %s", revision.name, "; ".join(self._refused))
            return False
        self._put_in_force(document, revision.name)
        return True

    def _put_in_force(self, document: CatalogDocument, revision: str) -> None:
        from streams import metrics

        if self._revision:
            metrics.CATALOG.remove(self._revision)
        self._document, self._revision = document, revision
        self.loaded.set()
        metrics.CATALOG.labels(revision).set(1)
        metrics.TEMPLATE_INFO.clear()
        for template in document.templates.values():
            metrics.TEMPLATE_INFO.labels(template.id, template.name).set(1)
        active = sum(template.active for template in document.templates.values())
        metrics.CATALOG_TEMPLATES.labels("active").set(active)
        metrics.CATALOG_TEMPLATES.labels("inactive").set(len(document.templates) - active)
        log.info("catalog %s is in force: %d templates, %d active", revision, len(document.templates), active)


def _report(task: asyncio.Task[None], failed: Callable[[BaseException], None]) -> None:
    if not task.cancelled():
        failed(task.exception() or FatalError("following the catalog topic has ended"))


async def publish(settings: Settings, topic: str, text: bytes, name: str) -> None:
    """Put a revision on the catalog topic; raises `ConfigurationError` if one record cannot hold it."""
    value = pack(text)
    if len(value) > COMPRESSED_BYTES:
        raise ConfigurationError(
            f"the catalog is {len(value)} bytes compressed, at most {COMPRESSED_BYTES} fit"
        )
    producer = AIOKafkaProducer(**connection(settings), enable_idempotence=True, max_request_size=2**20)
    await start(producer, settings)
    try:
        await producer.send_and_wait(topic, key=name.encode(), value=value, partition=0)
    finally:
        await producer.stop()
    log.info("published %s", name)


async def history(consumer: AIOKafkaConsumer, topic: str) -> list[Revision]:
    """Every revision that was published, oldest first."""
    revisions, _ = await _read(consumer, TopicPartition(topic, 0))
    return revisions


def pack(text: bytes) -> bytes:
    """The document as the topic holds it: gzipped, the same bytes for the same text."""
    return gzip.compress(text, mtime=0)


def unpack(value: bytes) -> bytes:
    """The document in a record's value; raises `ConfigurationError` if it holds none, or one too large."""
    # Bounded: a record can inflate to a thousand times its size.
    inflate = zlib.decompressobj(wbits=31)
    try:
        text = inflate.decompress(value, TEXT_BYTES)
    except zlib.error as error:
        raise ConfigurationError(f"not a gzipped document: {error}") from None
    if inflate.unconsumed_tail or not inflate.eof:
        raise ConfigurationError(f"not a whole gzipped document of at most {TEXT_BYTES} bytes")
    return text


async def _loaded(text: Callable[[], bytes]) -> CatalogDocument:
    # Ten thousand templates take seconds, and meanwhile the loop has to send heartbeats.
    return await asyncio.to_thread(lambda: load_catalog(text()))


async def _read(consumer: AIOKafkaConsumer, tp: TopicPartition) -> tuple[list[Revision], int]:
    if tp not in await partitions_of(consumer, tp.topic):
        # A request for its offsets could make a broker create the topic, with settings that we cannot use.
        raise ConfigurationError(f"topic {tp.topic} does not exist (badge-streams topics --create makes it)")
    end = (await consumer.end_offsets([tp]))[tp]
    begin = (await consumer.beginning_offsets([tp]))[tp]
    revisions = [_revision(record) async for record in records(consumer, tp, begin, end)]
    return [revision for revision in revisions if revision is not None], int(end)


def _revision(record: ConsumerRecord) -> Revision | None:
    if record.key is None or record.value is None:
        return None
    name = record.key.decode("utf-8", "replace")
    return Revision(name, record.offset, record.timestamp, record.value)

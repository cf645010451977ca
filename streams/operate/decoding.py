"""Records decoded for a command, which does not wait for the registry as a worker does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.structs import ConsumerRecord

from streams.bus.activities import activity_of, is_line, parsed
from streams.bus.built_in import NoRegistry
from streams.bus.entries import EntryReader
from streams.bus.reader import Event, Reader
from streams.bus.registry import Registry, registry_of
from streams.bus.schemas import event_types
from streams.errors import FatalError, UnreadableError, WaitNeeded
from streams.settings import Settings


@asynccontextmanager
async def decoder(settings: Settings, wanted: frozenset[str]) -> AsyncIterator["Decoder"]:
    """One that reads events of the `wanted` types."""
    # What lies on a topic was written long ago: the registry knows its schemas by now, or never will.
    registry = registry_of(settings.model_copy(update={"schema_wait_seconds": 0.0}))
    await registry.start()
    try:
        yield Decoder(settings, registry, Reader(registry, "command", wanted))
    finally:
        await registry.stop()


class Decoder:
    """Reads records of the bus as events."""

    def __init__(self, settings: Settings, registry: Registry | NoRegistry, reader: Reader) -> None:
        self._settings = settings
        self._registry = registry
        self._reader = reader
        self._entries = EntryReader("command", reader.wanted)

    async def event(self, record: ConsumerRecord) -> Event | None:
        """The event; None for a record that is none, or whose type is not wanted.

        Raises `UnreadableError`, and `FatalError` where the registry does not answer within the settings'
        `start_seconds`.
        """
        while True:
            try:
                return self._reader_of(record).read(record.value, record.headers, record.timestamp)
            except WaitNeeded as needed:
                await self._until(needed)

    def _reader_of(self, record: ConsumerRecord) -> Reader | EntryReader:
        """At a site on Redis the one for entries, where the headers are the fields of one."""
        if self._settings.bus == "kafka" or any(name == "ce_type" for name, _ in record.headers):
            return self._reader
        return self._entries

    async def learner(self, record: ConsumerRecord) -> int | None:
        """About whom the record is; None where it is about nobody, or cannot be read."""
        try:
            if is_line(value := record.value or b""):
                activity = activity_of(parsed(value), event_types())
                return None if activity is None else activity.learner
            event = await self.event(record)
        except UnreadableError:
            return None
        return None if event is None else event.learner

    async def _until(self, needed: WaitNeeded) -> None:
        try:
            async with asyncio.timeout(self._settings.start_seconds):
                await needed.until()
        except TimeoutError:
            raise FatalError(
                f"the schema registry at {self._registry.where} cannot be reached within "
                f"{self._settings.start_seconds:g} s: {self._registry.trouble or 'no answer'}"
            ) from None

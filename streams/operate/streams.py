"""The streams of a bus on Redis, as an operator's command sees them: they are read, never written to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from aiokafka.structs import ConsumerRecord

from streams.errors import ConfigurationError, FatalError
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import Site
from streams.settings import Settings

# What reads entries is dear, as is the client: a site on Kafka goes without.
if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.bus.entries import EntryId

PAGE = 1_000
"""Entries of one answer: Redis, which serves one at a time, is busy with them for a millisecond."""
PAUSE_SECONDS = 0.2
"""Between two tries while it is away."""


@asynccontextmanager
async def streams(settings: Settings) -> AsyncIterator["Streams"]:
    """Those of the site that `settings` name."""
    from streams.bus.redis import client

    redis = client(settings)
    try:
        yield Streams(settings, redis)
    finally:
        await redis.aclose()


class Streams:
    """Reads entries as records, whose offsets are the numbers of the entries' ids."""

    def __init__(self, settings: Settings, redis: "Redis") -> None:
        self._settings = settings
        self._redis = redis

    async def ends(self, names: Iterable[str]) -> "Mapping[str, EntryId]":
        """The last entry of each stream that has any."""
        from streams.bus.entries import entry_id

        newest = {name: await self._ask("XREVRANGE", name, "+", "-", "COUNT", 1) for name in names}
        return {name: entry_id(found[0][0]) for name, found in newest.items() if found}

    async def existing(self, names: Iterable[str]) -> "Mapping[str, EntryId]":
        """The same; raise `ConfigurationError` where one of them has none."""
        names = list(names)
        ends = await self.ends(names)
        if missing := [name for name in names if name not in ends]:
            raise ConfigurationError(f"stream {missing[0]} does not exist, or is empty")
        return ends

    async def unread(self, name: str, row: bytes | None, epoch: int) -> int:
        """How many entries a bridge has still to read; `row` is its cursor, if it has one for the stream."""
        from streams.bridge.cursor import fresh, load, unread
        from streams.bridge.stream import Stream

        cursor = fresh(epoch) if row is None else load(row)
        look = await self._patiently(lambda: Stream(self._redis, name).look(cursor.last.id, count=1))
        return 0 if look is None else unread(cursor, look)

    async def merged(
        self, ends: "Mapping[str, EntryId]", since_ms: int = 0, meter: Meter = NO_METER
    ) -> AsyncGenerator[ConsumerRecord]:
        """The entries of several streams from that time up to these ids, merged by time."""
        from streams.bus.entries import EntryId

        meter.expect(sum([int(await self._ask("XLEN", name)) for name in ends]))
        pages = {name: self._entries(name, EntryId(since_ms, 0), end) for name, end in ends.items()}
        heads: list[tuple[int, str, ConsumerRecord]] = []

        async def take(name: str) -> None:
            if (record := await anext(pages[name], None)) is not None:
                heappush(heads, (record.timestamp, name, record))

        for name in pages:
            await take(name)
        while heads:
            _, name, record = heappop(heads)
            meter.advance(1)
            yield record
            await take(name)

    async def at(self, stream: str, offset: int) -> ConsumerRecord | None:
        """The entry at that place; None where there is none any more."""
        return await anext(self._entries(stream, _id_at(offset), _id_at(offset)), None)

    async def _entries(self, stream: str, begin: "EntryId", end: "EntryId") -> AsyncGenerator[ConsumerRecord]:
        from streams.bus.entries import entry_id, record_of

        after = str(begin)
        while True:
            page = await self._ask("XRANGE", stream, after, str(end), "COUNT", PAGE)
            for id, fields in page:
                yield record_of(stream, entry_id(id), list(zip(fields[::2], fields[1::2], strict=True)))
            if len(page) < PAGE:
                return
            after = f"({page[-1][0].decode()}"

    async def _ask(self, *command: Any) -> Any:
        return await self._patiently(lambda: self._redis.execute_command(*command))

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer; raise `FatalError` where there is none within the settings' `start_seconds`."""
        from redis.exceptions import AuthenticationError, ResponseError

        from streams.bus.redis import TROUBLES, trouble

        why = "no answer"
        try:
            async with asyncio.timeout(self._settings.start_seconds):
                while True:
                    try:
                        return await ask()
                    except (AuthenticationError, ResponseError) as error:
                        raise FatalError(f"Redis at {self._settings.redis}: {trouble(error)}") from error
                    except TROUBLES as error:
                        why = trouble(error)
                    await asyncio.sleep(PAUSE_SECONDS)
        except TimeoutError:
            raise FatalError(
                f"Redis at {self._settings.redis} cannot be reached within "
                f"{self._settings.start_seconds:g} s: {why}"
            ) from None


async def bridged(here: Site, within: float) -> None:
    """Return when a bridge has read all that is on the streams of the site now."""
    from streams.bridge.cursor import load
    from streams.bus.entries import NO_ENTRY

    async with streams(here.settings) as redis:
        left = dict(await redis.ends(here.topics.streams))
    try:
        async with asyncio.timeout(within):
            while left:
                async for name, row in here.rows(here.topics.cursors.name):
                    if load(row).last.id >= left.get(name.decode(), NO_ENTRY):
                        left.pop(name.decode(), None)
                await asyncio.sleep(PAUSE_SECONDS if left else 0)
    except TimeoutError:
        raise FatalError(
            f"the bridge has not read all of {', '.join(left)} within {within:g} s: is it running?"
        ) from None


def place(settings: Settings, topic: str, partition: int, offset: int) -> str:
    """Where on the bus something is, in words."""
    if settings.bus == "redis":
        return f"{topic} entry {_id_at(offset)}"
    return f"{topic}-{partition} offset {offset}"


def _id_at(offset: int) -> "EntryId":
    from streams.bus.entries import SEQUENCE_BITS, EntryId

    return EntryId(offset >> SEQUENCE_BITS, offset & ((1 << SEQUENCE_BITS) - 1))

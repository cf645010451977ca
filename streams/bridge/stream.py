"""One stream of Redis, looked at: what it holds, as answers in the shapes of RESP 2 say."""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from streams.bridge.cursor import Look, Read
from streams.bus.entries import NO_ENTRY, EntryId, entry_id
from streams.bus.redis import BLOCK_SECONDS

ENTRIES = 1_000
"""Of one look and one unit of work: a millisecond of Redis' one thread, a twentieth of a second here."""


class Stream:
    """A stream by its key, `name`."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.name = name
        self._redis = redis

    async def look(self, after: EntryId, count: int = ENTRIES) -> Look | None:
        """The stream and its next entries after one, of the same moment; None where there is no stream."""
        # With that entry itself: it is there, or the stream was shortened, or is another one.
        info, found = await self._together(
            ("XINFO", "STREAM", self.name), ("XRANGE", self.name, str(after), "+", "COUNT", count + 1)
        )
        if isinstance(info, ResponseError) and "no such key" in str(info):
            return None
        for answer in (info, found):
            if isinstance(answer, Exception):
                raise answer
        return _look(dict(zip(info[::2], info[1::2], strict=True)), found, after, count)

    async def left(self, earlier: Sequence[Read]) -> list[Read]:
        """Those of these entries that are there."""
        if not earlier:
            return []
        found = await self._together(*(("XRANGE", self.name, str(r.id), str(r.id)) for r in earlier))
        return [
            read
            for read, entries in zip(earlier, found, strict=True)
            if isinstance(entries, list) and entries
        ]

    async def wait(self, after: EntryId) -> None:
        """Return once an entry comes after this one, or when it is time to look whether all is well."""
        block = int(BLOCK_SECONDS * 1000)
        await self._redis.execute_command(
            "XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", self.name, str(after)
        )

    async def _together(self, *commands: tuple[Any, ...]) -> list[Any]:
        async with self._redis.pipeline(transaction=True) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            return await pipe.execute(raise_on_error=False)


def _look(info: Mapping[bytes, Any], found: Sequence[Any], after: EntryId, count: int) -> Look:
    entries = [(entry_id(id), list(zip(fields[::2], fields[1::2], strict=True))) for id, fields in found]
    there = bool(entries) and entries[0][0] == after
    if there:
        del entries[0]
    first = info[b"first-entry"]
    return Look(
        length=info[b"length"],
        added=info.get(b"entries-added"),
        first=entry_id(first[0]) if first else None,
        last=entry_id(info[b"last-generated-id"]),
        deleted=entry_id(info.get(b"max-deleted-entry-id", str(NO_ENTRY))),
        there=there,
        entries=entries[:count],
        more=len(found) > count,
    )

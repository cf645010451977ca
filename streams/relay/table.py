"""One partition of the table of issuances."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

import orjson

from streams.badges import stamp
from streams.errors import UnreadableError
from streams.kafka.dead_letters import set_aside
from streams.kafka.origin import forwarded
from streams.relay.issuance import ERASED, Issuance, gone, letter_due
from streams.relay.rows import KEPT, dump, issuances, load
from streams.relay.saving import ToSave
from streams.runtime.app import App
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit

AGENT = "relay"


def forgotten_row(learner: bytes, at: datetime) -> bytes:
    """What stays of a forgotten learner in a partition, under the learner's id: an issuance of no badge."""
    return orjson.dumps(dump(Issuance("forgotten", "", int(learner), 0, "", at, state=ERASED)))


def is_over(key: bytes, raw: bytes, before: int) -> bool:
    """True for the row of a learner who was forgotten before `before`; other keys are no number."""
    return key.isdigit() and stamp(load(orjson.loads(raw)).time) < before


class PartitionStore:
    """One partition of the table, with what may be done to it."""

    def __init__(self, app: App, partition: Partition, letters: str, credentials: str) -> None:
        self._app = app
        self._partition = partition
        self._letters = letters
        self._credentials = credentials

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        """Every issuance, each as it is when it is reached: the bus may speak meanwhile."""
        rows = self._partition.rows
        return issuances((badge, rows[badge]) for badge in list(rows) if badge in rows)

    def get(self, badge: bytes) -> Issuance | None:
        """The issuance of a badge, as far as it is durable."""
        raw = self._partition.rows.get(badge)
        return None if raw is None else load(orjson.loads(raw))

    def row(self, key: bytes) -> bytes | None:
        """A row as it is, as far as it is durable."""
        return self._partition.rows.get(key)

    def kept(self) -> Mapping[str, bytes]:
        """What issuers have written down."""
        rows = self._partition.rows.items()
        return {key.removeprefix(KEPT).decode(): raw for key, raw in rows if key.startswith(KEPT)}

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        """A unit of work; what comes after it finds it committed."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._app.unit_of(self._partition) as unit:
            yield unit
            unit.after_commit.append(partial(_resolve, committed))
        await committed

    async def save(self, entries: Sequence[ToSave]) -> Sequence[Issuance]:
        """Apply the changes in one unit of work; return when it is committed."""
        results = []
        async with self.unit() as unit:
            published: dict[str, bytes | None] = {}
            for entry in entries:
                raw = unit.get(entry.badge)
                assert raw is not None
                before = load(orjson.loads(raw))
                after = entry.change(before)
                if after != before:
                    unit.put(entry.badge, None if gone(after) else orjson.dumps(dump(after)))
                if before.original is not None and letter_due(before, after):
                    original, refused = forwarded(before.original), UnreadableError("refused", after.refused)
                    set_aside(unit, self._letters, AGENT, original, refused)
                results.append(after)
                published |= entry.published
                for key, value in entry.kept.items():
                    unit.put(KEPT + key.encode(), value)
            for name, document in published.items():
                unit.send(self._credentials, key=name.encode(), value=document)
        return results


def _resolve(future: asyncio.Future[None]) -> None:
    # Who waits may have been cancelled.
    if not future.done():
        future.set_result(None)

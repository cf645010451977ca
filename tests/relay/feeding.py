"""Reads an issuer's feed in a world without Kafka: what it says reaches the table at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.headers import header
from streams.kafka.orders import ORDER, SEEN
from streams.relay.feed import Feeds
from streams.relay.seen import said_in
from streams.runtime.unit import Unit
from tests.relay.scene import TOPICS
from tests.relay.virtual import virtual_clock
from tests.relay.world import World
from tests.runtime.recording import RecordingUnit

SECONDS = 30.0


class MemoryRows:
    """The rows of a partition that is the only one; `said` counts the records that were sent.

    `feeds` is what reads them at present.
    """

    feeds: Feeds

    def __init__(self, here: World) -> None:
        self._here = here
        self.rows: dict[bytes, bytes] = {}
        self.said = 0

    def row(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Unit]:
        unit = RecordingUnit(TOPICS.decisions, TOPICS.issuances, self.rows)
        yield unit
        self.rows |= {key: value for key, value in unit.table.items() if value is not None}
        for record in unit.sent:
            assert header(record.headers, ORDER) == SEEN
            assert record.value is not None
            self.said += 1
            said = said_in(record.value)
            if isinstance(said, str):
                self._here.reconciler.template_changed(said)
            else:
                self._here.see(record.key, said)


@asynccontextmanager
async def reading(here: World, rows: MemoryRows | None = None) -> AsyncIterator[MemoryRows]:
    """With the feeds read; what goes wrong in that is raised."""
    rows = rows or MemoryRows(here)
    made = rows.feeds = Feeds(rows, here.organizations, virtual_clock(), TOPICS.decisions.name, 0, 1, SECONDS)
    task = asyncio.ensure_future(made.run())
    try:
        yield rows
    finally:
        assert not task.done(), task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

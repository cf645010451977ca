"""A stream of Redis, read for as long as its partition is owned; its entries become activities."""

from functools import partial

from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.bridge.bridge import AGENT, Bridge
from streams.bridge.cursor import (
    Cursor,
    Look,
    Loss,
    advanced,
    dump,
    fresh,
    goes_on,
    load,
    picked_up,
)
from streams.bridge.stream import Stream
from streams.bus.activities import line
from streams.bus.entries import NO_ENTRY, record_of
from streams.errors import UnreadableError
from streams.kafka.dead_letters import set_aside
from streams.kafka.origin import on_the_bus
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit


class Reading:
    """Reads one stream. What it gives on and how far it has read are one unit of work."""

    def __init__(self, bridge: Bridge, partition: Partition, stream: Stream) -> None:
        self._bridge = bridge
        self._partition = partition
        self._stream = stream
        self._key = stream.name.encode()
        self._cursor = self._begin()
        self._seen: int | None = None

    async def run(self) -> None:
        """Read on until cancelled; while Redis is in trouble, wait."""
        patiently, name = self._bridge.patiently, self._stream.name
        try:
            await patiently(self._partition, name, self._bridge.look_at_memory)
            while True:
                await patiently(self._partition, name, self._read_on)
        finally:
            self._bridge.show_no_more(self._stream.name)

    async def _read_on(self) -> None:
        """One look at the stream, and what follows from it."""
        cursor = self._cursor
        look = await self._stream.look(cursor.last.id)
        self._bridge.good(self._partition, self._stream.name)
        if not goes_on(cursor, look):
            left = await self._stream.left(cursor.earlier)
            await self._store(*picked_up(cursor, look, left, self._seen))
            return
        if look is None:
            await self._stream.wait(NO_ENTRY)
            return
        after, loss = advanced(cursor, look)
        self._seen = look.added
        if look.entries or loss or after != cursor:
            await self._store(after, loss, look)
        self._bridge.show(self._stream.name, after, look)
        if not look.more:
            # Redis' own last id: if somebody deleted the entry, an older Redis would answer at once.
            await self._stream.wait(max(look.last, after.last.id))

    async def _store(self, after: Cursor, loss: Loss | None, look: Look | None = None) -> None:
        async with Unit(self._partition, None) as unit:
            giving = Giving(self._bridge, unit, after.epoch)
            for id, fields in look.entries if look else ():
                giving.step(record_of(self._stream.name, id, fields))
            unit.put(self._key, dump(after))
            unit.after_commit.append(partial(self._count, giving, loss))
        self._cursor = after

    def _begin(self) -> Cursor:
        row, epoch = self._partition.rows.get(self._key), self._bridge.settings.source_epoch
        cursor = None if row is None else load(row)
        return fresh(epoch) if cursor is None or cursor.epoch < epoch else cursor

    def _count(self, giving: "Giving", loss: Loss | None) -> None:
        metrics.RECORDS_READ.labels(self._stream.name).inc(giving.taken)
        giving.count()
        if loss is not None:
            self._bridge.lost(self._stream.name, loss)


class Giving:
    """One unit's entries: given on as activities, dropped or set aside, as `rekey` does with records."""

    def __init__(self, bridge: Bridge, unit: Unit, epoch: int) -> None:
        self._unit = unit
        self._epoch = epoch
        self._reader = bridge.reader
        self._catalog = bridge.catalogs.compiled
        self._activities = bridge.names.activities.name
        self._letters = bridge.names.dead_letters.name
        self.taken = 0
        self._given = 0
        self._irrelevant = 0

    def step(self, record: ConsumerRecord) -> None:
        """Give on, drop or set aside one entry."""
        self.taken += 1
        try:
            event = self._reader.read(record.value, record.headers, record.timestamp)
            if event is None:
                return
            if not self._catalog.relevant(event):
                self._irrelevant += 1
                return
            self._unit.send(
                self._activities, key=b"%d" % event.learner, value=line(event, record, self._epoch)
            )
            self._given += 1
        except UnreadableError as error:
            set_aside(self._unit, self._letters, AGENT, on_the_bus(record, self._epoch), error)

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        metrics.ACTIVITIES_MATCHED.inc(self._given)
        metrics.RECORDS_DROPPED.labels(AGENT, "no_rule").inc(self._irrelevant)

"""Badge events brought from Kafka to Redis, as Open edX's own services add theirs (decision 0023)."""

import logging
from collections.abc import Sequence

from aiokafka.structs import ConsumerRecord

from streams import metrics
from streams.bridge.bridge import CARRIES, Bridge
from streams.bridge.cursor import Loss
from streams.bridge.sink import Entry, Sink
from streams.bus.entries import ATTRIBUTES
from streams.bus.reader import FRAME_BYTES
from streams.bus.schemas import BADGE_EVENTS
from streams.headers import header
from streams.kafka.client import reader, records
from streams.runtime import recovery
from streams.runtime.unit import Batch

log = logging.getLogger(__name__)

ADDED_AT_ONCE = 500
"""Entries of one script: a few milliseconds in which Redis does nothing else."""
HEADERS = (*(f"ce_{name}" for name in ATTRIBUTES[:5]), *ATTRIBUTES[5:])
"""What the fields are on Kafka."""
Due = tuple[int, Entry | None]
"""A record's offset, and the entry that it becomes, if any."""
_TYPES = frozenset(event_type.encode() for event_type in BADGE_EVENTS)


class Carrying:
    """One batch of the badge topic on its way to Redis.

    What Redis says of how far it was brought counts, not what the group has committed: that is lost together
    with the entries. So what another worker has added is passed over, and what Redis has lost is added again.
    """

    def __init__(self, bridge: Bridge, sink: Sink, batch: Batch) -> None:
        self._bridge = bridge
        self._sink = sink
        self._batch = batch
        self._partition = batch.partition
        self._field = f"{bridge.app.epoch_of(batch.topic)}:{batch.partition.tp.partition}"
        self._source = bridge.settings.source.encode()
        self._begin = batch.partition.committed or 0
        self._due = [(record.offset, self._entry(record)) for record in batch]
        self._end = batch.position
        self._added = 0

    async def carry(self) -> None:
        """Return once Redis has all of it, or the batch is no longer this worker's."""
        await self._bridge.patiently(self._partition, self._sink.stream, self._all)

    def count(self) -> None:
        """Count what was added, once the batch is committed."""
        metrics.ENTRIES_ADDED.labels(self._sink.stream).inc(self._added)

    async def _all(self) -> None:
        done = False
        while not done and self._batch.term == self._partition.term:
            done = await self._next()

    async def _next(self) -> bool:
        """Take one step to where Redis has all; True if it has."""
        place = await self._sink.place(self._field)
        if place is None:
            await self._add_first()
        elif place < self._begin:
            await self._add_again(place)
        elif place < self._end:
            await self._add(place, self._end, [due for due in self._due if due[0] >= place])
        else:
            return True
        return False

    async def _add_first(self) -> None:
        """Have Redis say where this begins; it may have said more before."""
        begin, _ = await recovery.bounds(self._partition.host, self._partition.tp)
        if await self._add(None, self._begin, ()) and self._begin > begin:
            self._bridge.lost(self._sink.stream, Loss("evicted"))

    async def _add_again(self, place: int) -> None:
        """Add what Redis has lost, as far as Kafka still has it."""
        log.warning("%s: Redis has lost what was added, from offset %d on", self._partition.tp, place)
        begin, _ = await recovery.bounds(self._partition.host, self._partition.tp)
        due: list[Due] = []
        async with reader(self._bridge.settings) as consumer:
            async for record in records(consumer, self._partition.tp, max(begin, place), self._begin):
                due.append((record.offset, self._entry(record)))
                if len(due) > ADDED_AT_ONCE:
                    break
        if await self._add(place, self._begin, due) and place < begin:
            self._bridge.lost(self._sink.stream, Loss("crashed", begin - place))

    async def _add(self, place: int | None, end: int, due: Sequence[Due]) -> bool:
        """Add the first of what is due; only with all of it is `end` reached."""
        some = due[:ADDED_AT_ONCE]
        entries = [entry for _, entry in some if entry is not None]
        after = end if len(some) == len(due) else some[-1][0] + 1
        added = await self._sink.add(self._field, place, after, entries)
        self._added += len(entries) if added else 0
        return added

    def _entry(self, record: ConsumerRecord) -> Entry | None:
        """The entry of a badge event of ours; None of anything else."""
        attributes = [header(record.headers, name) for name in HEADERS]
        if attributes[0] not in _TYPES:
            why = "other_type"
        elif attributes[2] != self._source:
            why = "other_source"
        elif None in attributes or not isinstance(record.value, bytes) or record.value[:1] != b"\0":
            why = "bad_badge"
        else:
            return [*(value for value in attributes if value is not None), record.value[FRAME_BYTES:]]
        metrics.RECORDS_DROPPED.labels(CARRIES, why).inc()
        return None

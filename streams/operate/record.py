"""What is on the bus, decoded: a rule's rehearsal on history, as `simulate` reads it."""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from aiokafka.structs import ConsumerRecord

from streams.bus import schemas
from streams.bus.activities import line
from streams.errors import ConfigurationError, UnreadableError
from streams.kafka.topics import topics
from streams.operate.decoding import decoder
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import site
from streams.operate.streams import streams
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which activities: of these `topics`, or the source topics; of these `types`, or all; of one learner.

    `since` and `until` bound the records' timestamps (`since <= timestamp < until`).
    """

    topics: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    types: frozenset[str] = frozenset()
    learner: int | None = None


async def record(
    settings: Settings,
    wanted: Wanted,
    report: Callable[[ConsumerRecord, UnreadableError], None],
    meter: Meter = NO_METER,
) -> AsyncGenerator[bytes]:
    """A JSON line for each activity, in the order of the records' timestamps.

    Each partition's own order is kept. `report` hears of what cannot be read. Raises `ConfigurationError` for
    a type that there is not.
    """
    if unknown := sorted(wanted.types - schemas.event_types()):
        near = get_close_matches(unknown[0], schemas.event_types(), n=1)
        raise ConfigurationError(
            f"no event type {unknown[0]}" + "".join(f": did you mean {one}?" for one in near)
        )
    after = -math.inf if wanted.since is None else _milliseconds(wanted.since)
    before = math.inf if wanted.until is None else _milliseconds(wanted.until)
    types = wanted.types or schemas.event_types() - schemas.BADGE_EVENTS
    on_the_bus = _on_redis if settings.bus == "redis" else _on_kafka
    async with (
        decoder(settings, types) as bus,
        aclosing(on_the_bus(settings, wanted.topics, after, meter)) as records,
    ):
        async for found in records:
            if not after <= found.timestamp < before:
                continue
            try:
                event = await bus.event(found)
            except UnreadableError as error:
                report(found, error)
            else:
                if event is not None and wanted.learner in (None, event.learner):
                    yield line(event, found, settings.source_epoch)


async def _on_kafka(
    settings: Settings, names: tuple[str, ...], after: float, meter: Meter
) -> AsyncGenerator[ConsumerRecord]:
    async with site(settings) as here:
        tps = [tp for name in dict.fromkeys(names or here.topics.read) for tp in await here.existing(name)]
        # All ends first: what arrives while the command runs is not waited for.
        ends = await here.ends(tps)
        begins = await (here.begins(tps) if after == -math.inf else here.since(tps, int(after)))
        async with aclosing(here.merged({tp: (begins[tp], ends[tp]) for tp in tps}, meter)) as records:
            async for found in records:
                yield found


async def _on_redis(
    settings: Settings, names: tuple[str, ...], after: float, meter: Meter
) -> AsyncGenerator[ConsumerRecord]:
    async with streams(settings) as here:
        # A stream is made by its first event: of those that the site reads some may not be there.
        ends = await (here.existing(names) if names else here.ends(topics(settings).read))
        async with aclosing(here.merged(ends, int(max(0, after)), meter)) as records:
            async for found in records:
                yield found


def _milliseconds(time: datetime) -> int:
    return max(0, int(time.timestamp() * 1000))

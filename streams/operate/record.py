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
from streams.operate.decoding import decoder
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import site
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
    async with decoder(settings, types) as bus, site(settings) as here:
        names = dict.fromkeys(wanted.topics or (topic.name for topic in here.topics.sources))
        tps = [tp for name in names for tp in await here.existing(name)]
        # All ends first: what arrives while the command runs is not waited for.
        ends = await here.ends(tps)
        begins = await (here.begins(tps) if wanted.since is None else here.since(tps, int(after)))
        stretches = {tp: (begins[tp], ends[tp]) for tp in tps}
        async with aclosing(here.merged(stretches, meter)) as records:
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


def _milliseconds(time: datetime) -> int:
    return max(0, int(time.timestamp() * 1000))

"""Deletes the rows of a table whose time is over."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from streams.clock import Clock
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit

DAY_SECONDS = 86_400.0
"""How often is looked: what is swept is kept for days."""
LOOKED_AT_ONCE = 10_000
"""Rows between two turns of the event loop: a few milliseconds' work."""

Over = Callable[[bytes, bytes, datetime], bool]


async def sweep(partition: Partition, over: Over, clock: Clock) -> None:
    """Delete the rows (key and value) of `partition` that are `over`, now and once a day, until cancelled."""
    while True:
        due = []
        for number, (key, raw) in enumerate(list(partition.rows.items())):
            if over(key, raw, clock.wall()):
                due.append(key)
            if number % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if due:
            async with Unit(partition, None) as unit:
                for key in due:
                    # It may have changed while the unit waited for its turn.
                    now_there = unit.get(key)
                    if now_there is not None and over(key, now_there, clock.wall()):
                        unit.put(key, None)
        await clock.sleep(DAY_SECONDS)

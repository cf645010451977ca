"""How many learners hold each template's badge: a gauge that follows the table."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from streams import metrics
from streams.tracker.rows import unpack

SLICE = 100
"""Rows that are counted at once: about two milliseconds, in which nothing else goes on."""
PAUSE_SECONDS = 0.01
"""After each slice, so that counting a large table leaves four fifths of the processor to the stream."""


class Held:
    """The gauge of held badges, over the partitions of the table that this worker has."""

    def __init__(self) -> None:
        self._counted: dict[int, Counter[str]] = {}

    async def follow(self, partition: int, rows: Mapping[bytes, bytes]) -> None:
        """Count what these rows of a partition hold; until this is cancelled, `change` keeps the count."""
        self._counted[partition] = Counter()
        try:
            # As of now: what is committed while this counts comes by `change`.
            now = list(rows.values())
            for begin in range(0, len(now), SLICE):
                self.change(partition, held(now[begin : begin + SLICE]))
                await asyncio.sleep(PAUSE_SECONDS)
            del now
            await asyncio.Event().wait()
        finally:
            for template, count in self._counted.pop(partition).items():
                metrics.HELD.labels(template).dec(count)

    def change(self, partition: int, changes: Mapping[str, int]) -> None:
        """So many more learners of a partition hold each template's badge.

        Nothing for a partition that is not followed.
        """
        counted = self._counted.get(partition)
        if counted is None:
            return
        for template, more in changes.items():
            counted[template] += more
            metrics.HELD.labels(template).inc(more)


def held(rows: Iterable[bytes]) -> Counter[str]:
    """How many of these learners' progresses hold each template's badge."""
    return Counter(
        template for row in rows for template, badge in unpack(row)[0].badges.items() if badge.held
    )

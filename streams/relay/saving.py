"""Saves what is learned of badges, in groups: whatever gathers while one save is in flight is the next."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from streams.relay.issuance import Issuance

Change = Callable[[Issuance], Issuance]


class Store(Protocol):
    """The partition's table of issuances."""

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        """Every issuance of the partition."""

    def get(self, badge: bytes) -> Issuance | None:
        """The issuance of a badge, as far as it is durable."""

    async def save(self, changes: Sequence[tuple[bytes, Change]]) -> Sequence[Issuance]:
        """Apply each change to what is there now, durably, all together; return the results.

        A badge that a change refuses goes to the dead letters in the same unit of work; one that is gone is
        no longer kept.
        """


class Saving:
    """Saves for as long as `run` runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[bytes, Change, asyncio.Future[Issuance]]] = []
        self._due = asyncio.Event()

    async def run(self) -> None:
        """Save group after group until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            group, self._waiting = self._waiting, []
            results = await self._store.save([(badge, change) for badge, change, _ in group])
            for (_, _, saved), result in zip(group, results, strict=True):
                # Whoever waited may have been cancelled.
                if not saved.done():
                    saved.set_result(result)

    async def save(self, badge: bytes, change: Change) -> Issuance:
        """Apply a change to a badge; return the result once it is durable."""
        saved: asyncio.Future[Issuance] = asyncio.get_running_loop().create_future()
        self._waiting.append((badge, change, saved))
        self._due.set()
        return await saved

"""Saves what is learned of badges, in groups: whatever gathers while one save is in flight is the next."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.relay.issuance import Issuance

Change = Callable[[Issuance], Issuance]


@dataclass(frozen=True, slots=True)
class ToSave:
    """A change of a badge, and what an issuer publishes and keeps with it."""

    badge: bytes
    change: Change
    published: Mapping[str, bytes | None] = field(default_factory=dict)
    kept: Mapping[str, bytes] = field(default_factory=dict)


class Store(Protocol):
    """The partition's table of issuances."""

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        """Every issuance of the partition, each as it is when it is reached."""

    def get(self, badge: bytes) -> Issuance | None:
        """The issuance of a badge, as far as it is durable."""

    def kept(self) -> Mapping[str, bytes]:
        """What issuers have written down for this partition, by their own keys."""

    async def save(self, entries: Sequence[ToSave]) -> Sequence[Issuance]:
        """Apply each change to what is there now, durably, all together; return the results.

        What is published under one key several times is published once, as the last says. A badge that a
        change refuses goes to the dead letters in the same unit of work; one that is gone is no longer kept.
        """


class Saving:
    """Saves for as long as `run` runs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[ToSave, asyncio.Future[Issuance]]] = []
        self._due = asyncio.Event()

    async def run(self) -> None:
        """Save group after group until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            group, self._waiting = self._waiting, []
            results = await self._store.save([entry for entry, _ in group])
            for (_, saved), result in zip(group, results, strict=True):
                # Whoever waited may have been cancelled.
                if not saved.done():
                    saved.set_result(result)

    async def save(self, badge: bytes, change: Change) -> Issuance:
        """Apply a change to a badge; return the result once it is durable."""
        return await self.enter(ToSave(badge, change))

    async def enter(self, entry: ToSave) -> Issuance:
        """Apply a change with what belongs to it; return the result once all of it is durable."""
        saved: asyncio.Future[Issuance] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, saved))
        self._due.set()
        return await saved

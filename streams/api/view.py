"""What a worker that answers knows: the store, the catalog in force, and how old both are."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from streams.api.questions import Questions
from streams.badges import stamp
from streams.catalog import CatalogDocument
from streams.catalog.in_force import CatalogInForce
from streams.clock import Clock

T = TypeVar("T")


class Following(Protocol):
    """How far what is known has got: `as_of` (Unix time), None at first; why it gets no further, if so."""

    @property
    def as_of(self) -> float | None:
        """When all that was committed was known."""

    @property
    def trouble(self) -> str:
        """Empty where there is none."""

    @property
    def relay(self) -> bool:
        """Whether there is a relay, which has a table."""


class View:
    """What is asked about one learner is answered at once, from `questions`; what is wider by `widely`."""

    def __init__(
        self,
        questions: Questions,
        wide: Questions,
        catalogs: CatalogInForce,
        follower: Following,
        clock: Clock,
    ) -> None:
        self.questions = questions
        self.catalogs = catalogs
        self.follower = follower
        self.clock = clock
        self._wide = wide
        self._turn = asyncio.Lock()

    @property
    def document(self) -> CatalogDocument:
        """The catalog in force; only where `not_ready` is empty."""
        return self.catalogs.document

    @property
    def now(self) -> int:
        """The time, in microseconds since 1970."""
        return stamp(self.clock.wall())

    @property
    def lag(self) -> float | None:
        """How old an answer may be, in seconds; None where nothing can be answered yet."""
        as_of = self.follower.as_of
        return None if as_of is None else max(0.0, self.clock.wall().timestamp() - as_of)

    @property
    def not_ready(self) -> str:
        """Why nothing can be answered yet; empty where it can."""
        trouble = f": {self.follower.trouble}" if self.follower.trouble else ""
        if self.follower.as_of is None:
            return f"reading the topics for the first time{trouble}"
        return "" if self.catalogs.loaded.is_set() else f"waiting for a catalog{trouble}"

    async def widely(self, ask: Callable[[Questions], T]) -> T:
        """What `ask` finds about many learners, in a thread, one at a time; others are answered meanwhile."""
        async with self._turn:
            return await asyncio.to_thread(ask, self._wide)

"""What a worker that answers knows: the store, the catalog in force, and how old both are."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from streams.api.questions import Questions
from streams.badges import Compiled, stamp
from streams.catalog import CatalogDocument
from streams.catalog.in_force import CatalogInForce
from streams.clock import Clock
from streams.operate.catalog import rules_of
from streams.operate.explain import names_by_rules

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

    @property
    def consents(self) -> bool:
        """Whether there is a topic that keeps learners' consents."""


class View:
    """What is asked about one learner is answered at once, from `questions`; what is wider by `widely`."""

    def __init__(
        self,
        questions: Questions,
        wide: Questions,
        catalogs: CatalogInForce,
        following: Following,
        clock: Clock,
    ) -> None:
        self.questions = questions
        self.catalogs = catalogs
        self.following = following
        self.clock = clock
        self._wide = wide
        self._turn = asyncio.Lock()
        self._named: CatalogDocument | None = None
        self._active: Sequence[Compiled] = ()
        self._rules: dict[int, list[tuple[str, str]]] = {}

    @property
    def document(self) -> CatalogDocument:
        """The catalog in force; only where `not_ready` is empty."""
        return self.catalogs.document

    @property
    def active(self) -> Sequence[Compiled]:
        """The templates that learners can earn, by name."""
        document = self.document
        if self._named is not document:
            self._active = sorted(
                document.compiled.active, key=lambda one: (document.templates[one.id].name, one.id)
            )
            self._named = document
        return self._active

    @property
    def now(self) -> int:
        """The time, in microseconds since 1970."""
        return stamp(self.clock.wall())

    @property
    def lag(self) -> float | None:
        """How old an answer may be, in seconds; None where nothing can be answered yet."""
        as_of = self.following.as_of
        return None if as_of is None else max(0.0, self.clock.wall().timestamp() - as_of)

    @property
    def not_ready(self) -> str:
        """Why nothing can be answered yet; empty where it can."""
        trouble = f": {self.following.trouble}" if self.following.trouble else ""
        if self.following.as_of is None:
            return f"reading the topics for the first time{trouble}"
        return "" if self.catalogs.loaded.is_set() else f"waiting for a catalog{trouble}"

    async def widely(self, ask: Callable[[Questions], T]) -> T:
        """What `ask` finds about many learners, in a thread, one at a time; others are answered meanwhile."""
        async with self._turn:
            return await asyncio.to_thread(ask, self._wide)

    async def names_by_rules(self) -> Mapping[str, str]:
        """The names of the catalogs by the hashes of their rules, by which decisions name them."""
        published = await self.widely(self._published)
        return names_by_rules(published, self.document.compiled.revision, self.catalogs.revision)

    def _published(self, questions: Questions) -> list[tuple[str, str]]:
        """Each acceptable catalog's name and rules, oldest first; each is read once."""
        for revision in questions.revisions():
            if revision.offset not in self._rules:
                self._rules[revision.offset] = rules_of([revision])
        return [one for _, found in sorted(self._rules.items()) for one in found]

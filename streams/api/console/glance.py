"""The site at a glance, which waits for nobody: what does not answer in time is shown as it was, or later."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from streams.api.console.fresh import Found, Fresh
from streams.api.console.operator import Groups, Operator
from streams.api.console.workers import Worker
from streams.api.questions import Questions
from streams.api.view import View
from streams.operate.dead_letters import Filter
from streams.operate.recent import Recent
from streams.operate.waits import Waiting, Waits

WITHIN = 0.9
"""Seconds that a page waits: for all at once, side by side."""
FRESH_SECONDS = 5.0
"""How old what is shown may be before it is asked again: a person who reloads the page sees it move."""
DAY = timedelta(days=1)
"""Dead letters of the last one are counted."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the store knows: learners, badges at their issuers, and what waits there."""

    learners: int
    badges: int
    waiting: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it."""

    groups: Found[Groups]
    workers: Found[Sequence[Worker]]
    numbers: Found[Numbers]
    letters: Found[Recent]


class Glance:
    """Looks at a site when somebody wants to see it."""

    def __init__(self, view: View, operator: Operator) -> None:
        self._view = view
        self._operator = operator
        clock = view.clock
        self._groups = Fresh(operator.groups, clock, FRESH_SECONDS)
        self._workers = Fresh(self._ask_workers, clock, FRESH_SECONDS)
        self._numbers = Fresh(self._count, clock, FRESH_SECONDS)
        self._letters = Fresh(self._letters_of_a_day, clock, FRESH_SECONDS)

    async def look(self) -> Seen:
        """What there is to see after at most `WITHIN` seconds."""
        return Seen(
            *await asyncio.gather(
                self._groups.get(WITHIN),
                self._workers.get(WITHIN),
                self._numbers.get(WITHIN),
                self._letters.get(WITHIN),
            )
        )

    async def _ask_workers(self) -> Sequence[Worker]:
        return await self._operator.workers((await self._groups.get(WITHIN)).value)

    async def _count(self) -> Numbers:
        document = self._view.document

        def ask(questions: Questions) -> Numbers:
            waits = Waits(document)
            for issuance in questions.open():
                waits.add(issuance)
            return Numbers(*questions.totals(), waits.by_organization)

        return await self._view.widely(ask)

    async def _letters_of_a_day(self) -> Recent:
        return await self._operator.letters(Filter(since=self._view.clock.wall() - DAY))

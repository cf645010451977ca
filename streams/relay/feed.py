"""Reads what happens at the organizations' issuers, whoever did it (decision 0100).

The owner of one partition of the table, that of the organization's id, reads its feed. What it reads goes to
the owners of the badges as records of the decisions, in one transaction with how far it has read.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol, get_args

from streams import metrics
from streams.badges import badge_id
from streams.clock import Clock, Patience, change_within
from streams.issuers import outcomes
from streams.issuers.issuer import Call, drive
from streams.issuers.outcomes import Event, Happened, Occurrence, Outcome
from streams.kafka.client import partition_of
from streams.kafka.orders import ORDER, SEEN
from streams.relay import cursor
from streams.relay.cursor import Cursor
from streams.relay.organizations import Organization, Organizations
from streams.relay.seen import Seen, line
from streams.runtime.unit import Unit

log = logging.getLogger(__name__)

CALL_SECONDS = 10.0
"""Issuing must not wait long for a feed that hangs: it has one of the few calls in flight."""
TURN_SECONDS = 60.0
"""An organization whose calls are held back is asked again later."""
THROTTLED_TRIES = 5
"""A long way back is not begun again because the issuer asks for quiet once."""
LONGEST_SECONDS = 300.0
"""Between two looks at a feed that does not answer: an organization may have none, or the key no right."""
AT_ONCE = 1_000
"""Occurrences of a unit of work: its transaction takes a moment."""
LONGEST_NUMBER = 19
"""Digits of a learner's id."""


class Rows(Protocol):
    """The partition's table."""

    def row(self, key: bytes) -> bytes | None:
        """A row as it is, as far as it is durable."""

    def unit(self) -> AbstractAsyncContextManager[Unit]:
        """A unit of work; what comes after it finds it committed."""


class Feeds:
    """Reads the feeds whose partition is `number` of `partitions`, every `seconds`, while `run` runs."""

    def __init__(
        self,
        rows: Rows,
        organizations: Organizations,
        clock: Clock,
        topic: str,
        number: int,
        partitions: int,
        seconds: float,
    ) -> None:
        self._rows = rows
        self._organizations = organizations
        self._clock = clock
        self._topic = topic
        self._number = number
        self._partitions = partitions
        self._seconds = seconds
        self._hints: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._patience = Patience(seconds, max(seconds, LONGEST_SECONDS))

    async def run(self) -> None:
        """Read until cancelled; an organization's feed by itself, so that a slow one holds up no other."""
        reading: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                own = {organization.id: organization for organization in self._own()}
                for id in reading.keys() - own.keys():
                    reading.pop(id).cancel()
                for id in own.keys() - reading.keys():
                    reading[id] = tasks.create_task(self._follow(own[id]))
                await self._clock.sleep(self._seconds)

    def hint(self, organization: str) -> None:
        """Read an organization's feed now."""
        self._hints[organization].set()

    def _own(self) -> Iterator[Organization]:
        for organization in self._organizations:
            number = partition_of(organization.id.encode(), self._partitions)
            if number == self._number and organization.issuer.traits.feeds:
                yield organization

    async def _follow(self, organization: Organization) -> None:
        labels, failures = organization.labels, 0
        if self._rows.row(cursor.key_of(organization.id)) is not None:
            # It was read before: from now on it is old if it cannot be read.
            metrics.FEED_AS_OF.labels(*labels).set(self._clock.wall().timestamp())
        metrics.begin(metrics.FEED_EVENTS, [labels[0]], [labels[1]], get_args(Event))
        metrics.begin(metrics.FEED_GAPS, [labels[0]], [labels[1]])
        try:
            hint = self._hints[organization.id]
            while True:
                hint.clear()
                failures = 0 if await self._look(organization, failures) else failures + 1
                pause = self._patience.seconds(failures, self._clock.random()) if failures else self._seconds
                if not hint.is_set():
                    await change_within(hint, self._clock, pause)
        finally:
            # The next owner of the partition says how far it is read.
            metrics.FEED_AS_OF.remove(*labels)

    async def _look(self, organization: Organization, failures: int) -> bool:
        """Read what is new; false if the feed could not be read."""
        began, kept = self._clock.wall(), self._rows.row(cursor.key_of(organization.id))
        known = cursor.load(kept) if kept is not None else None
        steps = organization.issuer.feed(organization.id, known.known if known else None)
        outcome = await drive(steps, partial(self._ask, organization))
        if not isinstance(outcome, Happened):
            if failures == 0:
                log.warning("organization %s: its feed cannot be read: %s", organization.id, outcome.why)
            return False
        if not outcome.joins:
            log.error("organization %s: its feed does not reach back to what was read", organization.id)
            metrics.FEED_GAPS.labels(*organization.labels).inc()
        if outcome.occurrences or known is None:
            await self._save(organization, known or Cursor(), outcome.occurrences)
        metrics.FEED_AS_OF.labels(*organization.labels).set(began.timestamp())
        return True

    async def _ask(self, organization: Organization, call: Call[Any]) -> Outcome:
        for _ in range(THROTTLED_TRIES):
            try:
                async with asyncio.timeout(TURN_SECONDS), organization.turn() as turn:
                    async with asyncio.timeout(CALL_SECONDS):
                        outcome: Outcome = await turn.ask(call)
            except TimeoutError:
                return outcomes.Unsupported("no answer in time")
            if not isinstance(outcome, outcomes.Throttled):
                break
        return outcome

    async def _save(
        self, organization: Organization, read: Cursor, occurrences: Sequence[Occurrence]
    ) -> None:
        """Say what was read to the badges' owners, and with the last of it how far that is."""
        said = list(dict.fromkeys(sayings(occurrences, organization, self._organizations)))
        row = cursor.dump(cursor.after(read, occurrences, self._clock.wall()))
        for start in range(0, max(1, len(said)), AT_ONCE):
            async with self._rows.unit() as unit:
                for key, value in said[start : start + AT_ONCE]:
                    for partition in range(self._partitions) if key is None else (None,):
                        unit.send(
                            self._topic, key=key, value=value, headers=[(ORDER, SEEN)], partition=partition
                        )
                if start + AT_ONCE >= len(said):
                    unit.put(cursor.key_of(organization.id), row)
        for event, count in Counter(of.event for of in occurrences).items():
            metrics.FEED_EVENTS.labels(*organization.labels, event).inc(count)


def sayings(
    occurrences: Iterable[Occurrence], organization: Organization, organizations: Organizations
) -> Iterator[tuple[bytes | None, bytes]]:
    """The keys and values of the records that say what happened; without a key one is for every partition.

    What is of other sites, or of templates that the catalog does not have, is left out.
    """
    templates = defaultdict(list)
    for terms in organizations.templates_of(organization.id):
        templates[terms.external_id.casefold()].append(terms.id)
    for of in occurrences:
        own = templates.get(of.template.casefold(), [])
        learner = organizations.ownership.learner(of.earner)
        if of.event == "template":
            yield from ((None, line(template)) for template in own)
        elif of.state and of.at is not None and learner is not None and (own or not of.template):
            value = line(Seen(of.badge, of.state, of.at))
            if own and learner.isascii() and 0 < len(learner) <= LONGEST_NUMBER:
                yield from ((str(badge_id(template, int(learner))).encode(), value) for template in own)
            else:
                yield None, value

"""Makes Credly hold what the bus says: one reconciler for each assigned partition.

It works off the badges whose desired state Credly does not hold: in parallel across badges, one call after
the other for each badge. What it learns is saved in groups; a group is one unit of work.
"""

import asyncio
import heapq
import itertools
import logging
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal, Protocol, assert_never

from streams import metrics
from streams.clock import Clock, Patience, change_within
from streams.issuers import credly, outcomes
from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.outcomes import Outcome
from streams.relay.issuance import (
    Called,
    Erase,
    Issuance,
    Issue,
    LookUp,
    Nothing,
    Refuse,
    Revoke,
    Step,
    Trace,
    Wait,
    done,
    intend,
    next_step,
    record,
)
from streams.relay.organizations import Organization, Organizations, TemplateTerms

log = logging.getLogger(__name__)

SCANNED_AT_ONCE = 500
FRESH_SECONDS = 5.0
"""A worker that was paused for so long behind its intent may have been replaced: it must not call."""

Change = Callable[[Issuance], Issuance]
Place = Literal["queued", "busy", "later", "parked", "unknown"]
Read = Callable[[Request, Answer | NoAnswer, datetime, str], Outcome]


class Store(Protocol):
    """The partition's table of issuances."""

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        """Every issuance of the partition."""

    def get(self, badge: bytes) -> Issuance | None:
        """The issuance of a badge, as far as it is durable."""

    async def save(self, changes: Sequence[tuple[bytes, Change]]) -> Sequence[Issuance]:
        """Apply each change to what is there now, durably, all together; return what came of each.

        A badge that a change refuses goes to the dead letters in the same unit of work; one that is gone is
        kept no longer.
        """


@dataclass(slots=True)
class Pending:
    """A badge that Credly does not hold as desired. `again`: the bus has spoken while it was busy."""

    template: str
    since: float
    place: Place
    again: bool = False


@dataclass(slots=True)
class Census:
    """Pending badges and their oldest decision's Unix time by organization (of none: an empty name); parked
    badges by template."""

    pending: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)

    def add(self, organization: str, pending: Pending) -> None:
        """Count a badge."""
        self.pending[organization] = self.pending.get(organization, 0) + 1
        self.oldest[organization] = min(self.oldest.get(organization, math.inf), pending.since)
        if pending.place == "parked":
            self.parked[pending.template] = self.parked.get(pending.template, 0) + 1


class Reconciler:
    """Works for as long as `run` runs; `follow` tells it which badges the bus has spoken of."""

    def __init__(
        self,
        store: Store,
        organizations: Organizations,
        clock: Clock,
        retry: Patience = Patience(1.0, 300.0),
    ) -> None:
        self._store = store
        self._organizations = organizations
        self._clock = clock
        self._retry = retry
        self._hands_at_most = 2 * organizations.in_flight + 2
        self._pending: dict[bytes, Pending] = {}
        self._queues: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self._hands: defaultdict[str, int] = defaultdict(int)
        self._parked: defaultdict[str, list[bytes]] = defaultdict(list)
        self._unknown: set[bytes] = set()
        self._later: list[tuple[float, int, bytes | str]] = []
        self._number = itertools.count()
        self._rescheduled = asyncio.Event()
        self._unsaved: list[tuple[bytes, Change, asyncio.Future[Issuance]]] = []
        self._to_save = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Resume what the table says is pending, and go on until cancelled."""
        self._organizations.listeners.add(self._released)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._waking())
                for name in self._queues:
                    self._employ(name)
                try:
                    await self._resume()
                    await self._saving()
                finally:
                    # A group that is shutting down takes no more tasks.
                    self._tasks = None
        finally:
            self._organizations.listeners.discard(self._released)
            self._pending.clear()
            self._parked.clear()
            self._later.clear()

    @property
    def running(self) -> bool:
        """True while `run` runs."""
        return self._tasks is not None

    def follow(self, badges: Iterable[bytes]) -> None:
        """Look at badges of which something else is desired now; whoever runs next finds it in the table."""
        for badge in badges if self.running else ():
            issuance = self._store.get(badge)
            if issuance is not None:
                self._file(badge, issuance)

    def catalog_changed(self) -> None:
        """File again what the catalog did not know or what belongs elsewhere now."""
        waiting, self._unknown = self._unknown, set()
        moved = [badge for queue in self._queues.values() for badge in queue]
        for queue in self._queues.values():
            queue.clear()
        for badge in dict.fromkeys((*waiting, *moved)):
            # An entry of a queue may be stale: its badge is in somebody's hands, or waits elsewhere.
            pending = self._pending.get(badge)
            if pending is not None and pending.place in ("queued", "unknown"):
                self._queue(badge)

    def census(self) -> "Census":
        """What is pending at present."""
        census = Census()
        for pending in self._pending.values():
            known = self._organizations.of(pending.template)
            census.add(known[0].id if known else "", pending)
        return census

    async def _resume(self) -> None:
        for number, (badge, issuance) in enumerate(self._store.scan()):
            if not done(issuance):
                self._file(badge, issuance)
            if number % SCANNED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _file(self, badge: bytes, issuance: Issuance) -> None:
        pending = self._pending.get(badge)
        if pending is not None and pending.place == "busy":
            pending.again = True
        elif done(issuance):
            self._pending.pop(badge, None)
        elif pending is None or pending.place != "queued":
            since = issuance.time.timestamp()
            self._pending[badge] = Pending(issuance.template, since, "queued")
            self._queue(badge)

    def _queue(self, badge: bytes) -> None:
        pending = self._pending.get(badge)
        if pending is None:
            return
        known = self._organizations.of(pending.template)
        if known is None:
            pending.place = "unknown"
            self._unknown.add(badge)
            return
        name = known[0].id
        pending.place = "queued"
        self._queues[name].append(badge)
        self._employ(name)

    def _employ(self, name: str) -> None:
        if self._hands[name] < self._hands_at_most and self._tasks is not None:
            self._hands[name] += 1
            self._tasks.create_task(self._work(name))

    async def _work(self, name: str) -> None:
        """One hand: takes badge after badge of an organization."""
        queue = self._queues[name]
        while queue:
            badge = queue.popleft()
            pending = self._pending.get(badge)
            if pending is None or pending.place != "queued":
                continue
            pending.place = "busy"
            await self._follow(badge, pending)
            if pending.again:
                pending.again = False
                self._queue(badge)
        self._hands[name] -= 1

    async def _follow(self, badge: bytes, pending: Pending) -> None:
        """Step by step to what is desired, or to where it must wait."""
        while pending.place == "busy":
            issuance = self._store.get(badge)
            known = self._organizations.of(pending.template)
            if issuance is None or done(issuance):
                del self._pending[badge]
                return
            if known is None:
                self._queue(badge)
                return
            organization, terms = known
            if issuance.kind == "awarded" and not organization.knows(issuance.template):
                await self._know_template(badge, pending, organization)
            else:
                await self._step(badge, pending, issuance, organization, terms)

    async def _know_template(self, badge: bytes, pending: Pending, organization: Organization) -> None:
        seen = organization.template(pending.template)
        if seen.parked:
            self._park(badge, pending, organization)
            return
        async with seen.asking:
            if seen.parked or organization.knows(pending.template):
                return
            outcome = await self._ask_template(organization, pending.template)
        if isinstance(outcome, outcomes.Deferred):
            await self._learn(badge, pending, LookUp(""), outcome, organization)

    async def _ask_template(self, organization: Organization, template: str) -> Outcome:
        request = credly.template(organization.id, template)
        outcome = await self._ask(organization, request, credly.read_template)
        match outcome:
            case outcomes.TemplateActive(allows_duplicates):
                organization.release(template, allows_duplicates=allows_duplicates)
            case outcomes.TemplateUnavailable(why):
                organization.park(template, why)
            case outcomes.Refused(why):
                log.warning("template %s cannot be asked for: %s", template, why)
                organization.release(template, allows_duplicates=True)
        return outcome

    async def _step(
        self,
        badge: bytes,
        pending: Pending,
        issuance: Issuance,
        organization: Organization,
        terms: TemplateTerms,
    ) -> None:
        step = self._next(issuance, organization)
        match step:
            case Nothing():
                pass
            case Wait(seconds):
                self._put_off(badge, pending, seconds)
            case Refuse(why):
                await self._learn(badge, pending, step, outcomes.Refused(why), organization)
            case LookUp():
                outcome = await self._look_up(organization, issuance, step)
                await self._learn(badge, pending, step, outcome, organization)
            case Trace() | Erase():
                outcome = await self._erase(organization, issuance, step)
                await self._learn(badge, pending, step, outcome, organization)
            case Issue() | Revoke():
                await self._act(badge, pending, organization, terms)
            case _:
                assert_never(step)

    async def _look_up(self, organization: Organization, issuance: Issuance, step: LookUp) -> Outcome:
        template, learner = issuance.template, issuance.learner
        by_earner = partial(credly.look_up_earner, organization.id, template, learner)
        by_email = partial(credly.look_up_email, organization.id, template, step.email)
        outcome = await self._find(organization, issuance, by_earner)
        if isinstance(outcome, outcomes.Absent):
            outcome = await self._find(organization, issuance, by_email)
        return outcome

    async def _find(
        self,
        organization: Organization,
        issuance: Issuance,
        ask: Callable[..., Request | None],
        states: Sequence[str] = credly.HELD,
    ) -> Outcome:
        """Look through page after page; nothing is there where nothing can be asked."""
        read = partial(
            credly.read_look_up, template=issuance.template, learner=issuance.learner, states=states
        )
        outcome: Outcome = outcomes.Absent()
        request = ask()
        while request is not None:
            outcome = await self._ask(organization, request, read)
            if not isinstance(outcome, outcomes.Page) or outcome.next is None:
                break
            read = partial(read, before=outcome.badges)
            request = ask(page=outcome.next)
        return outcome

    async def _erase(self, organization: Organization, issuance: Issuance, step: Trace | Erase) -> Outcome:
        if isinstance(step, Erase):
            return await self._ask(organization, credly.erase(organization.id, step.badge), credly.read_erase)
        ask = partial(credly.look_up_earner, organization.id, issuance.template, issuance.learner, states=())
        return await self._find(organization, issuance, ask, states=())

    async def _ask(self, organization: Organization, request: Request, read: Read) -> Outcome:
        async with organization.turn() as turn:
            turn.outcome = read(request, await turn.call(request), self._clock.wall(), turn.key)
        return turn.outcome

    async def _act(
        self, badge: bytes, pending: Pending, organization: Organization, terms: TemplateTerms
    ) -> None:
        """Issue or revoke: the intent is durable before the call, the result after it."""
        async with organization.turn() as turn:
            # While it waited for its turn the bus may have spoken, the template may have been parked, or the
            # catalog may have changed.
            issuance = self._store.get(badge)
            if self._organizations.of(pending.template) != (organization, terms):
                return
            if issuance is None or (issuance.kind == "awarded" and not organization.knows(pending.template)):
                return
            step = self._next(issuance, organization)
            if not isinstance(step, Issue | Revoke):
                return
            began, now = self._clock.monotonic(), self._clock.wall()
            intended = await self._save(badge, partial(intend, step=step, now=now))
            if intended.doubt is None or intended.doubt.at != now:
                return
            if self._clock.monotonic() - began > FRESH_SECONDS:
                return
            request = _request(organization, terms, issuance, step)
            read = credly.read_issue if isinstance(step, Issue) else credly.read_revoke
            turn.outcome = read(request, await turn.call(request), self._clock.wall(), turn.key)
        await self._learn(badge, pending, step, turn.outcome, organization)

    async def _learn(
        self,
        badge: bytes,
        pending: Pending,
        step: Called | Refuse,
        outcome: Outcome,
        organization: Organization,
    ) -> None:
        """Save what became of a step, and put the badge where it waits, if it must."""
        now = self._clock.wall()
        saved = await self._save(badge, partial(record, step=step, outcome=outcome, now=now))
        match outcome:
            case outcomes.Issued() if isinstance(step, Issue):
                seconds = max(0.0, (now - step.time).total_seconds())
                metrics.ISSUE_LATENCY.labels(*organization.labels).observe(seconds)
            case outcomes.Deferred(_, _, wait):
                pause = self._retry.seconds(max(1, saved.attempts), self._clock.random())
                self._put_off(badge, pending, max(wait or 0.0, pause))
            case outcomes.Erased():
                # Whether it is gone is asked next; Credly may take a while.
                self._put_off(badge, pending, self._retry.seconds(1, self._clock.random()))
            case outcomes.TemplateUnavailable(why):
                if not organization.template(pending.template).parked:
                    # Calls that were in flight together say it once.
                    organization.park(pending.template, why)
                if saved.kind != "awarded":
                    self._put_off(badge, pending, self._retry.longest)
            case outcomes.Refused():
                # Without Credly's words, which may quote the learner's name; the dead letter has them.
                log.warning("badge %s of template %s is refused", badge.decode(), pending.template)

    def _next(self, issuance: Issuance, organization: Organization) -> Step:
        seen = organization.template(issuance.template)
        return next_step(issuance, self._clock.wall(), allows_duplicates=seen.allows_duplicates)

    def _put_off(self, badge: bytes, pending: Pending, seconds: float) -> None:
        pending.place = "later"
        self._schedule(self._clock.monotonic() + seconds, badge)

    def _park(self, badge: bytes, pending: Pending, organization: Organization) -> None:
        pending.place = "parked"
        waiting = self._parked[pending.template]
        waiting.append(badge)
        if len(waiting) == 1:
            self._schedule(organization.template(pending.template).probe_at, pending.template)

    def _released(self, template: str) -> None:
        for badge in self._parked.pop(template, ()):
            pending = self._pending.get(badge)
            if pending is not None and pending.place == "parked":
                self._queue(badge)

    def _schedule(self, at: float, what: bytes | str) -> None:
        heapq.heappush(self._later, (at, next(self._number), what))
        self._rescheduled.set()

    async def _waking(self) -> None:
        while True:
            now = self._clock.monotonic()
            while self._later and self._later[0][0] <= now:
                what = heapq.heappop(self._later)[2]
                if isinstance(what, str):
                    self._look_at_parked(what)
                elif (pending := self._pending.get(what)) is not None and pending.place == "later":
                    self._queue(what)
            seconds = self._later[0][0] - now if self._later else math.inf
            await change_within(self._rescheduled, self._clock, seconds)

    def _look_at_parked(self, template: str) -> None:
        if not self._parked.get(template):
            return
        known = self._organizations.of(template)
        if known is None or not known[0].template(template).parked:
            self._released(template)
            return
        organization, _ = known
        seen = organization.template(template)
        if self._clock.monotonic() >= seen.probe_at and self._tasks is not None:
            organization.claim_probe(template)
            self._tasks.create_task(self._probe(organization, template))
        else:
            self._schedule(seen.probe_at, template)

    async def _probe(self, organization: Organization, template: str) -> None:
        """One call for all the badges of a parked template; `release` files them again."""
        await self._ask_template(organization, template)
        if self._parked.get(template):
            self._schedule(organization.template(template).probe_at, template)

    async def _save(self, badge: bytes, change: Change) -> Issuance:
        saved: asyncio.Future[Issuance] = asyncio.get_running_loop().create_future()
        self._unsaved.append((badge, change, saved))
        self._to_save.set()
        return await saved

    async def _saving(self) -> None:
        """Save what has gathered while the save before was in flight."""
        while True:
            await self._to_save.wait()
            self._to_save.clear()
            group, self._unsaved = self._unsaved, []
            results = await self._store.save([(badge, change) for badge, change, _ in group])
            for (_, _, saved), result in zip(group, results, strict=True):
                if not saved.done():
                    saved.set_result(result)


def _request(
    organization: Organization, terms: TemplateTerms, issuance: Issuance, step: Issue | Revoke
) -> Request:
    match step:
        case Issue(recipient, time):
            return credly.issue(
                organization.id,
                issuance.template,
                issuance.learner,
                recipient,
                time,
                expires_at=_expiry(terms, time),
                notify=terms.notify_award,
            )
        case Revoke(badge):
            return credly.revoke(organization.id, badge, notify=terms.notify_revoke)
        case _:
            assert_never(step)


def _expiry(terms: TemplateTerms, time: datetime) -> datetime | Literal[False] | None:
    if terms.expires_after is None:
        return None
    try:
        return terms.expires_after.after(time)
    except OverflowError:
        return False

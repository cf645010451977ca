"""A bus, a table and a Credly in memory, for tests of the reconciler."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec
from uuid import UUID, uuid5

import orjson
from yarl import URL

from streams.clock import Patience
from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.outcomes import Recipient
from streams.relay.issuance import (
    Issuance,
    KeptRecord,
    Kind,
    Word,
    desire,
    done,
    forget,
    gone,
    letter_due,
    observe,
)
from streams.relay.keys import KeyRef, Reach
from streams.relay.organizations import Organizations
from streams.relay.ownership import BARE, Ownership
from streams.relay.pace import Limits
from streams.relay.reconciler import Reconciler
from streams.relay.rows import dump, load
from streams.relay.saving import Change, ToSave
from streams.relay.seen import Seen
from streams.relay.terms import OrganizationTerms, TemplateTerms
from streams.sandbox.credly import CredlyBadge, CredlySimulator, Entry, Fault
from tests.relay.simulated import (
    CREDLY,
    KEY,
    OPEN_BADGES,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    SIMULATED,
    TEMPLATE,
    TEMPLATES,
    Simulated,
)
from tests.relay.virtual import EPOCH, in_virtual_time, virtual_clock

__all__ = ["KEY", "ORGANIZATION", "OTHER_ORGANIZATION", "OTHER_TEMPLATE", "TEMPLATE"]

BASE = "http://credly.test"
HOSTS = frozenset({"credly.test", "accredible.test", "hooks.test", "elsewhere"})
ANYWHERE = Reach(Path("/"), "", HOSTS, {"KEY": KEY})
SECONDS = 30.0
QUICK = Limits(in_flight=8, rate=1e6)

P = ParamSpec("P")


def badge_id(learner: int, template: str = TEMPLATE) -> str:
    return str(uuid5(UUID(template), str(learner)))


def recipient(learner: int, **changes: str) -> Recipient:
    values = {"username": f"user{learner}", "email": f"user{learner}@example.org", "name": f"Ada No{learner}"}
    return Recipient(**(values | changes))


def event(
    kind: Kind,
    learner: int = 1,
    generation: int = 1,
    *,
    template: str = TEMPLATE,
    who: Recipient | None = None,
    time: datetime = EPOCH,
) -> Word:
    badge = badge_id(learner, template)
    return Word(
        kind=kind,
        badge=badge,
        template=template,
        learner=learner,
        generation=generation,
        decision=str(uuid5(UUID(badge), f"{kind}:{generation}")),
        time=time,
        recipient=who or recipient(learner),
        original=KeptRecord(b"\0\0\0\0\2value\xff", (("ce_id", b"id"),)),
    )


@dataclass
class Letter:
    badge: str
    why: str
    original: KeptRecord | None


class MemoryStore:
    """A table that survives what the worker does not; a save takes `save_seconds`."""

    def __init__(self, save_seconds: float = 0.005) -> None:
        self.table: dict[bytes, bytes] = {}
        self.letters: list[Letter] = []
        self.groups: list[int] = []
        self.written: dict[str, bytes] = {}
        self.published: dict[str, bytes | None] = {}
        self._save_seconds = save_seconds
        self._lock = asyncio.Lock()

    def scan(self) -> Iterator[tuple[bytes, Issuance]]:
        keys = list(self.table)
        return ((badge, load(orjson.loads(self.table[badge]))) for badge in keys if badge in self.table)

    def get(self, badge: bytes) -> Issuance | None:
        raw = self.table.get(badge)
        return load(orjson.loads(raw)) if raw is not None else None

    def kept(self) -> Mapping[str, bytes]:
        return self.written

    async def save(self, entries: Sequence[ToSave]) -> Sequence[Issuance]:
        async with self._lock:
            await asyncio.sleep(self._save_seconds)
            self.groups.append(len(entries))
            for entry in entries:
                self.written |= entry.kept
                self.published |= entry.published
            return [self._change(entry.badge, entry.change) for entry in entries]

    def follow(self, *events: Word) -> list[bytes]:
        changed = []
        for one in events:
            key = one.badge.encode()
            before = self.get(key)
            after = desire(before, one)
            if after is not before:
                self.table[key] = orjson.dumps(dump(after))
                changed.append(key)
        return changed

    def forget(self, learner: int, at: datetime) -> list[bytes]:
        forgotten = [badge for badge, issuance in self.scan() if issuance.learner == learner]
        for badge in forgotten:
            issuance = self.get(badge)
            assert issuance is not None
            self.table[badge] = orjson.dumps(dump(forget(issuance, at)))
        return forgotten

    def _change(self, badge: bytes, change: Change) -> Issuance:
        before = self.get(badge)
        assert before is not None
        after = change(before)
        if letter_due(before, after):
            self.letters.append(Letter(badge.decode(), after.refused, before.original))
        if gone(after):
            del self.table[badge]
        else:
            self.table[badge] = orjson.dumps(dump(after))
        return after


class Wire:
    """Carries requests to the simulator without a network; `away` organizations cannot be connected to."""

    def __init__(self, simulator: Any, simulated: Simulated = CREDLY) -> None:
        self.simulator = simulator
        self.simulated = simulated
        self.latency = 0.05
        self.away: set[str] = set()
        self.in_flight: Counter[str] = Counter()
        self.most_in_flight: Counter[str] = Counter()
        self.started: list[tuple[float, str]] = []
        self.feed_items: list[Any] = []

    async def call(self, base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        organization = self.simulated.organization(base, request.path, headers)
        self.in_flight[organization] += 1
        self.most_in_flight[organization] = max(
            self.most_in_flight[organization], self.in_flight[organization]
        )
        self.started.append((asyncio.get_running_loop().time(), organization))
        try:
            async with asyncio.timeout(SECONDS):
                # What is on its way arrives, also where nobody waits for the answer any more.
                return await asyncio.shield(self._call(organization, base, request, headers))
        except TimeoutError:
            return NoAnswer("TimeoutError", sent=True)
        finally:
            self.in_flight[organization] -= 1

    async def _call(
        self, organization: str, base: str, request: Request, headers: Mapping[str, str]
    ) -> Answer | NoAnswer:
        target, body = URL(base + request.path, encoded=True).raw_path_qs, request.body or b""
        await asyncio.sleep(self.latency / 2)
        if organization in self.away:
            return NoAnswer("ClientConnectorError", sent=False)
        await asyncio.sleep(self.simulator.slow_before(request.method, target, body))
        reply = self.simulator.handle(request.method, target, headers, body)
        await asyncio.sleep(reply.delay + self.latency / 2)
        if reply.reset:
            return NoAnswer("ServerDisconnectedError", sent=True)
        if self.feed_items and request.path.endswith("/events?page=1"):
            told = orjson.loads(reply.body)
            return Answer(200, {}, orjson.dumps(told | {"data": [*self.feed_items, *told["data"]]}))
        return Answer(reply.status, dict(reply.headers), reply.body)


@dataclass
class World:
    """Everything, with one reconciler that can be killed and started again."""

    store: MemoryStore
    simulator: Any
    simulated: Simulated
    wire: Wire
    organizations: Organizations
    terms: Sequence[OrganizationTerms]
    templates: Mapping[str, TemplateTerms]
    reconciler: Reconciler
    restart: Callable[[], None] = field(repr=False)
    keys: dict[str, str] = field(default_factory=dict)
    in_session: bool = True
    running: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def credly(self) -> CredlySimulator:
        """The simulator, where it is Credly's."""
        assert isinstance(self.simulator, CredlySimulator)
        return self.simulator

    def say(self, *events: Word) -> None:
        self.reconciler.follow(self.store.follow(*events))

    async def follows(self, *events: Word) -> None:
        """The bus says so; wait until nothing is left to do."""
        self.say(*events)
        await self.settled()

    def forget(self, learner: int) -> None:
        self.reconciler.follow(self.store.forget(learner, EPOCH))

    def see(self, badge: bytes | None, seen: Seen) -> None:
        """An issuer says what has happened to a badge: to this one, or to the one that holds it."""
        held = (own for own, issuance in self.store.scan() if issuance.held == seen.badge)
        own = badge or next(held, b"")
        before = self.store.get(own)
        if before is not None:
            self.store.table[own] = orjson.dumps(dump(observe(before, seen)))
            self.reconciler.follow([own])

    def catalog(self, terms: Sequence[OrganizationTerms], templates: Mapping[str, TemplateTerms]) -> None:
        """Another catalog comes into force."""
        self.terms, self.templates = terms, templates
        self.organizations.take(terms, templates)
        self.reconciler.catalog_changed()

    def issuance(self, learner: int = 1, template: str = TEMPLATE) -> Issuance:
        found = self.store.get(badge_id(learner, template).encode())
        assert found is not None
        return found

    def held(self) -> list[tuple[str, str]]:
        ours = {self.simulated.external(template): template for template in TEMPLATES.values()}
        held = self.simulator.held()
        return sorted((ours.get(badge.template, badge.template), badge.earner) for badge in held)

    def calls(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.simulator.journal if entry.call in kinds]

    async def settled(self, within: float = 3_600.0, every: float = 0.01) -> None:
        await self.until(lambda: all(done(issuance) for _, issuance in self.store.scan()), within, every)

    async def until(self, true: Callable[[], object], within: float = 3_600.0, every: float = 0.01) -> None:
        async with asyncio.timeout(within):
            while not true():
                assert not self.running[-1].done(), self.running[-1]
                await asyncio.sleep(every)

    def badge(self, learner: int = 1) -> CredlyBadge:
        return next(b for b in self.credly.badges.values() if b.earner == str(learner))


@asynccontextmanager
async def world(
    limits: Limits = QUICK,
    *,
    key: KeyRef | None = None,
    retry: Patience = Patience(1.0, 60.0),
    ownership: Ownership = BARE,
    simulated: Simulated = CREDLY,
    duplicates: bool = False,
    **terms: Any,
) -> AsyncIterator[World]:
    """Two organizations with a template each; `terms` are of both templates."""
    clock = virtual_clock()
    simulator = simulated.begin(clock, duplicates)
    wire = Wire(simulator, simulated)
    store = MemoryStore()
    keys = {"KEY": simulated.key} | {every.provider: every.key for every in (*SIMULATED, OPEN_BADGES)}
    reach = replace(ANYWHERE, environ=keys)
    organizations = Organizations(limits, wire, clock, reach, ownership)

    def start() -> None:
        here.reconciler = Reconciler(store, organizations, clock, retry, lambda: here.in_session)
        here.running.append(asyncio.ensure_future(here.reconciler.run()))

    def restart() -> None:
        here.running[-1].cancel()
        start()

    first = Reconciler(store, organizations, clock)
    here = World(store, simulator, simulated, wire, organizations, (), {}, first, restart, keys)
    here.catalog(
        both_with(key or KeyRef(env="KEY"), simulated),
        {
            template: TemplateTerms(template, simulated.external(template), organization, **terms)
            for organization, template in TEMPLATES.items()
        },
    )
    start()
    try:
        await asyncio.sleep(0)
        yield here
    finally:
        here.running[-1].cancel()
        await asyncio.gather(*here.running, return_exceptions=True)


def play(scenario: Callable[[World], Awaitable[None]], limits: Limits = QUICK, **given: Any) -> None:
    """Run a scenario in a world of its own, in virtual time."""

    async def run() -> None:
        async with world(limits, **given) as here:
            await scenario(here)

    in_virtual_time(run())


def in_world(
    limits: Limits = QUICK, **given: Any
) -> Callable[[Callable[Concatenate[World, P], Awaitable[None]]], Callable[P, None]]:
    """Make a scenario a test in a world of its own; its other arguments are pytest's, as in any test."""

    def as_test(scenario: Callable[Concatenate[World, P], Awaitable[None]]) -> Callable[P, None]:
        @wraps(scenario)
        def test(*arguments: P.args, **named: P.kwargs) -> None:
            play(lambda here: scenario(here, *arguments, **named), limits, **given)

        # pytest takes the names of fixtures from here: the world is none of them.
        asked = signature(scenario)
        test.__dict__["__signature__"] = asked.replace(parameters=list(asked.parameters.values())[1:])
        return test

    return as_test


def both_with(key: KeyRef, simulated: Simulated = CREDLY) -> list[OrganizationTerms]:
    """Both organizations, with this reference to their key."""
    return [OrganizationTerms(id, simulated.provider, simulated.base(id), key) for id in TEMPLATES]


STORM = [
    Fault("error", share=0.05, status=503),
    Fault("error", share=0.03, status=500, body="html"),
    Fault("error", share=0.02, status=429, retry_after="1"),
    Fault("error", share=0.01, status=429),
    Fault("error", share=0.005, status=401),
    Fault("lost", share=0.03, status=502, body="binary"),
    Fault("reset_before", share=0.03),
    Fault("reset_after", share=0.03),
    Fault("slow", share=0.01, seconds=60),
]
"""Of every kind of trouble something."""


class Term:
    """Learners who earn a badge and lose it again, in turns; `held` are those who have it."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self._generations: Counter[int] = Counter()

    def turn(self, learner: int) -> Word:
        """What is decided next of the learner."""
        if learner in self.held:
            self.held.remove(learner)
            return event("revoked", learner, self._generations[learner])
        self.held.add(learner)
        self._generations[learner] += 1
        earned = EPOCH + timedelta(days=self._generations[learner])
        return event("awarded", learner, self._generations[learner], time=earned)


def in_order(calls: Sequence[str]) -> bool:
    """Whether they are an issue, its revocation, the next issue."""
    return list(calls) == (["issue", "revoke"] * len(calls))[: len(calls)]


def issued(here: World) -> list[Entry]:
    """The calls that issued a badge at Credly."""
    return [entry for entry in here.credly.journal if entry.call == "issue" and entry.done]


def now() -> float:
    """The virtual time, in seconds."""
    return asyncio.get_running_loop().time()

"""Organizations as one worker meets them at their issuers: each has its key, its pace and its templates.

Everything here is shared by the worker's partitions, and nothing is shared between organizations.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from streams import metrics
from streams.clock import Clock, change_within
from streams.issuers import oauth, outcomes
from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.issuer import Call, Issuer
from streams.issuers.known import ISSUERS
from streams.issuers.outcomes import Outcome, Trouble
from streams.relay.failing import Others
from streams.relay.granting import Grants
from streams.relay.keys import Key, Reach
from streams.relay.ownership import BARE, Claims, Ownership
from streams.relay.pace import Limits, Pace, begin, delay, end, learn, renew, scale
from streams.relay.signing import Signer
from streams.relay.steps import Called
from streams.relay.templates import Templates
from streams.relay.terms import OrganizationTerms, TemplateTerms

log = logging.getLogger(__name__)

Out = TypeVar("Out", bound=Outcome)

Wanted = Callable[[], bool]


def always() -> bool:
    """Of what holds whatever has happened by then."""
    return True


UNLIMITED = 1e6
"""Badges a second, and at a time: more than can be signed, so that nothing waits for a pace."""


def unlimited(limits: Limits) -> Limits:
    """Of an issuer that is not called: there is nobody to press."""
    return replace(limits, rate=UNLIMITED, in_flight=int(UNLIMITED))


class Transport(Protocol):
    """Carries requests."""

    async def call(self, base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        """Make one call to the organization's base URL with these headers."""


class OvertakenError(Exception):
    """A call was no longer the one to make when its turn came."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to make one call, by the terms and with the key of its beginning."""

    organization: "Organization"
    terms: OrganizationTerms
    key: str = field(repr=False)
    trial: bool

    async def ask(self, call: Call[Out]) -> Out | Trouble:
        """Make the call; return what it came to."""
        return await self.organization.call(self, call)


class Organization:
    """One organization: its calls wait in a line here, and begin at its pace.

    `succeeded`: when each kind of a badge's steps last did what it should; `answered`: when any of them did.
    """

    def __init__(
        self,
        terms: OrganizationTerms,
        limits: Limits,
        transport: Transport,
        clock: Clock,
        reach: Reach,
        released: Callable[[str], None],
        share: float = 1.0,
    ) -> None:
        self.id = terms.id
        self.terms = terms
        self.templates = Templates(terms.id, limits.template, clock, released)
        self._all = limits if self.issuer.maker is None else unlimited(limits)
        self._limits = self._all.share(share, self.issuer.traits.rate)
        self._transport = transport
        self._clock = clock
        self._reach = reach
        self._key = Key(terms.issuer, terms.base, terms.key, reach, terms.grant)
        self._grants = Grants(clock)
        self.signer = Signer(reach.signing)
        self._pace = Pace(self._limits.rate)
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self.answered: datetime | None = None
        self.succeeded: dict[type[Called], datetime] = {}
        self.show()

    @property
    def issuer(self) -> Issuer:
        """Who issues the organization's badges."""
        return ISSUERS[self.terms.issuer]

    @property
    def held(self) -> str:
        """Why calls are held back at present; empty if they are not."""
        return self._pace.hold.why if self._pace.hold else ""

    @property
    def labels(self) -> tuple[str, str]:
        """The issuer and the organization, as metrics name them."""
        return self.terms.issuer, self.id

    def show(self) -> None:
        """Set the gauges of whether calls are held back, and why."""
        hold = self._pace.hold
        metrics.ISSUER_BREAKER.labels(*self.labels).set(hold is not None and not hold.for_key)
        metrics.ISSUER_PAUSED.labels(*self.labels).set(hold is not None and hold.for_key)

    @property
    def key(self) -> str:
        """What is at the key's reference at present; empty if there is nothing."""
        return self._key.read()

    @property
    def keyless(self) -> str:
        """Why there is no key; empty if there is one."""
        return "" if self._key.read() else self._key.fault

    @property
    def rate(self) -> float:
        """Calls a second at present."""
        return self._pace.rate

    def share(self, share: float) -> None:
        """Take this share of the organization's limits from now on: the others are other workers'."""
        before, self._limits = self._limits, self._all.share(share, self.issuer.traits.rate)
        self._pace = scale(self._pace, before, self._limits)
        self.look_again()

    def take(self, terms: OrganizationTerms, share: float = 1.0) -> None:
        """Work by these terms from now on; if they are new, nothing of what was learned counts."""
        if terms == self.terms:
            return
        self.terms = terms
        self._limits = self._all.share(share, self.issuer.traits.rate)
        self.templates.clear()
        self.answered = None
        self.succeeded.clear()
        self._key = Key(terms.issuer, terms.base, terms.key, self._reach, terms.grant)
        self._grants = Grants(self._clock)
        self._pace = renew(self._pace, self._limits)
        self.show()
        self.look_again()

    def others(self, step: type[Called]) -> Others:
        """How steps of this kind fare for all badges."""
        finds = self.issuer.traits.finds
        return Others(self.answered, self.succeeded.get(step), self._limits.give_up, finds)

    def look_again(self) -> None:
        """Have who waits for a turn look whether it is still wanted."""
        self._changed.set()

    @asynccontextmanager
    async def turn(self, wanted: Wanted = always) -> AsyncIterator[Turn]:
        """Wait, first come first served, until a call may be made; nobody has to make it.

        Raises `OvertakenError` once the call is no longer `wanted`.
        """
        turn = await self._enter(wanted)
        try:
            yield turn
        finally:
            self._pace = end(self._pace, trial=turn.trial)
            self._changed.set()

    async def ask(self, call: Call[Out], wanted: Wanted = always) -> Out | Trouble:
        """Make one call when it may be made; return what it came to. Raises `OvertakenError` as `turn`."""
        async with self.turn(wanted) as turn:
            return await turn.ask(call)

    async def call(self, turn: Turn, call: Call[Out]) -> Out | Trouble:
        """Make the call of a turn, and learn from what it came to."""
        terms, issuer = turn.terms, ISSUERS[turn.terms.issuer]
        if not terms.grant:
            headers = issuer.headers(turn.key, call.request, self._clock.wall())
            return await self._made(turn, terms.base, call, headers)
        grant = partial(self._made, turn, terms.grant, oauth.grant(turn.key, issuer.scope), {})
        granted = await self._grants.token(turn.key, grant)
        if not isinstance(granted, outcomes.Granted):
            return granted
        outcome = await self._made(turn, terms.base, call, oauth.bearer(granted.token))
        if isinstance(outcome, outcomes.KeyRefused):
            self._grants.drop(granted)
        return outcome

    async def _made(
        self, turn: Turn, base: str, call: Call[Out], headers: Mapping[str, str]
    ) -> Out | Trouble:
        began = self._clock.monotonic()
        answer = await self._transport.call(base, call.request, {**call.request.headers, **headers})
        metrics.ISSUER_LATENCY.labels(*self.labels).observe(self._clock.monotonic() - began)
        secrets = (*turn.key.split(), *(value.rpartition(" ")[2] for value in headers.values()))
        outcome = call.outcome(answer, self._clock.wall(), secrets)
        metrics.ISSUER_CALLS.labels(*self.labels, call.word, outcome.word).inc()
        if turn.terms is self.terms:
            self._learn(outcome, turn.key, trial=turn.trial)
        return outcome

    def made(self, turn: Turn, word: str, outcome: Outcome) -> None:
        """Learn from what was made here at a turn, without a call."""
        metrics.ISSUER_CALLS.labels(*self.labels, word, outcome.word).inc()
        self._learn(outcome, turn.key, trial=turn.trial)

    async def _enter(self, wanted: Wanted) -> Turn:
        async with self._line:
            while wanted() and (seconds := self._delay()) > 0:
                await change_within(self._changed, self._clock, seconds)
            if not wanted():
                raise OvertakenError
            self._pace = begin(self._pace, self._clock.monotonic())
            return Turn(self, self.terms, self._key.read(), self._pace.trial)

    def _delay(self) -> float:
        key, hold = self._key.read(), self._pace.hold
        if not key and not (hold and hold.for_key):
            self._learn(outcomes.KeyRefused(self._key.fault), key)
        return delay(self._pace, self._limits, key, self._clock.monotonic())

    def _learn(self, outcome: Outcome, key: str, *, trial: bool = False) -> None:
        now, draw, before = self._clock.monotonic(), self._clock.random(), self._pace
        self._pace = learn(before, self._limits, outcome, trial=trial, key=key, now=now, draw=draw)
        if self._pace.hold is not before.hold:
            self.show()
        self._tell(before, self._pace, outcome)

    def _tell(self, before: Pace, after: Pace, outcome: Outcome) -> None:
        """Log what has changed."""
        if before.hold and not after.hold:
            log.warning("organization %s: calls go on", self.id)
        if after.throttled > before.throttled and isinstance(outcome, outcomes.Throttled):
            log.warning("organization %s: %s; now %.2g calls a second", self.id, outcome.why, after.rate)
        if after.hold and after.hold.for_key and not (before.hold and before.hold.for_key):
            log.error("organization %s is paused, its key does not work: %s", self.id, after.hold.why)
        if after.hold and not before.hold and not after.hold.for_key:
            log.error("organization %s: calls are held back: %s", self.id, after.hold.why)


class Organizations:
    """All organizations of the catalog in force, and whose templates and badges are whose."""

    def __init__(
        self,
        limits: Limits,
        transport: Transport,
        clock: Clock,
        reach: Reach,
        ownership: Ownership = BARE,
    ) -> None:
        self.ownership = ownership
        self.claims = Claims()
        self.limits = limits
        self._transport = transport
        self._clock = clock
        self._reach = reach
        self._organizations: dict[str, Organization] = {}
        # Also those that left the catalog: whoever waits for their turn goes on when they return.
        self._known: dict[str, Organization] = {}
        self._templates: Mapping[str, TemplateTerms] = {}
        self._share = 1.0
        self.listeners: set[Callable[[str], None]] = set()

    def __iter__(self) -> Iterator[Organization]:
        return iter(self._organizations.values())

    def take(
        self, organizations: Iterable[OrganizationTerms], templates: Mapping[str, TemplateTerms]
    ) -> None:
        """Work by these terms from now on; an organization whose terms are the same keeps its state."""
        self._organizations = {}
        for terms in organizations:
            known = self._known.get(terms.id)
            if known is None:
                known = self._known[terms.id] = self._organization(terms)
            known.take(terms, self._share)
            self._organizations[terms.id] = known
        self._templates = templates
        for organization in self._known.values():
            # Also of one that has left the catalog, or lost a template to another.
            organization.look_again()

    def share(self, share: float) -> None:
        """Take this share of every organization's limits: what this worker has of all badges (decision 0083).

        The shares of all workers are 1 together, so that an issuer sees the set rate however many there are.
        """
        self._share = share
        for organization in self._known.values():
            organization.share(share)

    async def close(self) -> None:
        """End what was started for any of them."""
        for organization in self._known.values():
            await organization.signer.close()

    def of(self, template: str) -> tuple[Organization, TemplateTerms] | None:
        """The organization and the terms of a template; None if the catalog has no such template."""
        terms = self._templates.get(template)
        organization = self._organizations.get(terms.organization) if terms else None
        return (organization, terms) if organization and terms else None

    def templates_of(self, organization: str) -> Iterator[TemplateTerms]:
        """The templates of an organization in the catalog."""
        return (terms for terms in self._templates.values() if terms.organization == organization)

    def _organization(self, terms: OrganizationTerms) -> Organization:
        return Organization(
            terms, self.limits, self._transport, self._clock, self._reach, self._released, self._share
        )

    def _released(self, template: str) -> None:
        for listener in tuple(self.listeners):
            listener(template)

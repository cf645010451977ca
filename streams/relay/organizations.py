"""Organizations as one worker meets them at Credly: each has its key, its pace, its breaker, its templates.

Everything here is shared by the worker's partitions, and nothing is shared between organizations.
"""

import asyncio
import logging
import math
import os
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from streams import metrics
from streams.catalog import CatalogDocument, Duration
from streams.clock import Clock, Patience, change_within
from streams.issuers import ISSUERS, outcomes
from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.issuer import Call, Issuer
from streams.issuers.outcomes import Outcome, Trouble

log = logging.getLogger(__name__)

Out = TypeVar("Out", bound=Outcome)

_WORD = re.compile(r"(?<!^)(?=[A-Z])")

FAILURES_TO_OPEN = 5
KEY_LOOK_SECONDS = 1.0
BURST_SECONDS = 0.05
SLOWEST_SHARE = 0.05
"""However often Credly throttles, this share of the configured rate stays."""
TEMPLATE_SECONDS = 3_600.0


class Transport(Protocol):
    """Carries requests."""

    async def call(self, base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        """Make one call to the organization's base URL with these headers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker allows itself for each organization."""

    in_flight: int = 2
    rate: float = 5.0
    breaker: Patience = Patience(1.0, 60.0)
    throttled: Patience = Patience(1.0, 60.0)
    key: Patience = Patience(4.0, 60.0)
    template: Patience = Patience(30.0, 300.0)


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where an organization's key stands: a variable of the environment, or a file."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class OrganizationTerms:
    """What the catalog says of an organization."""

    id: str
    issuer: str
    base: str
    key: KeyRef | None


@dataclass(frozen=True, slots=True)
class TemplateTerms:
    """What the catalog says of how a template's badges are issued; the issuer knows it by `external_id`."""

    id: str
    external_id: str
    organization: str
    notify_award: bool = True
    notify_revoke: bool = False
    expires_after: Duration | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """No calls before `until` (monotonic); then one call tries whether it is over."""

    why: str
    until: float
    for_key: bool
    failures: int


@dataclass(slots=True)
class TemplateSeen:
    """What is known of a template at Credly. `parked` counts how often it was found unavailable in a row."""

    known_until: float = -math.inf
    allows_duplicates: bool = True
    parked: int = 0
    probe_at: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Turn:
    """The right to make one call."""

    __slots__ = ("_organization", "called", "key", "outcome", "terms", "trial")

    def __init__(self, organization: "Organization", key: str, *, trial: bool) -> None:
        self._organization = organization
        self.terms = organization.terms
        self.key = key
        self.trial = trial
        self.called = ""
        self.outcome: Outcome | None = None

    async def ask(self, call: Call[Out]) -> Out | Trouble:
        """Make the call; return what it came to."""
        self.called = call.word
        outcome = await self._organization.call(self.terms.base, self.key, call)
        self.outcome = outcome
        return outcome


class Key:
    """The current value of a reference; a file is read again when it has changed."""

    def __init__(self, ref: KeyRef | None, environ: Mapping[str, str]) -> None:
        self._ref = ref
        self._environ = environ
        self._stamp: tuple[int, int, int] | None = None
        self._value = ""

    def read(self) -> str:
        """The key; empty where there is none."""
        if self._ref is None:
            return ""
        if self._ref.env is not None:
            value = self._environ.get(self._ref.env, "").strip()
            return value if value.isprintable() else ""
        assert self._ref.file is not None
        path = Path(self._ref.file)
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp != self._stamp:
                self._value = path.read_text(encoding="utf-8").strip()
                self._stamp = stamp
        except (OSError, ValueError):
            self._value, self._stamp = "", None
        return self._value

    def __repr__(self) -> str:
        return f"Key({self._ref})"


class Organization:
    """One organization: who may call next, and when."""

    def __init__(
        self,
        terms: OrganizationTerms,
        limits: Limits,
        transport: Transport,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self.id = terms.id
        self.terms = terms
        self.templates: dict[str, TemplateSeen] = {}
        self.on_release: Callable[[str], None] = lambda template: None
        self._limits = limits
        self._transport = transport
        self._clock = clock
        self._environ = environ
        self._key = Key(terms.key, environ)
        self._rate = limits.rate
        self._next_at = -math.inf
        self._quiet_until = -math.inf
        self._in_flight = 0
        self._failures = 0
        self._throttled = 0
        self._hold: Hold | None = None
        self._refused_key: str | None = None
        self._trial = False
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()
        self.show()

    @property
    def issuer(self) -> Issuer:
        """Who issues the organization's badges."""
        return ISSUERS[self.terms.issuer]

    @property
    def held(self) -> str:
        """Why calls are held back at present; empty where they are not."""
        return self._hold.why if self._hold else ""

    @property
    def labels(self) -> tuple[str, str]:
        """The issuer and the organization, as metrics name them."""
        return self.terms.issuer, self.id

    def show(self) -> None:
        """Set the gauges of whether calls are held back, and why."""
        for_key = None if self._hold is None else self._hold.for_key
        metrics.ISSUER_BREAKER.labels(*self.labels).set(for_key is False)
        metrics.ISSUER_PAUSED.labels(*self.labels).set(for_key is True)

    @property
    def key(self) -> str:
        """What is at the key's reference at present; empty if there is nothing."""
        return self._key.read()

    @property
    def rate(self) -> float:
        """Calls a second at present."""
        return self._rate

    def take(self, terms: OrganizationTerms) -> None:
        """Work by these terms from now on; where they are new, nothing of what was learned counts."""
        if terms == self.terms:
            return
        self.terms = terms
        self.templates.clear()
        self._key = Key(terms.key, self._environ)
        self._rate, self._quiet_until, self._throttled = self._limits.rate, -math.inf, 0
        self._hold = None
        self._failures = 0
        self.show()
        self._changed.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait, first come first served, until a call may be made; leave with the turn's outcome set.

        A turn that was left without an outcome made no call.
        """
        turn = await self._enter()
        try:
            yield turn
        finally:
            self._in_flight -= 1
            if turn.trial:
                self._trial = False
            if turn.outcome is not None:
                word = _WORD.sub("_", type(turn.outcome).__name__).lower()
                metrics.ISSUER_CALLS.labels(*self.labels, turn.called, word).inc()
                if turn.terms is self.terms:
                    self._learn(turn, turn.outcome)
            self._changed.set()

    async def ask(self, call: Call[Out]) -> Out | Trouble:
        """Make one call when it may be made; return what it came to."""
        async with self.turn() as turn:
            return await turn.ask(call)

    async def call(self, base: str, key: str, call: Call[Out]) -> Out | Trouble:
        """Make a call; only within a turn, whose base and key belong together."""
        began = self._clock.monotonic()
        headers = self.issuer.headers(key)
        answer = await self._transport.call(base, call.request, {**call.request.headers, **headers})
        metrics.ISSUER_LATENCY.labels(*self.labels).observe(self._clock.monotonic() - began)
        secrets = (key, *(value.rpartition(" ")[2] for value in headers.values()))
        return call.outcome(answer, self._clock.wall(), secrets)

    def template(self, template: str) -> TemplateSeen:
        """What is known of a template."""
        return self.templates.setdefault(template, TemplateSeen())

    def park(self, template: str, why: str) -> None:
        """Hold the template's badges back; said once, until it is active again."""
        seen = self.template(template)
        if not seen.parked:
            log.error("template %s of organization %s is parked: %s", template, self.id, why)
        seen.parked += 1
        seen.known_until = -math.inf
        self.claim_probe(template)

    def claim_probe(self, template: str) -> None:
        """Whoever probes a parked template says so before; nobody else does then for a while."""
        seen = self.template(template)
        wait = self._limits.template.seconds(seen.parked, self._clock.random())
        seen.probe_at = self._clock.monotonic() + wait

    def knows(self, template: str) -> bool:
        """True where Credly said not long ago that the template is active."""
        seen = self.template(template)
        return not seen.parked and self._clock.monotonic() < seen.known_until

    def release(self, template: str, *, allows_duplicates: bool) -> None:
        """Take note that badges of the template can be issued."""
        seen = self.template(template)
        seen.allows_duplicates = allows_duplicates
        seen.known_until = self._clock.monotonic() + TEMPLATE_SECONDS
        if seen.parked:
            log.warning("template %s of organization %s is active again", template, self.id)
            seen.parked = 0
            self.on_release(template)

    async def _enter(self) -> Turn:
        async with self._line:
            while (seconds := self._delay()) > 0:
                await change_within(self._changed, self._clock, seconds)
            trial = self._hold is not None
            self._trial = trial
            self._in_flight += 1
            now = self._clock.monotonic()
            self._next_at = max(self._next_at, now - BURST_SECONDS) + 1 / self._rate
            return Turn(self, self._key.read(), trial=trial)

    def _delay(self) -> float:
        """Seconds until the next call may begin; infinite where something else must happen first."""
        now = self._clock.monotonic()
        key = self._key.read()
        if not key and not (self._hold and self._hold.for_key):
            self._pause("", "there is no key at the catalog's reference")
        if self._in_flight >= self._limits.in_flight or self._trial:
            return math.inf
        hold = self._hold
        if hold is None or (hold.for_key and key and key != self._refused_key):
            return max(0.0, self._next_at - now, self._quiet_until - now)
        if not key:
            return KEY_LOOK_SECONDS
        left = max(0.0, hold.until - now)
        return min(left, KEY_LOOK_SECONDS) if hold.for_key else left

    def _learn(self, turn: Turn, outcome: Outcome) -> None:
        match outcome:
            case outcomes.KeyRefused(why):
                self._pause(turn.key, why)
            case outcomes.Throttled(why, wait):
                self._resume(turn)
                self._slow_down(why, wait)
            case outcomes.Deferred(why, _, wait):
                self._failed(turn, why, wait)
            case outcomes.Unsupported():
                # Neither the key nor the issuer is known to work by it.
                pass
            case _:
                self._resume(turn)
                self._throttled = 0
                self._rate = min(self._limits.rate, self._rate + self._limits.rate / 50)

    def _resume(self, turn: Turn) -> None:
        """Credly has answered: whatever was wrong is over."""
        self._failures = 0
        if self._hold is not None and (turn.trial or not self._hold.for_key):
            log.warning("organization %s: calls go on", self.id)
            self._hold = None
            self.show()

    def _pause(self, key: str, why: str) -> None:
        hold = self._hold
        if hold is None or not hold.for_key:
            log.error("organization %s is paused, its key does not work: %s", self.id, why)
        self._refused_key = key
        failures = hold.failures + 1 if hold and hold.for_key else 1
        wait = self._limits.key.seconds(failures, self._clock.random())
        self._hold = Hold(why, self._clock.monotonic() + wait, for_key=True, failures=failures)
        self.show()

    def _slow_down(self, why: str, wait: float | None) -> None:
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            # Calls that were in flight together are throttled together, once.
            self._throttled += 1
            self._rate = max(self._limits.rate * SLOWEST_SHARE, self._rate / 2)
            log.warning("organization %s: %s; now %.2g calls a second", self.id, why, self._rate)
        if wait is None:
            wait = self._limits.throttled.seconds(self._throttled, self._clock.random())
        self._quiet_until = max(self._quiet_until, now + wait)

    def _failed(self, turn: Turn, why: str, wait: float | None) -> None:
        self._failures += 1
        hold = self._hold
        if (hold is not None and not turn.trial) or (hold is None and self._failures < FAILURES_TO_OPEN):
            return
        if hold is None:
            log.error("organization %s: calls are held back: %s", self.id, why)
        failures = hold.failures + 1 if hold else 1
        seconds = max(wait or 0.0, self._limits.breaker.seconds(failures, self._clock.random()))
        self._hold = Hold(why, self._clock.monotonic() + seconds, for_key=False, failures=failures)
        self.show()


class Organizations:
    """All organizations of the catalog in force, and whose templates are whose."""

    def __init__(
        self,
        limits: Limits,
        transport: Transport,
        clock: Clock,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._limits = limits
        self._transport = transport
        self._clock = clock
        self._environ = environ
        self._organizations: dict[str, Organization] = {}
        # Also those that left the catalog: whoever waits for their turn goes on when they return.
        self._known: dict[str, Organization] = {}
        self._templates: Mapping[str, TemplateTerms] = {}
        self.in_flight = limits.in_flight
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
                known = Organization(terms, self._limits, self._transport, self._clock, self._environ)
                known.on_release = self._released
                self._known[terms.id] = known
            known.take(terms)
            self._organizations[terms.id] = known
        self._templates = templates

    def of(self, template: str) -> tuple[Organization, TemplateTerms] | None:
        """The organization and the terms of a template; None where the catalog has no such template."""
        terms = self._templates.get(template)
        organization = self._organizations.get(terms.organization) if terms else None
        return (organization, terms) if organization and terms else None

    def _released(self, template: str) -> None:
        for listener in tuple(self.listeners):
            listener(template)


def terms(document: CatalogDocument) -> tuple[list[OrganizationTerms], dict[str, TemplateTerms]]:
    """What a catalog says of organizations and of how badges are issued."""
    organizations = []
    for declared in document.organizations.values():
        key, base = declared.api_key, ISSUERS[declared.provider].base_url(declared.environment, declared.url)
        file = str(key.file) if key and key.file else None
        organizations.append(
            OrganizationTerms(
                declared.id, declared.provider, base, KeyRef(key.env, file) if key is not None else None
            )
        )
    templates = {
        template.id: TemplateTerms(
            template.id,
            template.id,
            template.organization,
            template.notify.award,
            template.notify.revoke,
            template.expires_after,
        )
        for template in document.templates.values()
    }
    return organizations, templates

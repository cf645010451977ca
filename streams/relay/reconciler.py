"""Makes the issuers hold what the bus says: one reconciler for each assigned partition.

It works off the badges that their issuer does not hold as desired: in parallel across badges, one call after
the other for each badge. Where they wait is in waiting.py, how calls are made in calling.py, how what they
bring is saved in saving.py.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import assert_never

from streams import metrics
from streams.clock import Clock, Patience, change_within
from streams.issuers import outcomes
from streams.issuers.issuer import Made
from streams.issuers.outcomes import Outcome
from streams.relay.calling import Calling, Doing
from streams.relay.doubt import Trust
from streams.relay.failing import UNSEEN, Others
from streams.relay.issuance import ERASED, KEPT, Issuance, adopts, done, kept, learned
from streams.relay.making import Making
from streams.relay.organizations import Organization, Organizations, always
from streams.relay.saving import Saving, Store, ToSave
from streams.relay.steps import Called, Erase, Issue, Keep, Lack, LookUp, Nothing, Revoke, Trace, Wait
from streams.relay.terms import TemplateTerms
from streams.relay.waiting import Census, Pending, Waiting

log = logging.getLogger(__name__)

SCANNED_AT_ONCE = 500
"""Issuances that are read between two turns of the event loop: a few milliseconds' work."""


class Reconciler:
    """Works for as long as `run` runs; `follow` says which badges the bus has spoken of.

    `number` is the partition's; `ours` says whether it is surely still this worker's; `history`, until it
    runs, that what the bus says may be long over.
    """

    def __init__(
        self,
        store: Store,
        organizations: Organizations,
        clock: Clock,
        retry: Patience = Patience(1.0, 300.0),
        ours: Callable[[], bool] = always,
        *,
        history: bool = False,
        number: int = 0,
    ) -> None:
        self.history = history
        self._store = store
        self._organizations = organizations
        self._clock = clock
        self._retry = retry
        # So many that calls never wait for saves: twice as many as may call at once, and two to spare.
        self._hands_at_most = 2 * organizations.limits.in_flight + 2
        self._trust = Trust(organizations.limits.lag, clock.wall())
        self._hands: defaultdict[str, int] = defaultdict(int)
        self._rescheduled = asyncio.Event()
        self._waiting = Waiting(self._organization_of, self._employ, self._rescheduled.set)
        self._saving = Saving(store)
        making = Making(number, dict(store.kept()))
        self._calling = Calling(store, self._saving, organizations, clock, self._trust, ours, making)
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Resume what the table says is pending, and go on until cancelled."""
        self.history = False
        self._organizations.listeners.add(self._waiting.release)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._waking())
                try:
                    await self._resume()
                    await self._saving.run()
                finally:
                    # A group that is shutting down takes no more tasks.
                    self._tasks = None
        finally:
            self._organizations.listeners.discard(self._waiting.release)
            self._organizations.claims.release(self)
            self._waiting.clear()

    @property
    def running(self) -> bool:
        """True while `run` runs."""
        return self._tasks is not None

    def follow(self, badges: Iterable[bytes]) -> None:
        """Look at badges of which something else is desired now; whoever runs next finds it in the table."""
        for badge in badges if self.running else ():
            issuance = self._store.get(badge)
            if issuance is not None:
                self._waiting.file(badge, issuance)

    def catalog_changed(self) -> None:
        """Let badges wait where the catalog says now."""
        self._waiting.catalog_changed()

    def template_changed(self, template: str) -> None:
        """Ask for a template again before it is needed next; at once if its badges are parked."""
        known = self._organizations.of(template)
        if known is not None:
            known[0].templates.doubt(template)
            self._waiting.look_again(template, self._clock.monotonic())

    def census(self) -> Census:
        """What is pending at present."""
        return self._waiting.census()

    async def _resume(self) -> None:
        for number, (badge, issuance) in enumerate(self._store.scan()):
            if issuance.adopted and issuance.held:
                self._claim(badge, issuance.template, issuance.held)
            self._waiting.file(badge, issuance)
            if number % SCANNED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _organization_of(self, template: str) -> str | None:
        known = self._organizations.of(template)
        return known[0].id if known else None

    def _employ(self, name: str) -> None:
        if self._hands[name] < self._hands_at_most and self._tasks is not None:
            self._hands[name] += 1
            self._tasks.create_task(self._work(name))

    async def _work(self, name: str) -> None:
        """One hand: takes badge after badge of an organization."""
        while taken := self._waiting.take(name):
            badge, pending = taken
            await self._follow(badge, pending)
            if pending.again:
                pending.again = False
                self._waiting.back_in_line(badge)
        self._hands[name] -= 1

    async def _follow(self, badge: bytes, pending: Pending) -> None:
        """Step by step to what is desired, or to where it must wait."""
        while pending.place == "busy":
            issuance = self._store.get(badge)
            known = self._organizations.of(pending.template)
            if issuance is None or done(issuance):
                self._waiting.finish(badge, issuance)
                return
            if known is None:
                self._waiting.back_in_line(badge)
                return
            organization, terms = known
            if issuance.kind == "awarded" and not organization.templates.knows(issuance.template):
                await self._know_template(badge, pending, organization, terms)
            else:
                await self._step(badge, pending, issuance, organization, terms)

    async def _know_template(
        self, badge: bytes, pending: Pending, organization: Organization, terms: TemplateTerms
    ) -> None:
        seen = organization.templates[terms.id]
        if seen.parked:
            self._waiting.park(badge, pending, seen.probe_at)
            return
        async with seen.asking:
            if seen.parked or organization.templates.knows(terms.id):
                return
            outcome = await self._calling.ask_template(organization, terms)
        if isinstance(outcome, outcomes.Deferred | outcomes.Forbidden):
            await self._learn(badge, pending, LookUp(), Made(outcome), organization)

    async def _step(
        self,
        badge: bytes,
        pending: Pending,
        issuance: Issuance,
        organization: Organization,
        terms: TemplateTerms,
    ) -> None:
        step = self._calling.next(issuance, organization)
        match step:
            case Nothing():
                pass
            case Wait(seconds):
                self._put_off(badge, pending, seconds)
            case Lack():
                self._waiting.hold(pending)
            case Keep():
                await self._keep(badge)
            case Issue() | Revoke() | LookUp() | Trace() | Erase():
                made = await self._calling.make(Doing(badge, step, issuance, organization, terms))
                if made is not None:
                    made = replace(made, outcome=self._claimed(badge, made.outcome))
                    others = organization.others(type(step))
                    await self._learn(badge, pending, step, made, organization, others)
            case _:
                assert_never(step)

    async def _learn(
        self,
        badge: bytes,
        pending: Pending,
        step: Called,
        made: Made,
        organization: Organization,
        others: Others = UNSEEN,
    ) -> None:
        """Save what became of a step, and put the badge where it waits, if it must."""
        now, outcome = self._clock.wall(), made.outcome
        if isinstance(outcome, outcomes.DONE):
            organization.answered = organization.succeeded[type(step)] = now
        change = partial(learned, step=step, outcome=outcome, now=now, trust=self._trust, others=others)
        saved = await self._saving.enter(ToSave(badge, change, made.published, made.kept))
        pending.note(saved)
        match outcome:
            case outcomes.Issued() if isinstance(step, Issue):
                organization.templates.published(pending.template)
                seconds = max(0.0, (now - step.time).total_seconds())
                metrics.ISSUE_LATENCY.labels(*organization.labels).observe(seconds)
            case outcomes.Forbidden() | outcomes.Deferred() if saved.refused:
                _tell_refused(badge, pending.template)
            case outcomes.Deferred() | outcomes.Forbidden():
                wait = outcome.wait if isinstance(outcome, outcomes.Deferred) else None
                pause = self._retry.seconds(max(1, saved.attempts), self._clock.random())
                self._put_off(badge, pending, max(wait or 0.0, pause))
            case outcomes.Erased() | outcomes.Revoked() if not done(saved):
                # Whether that was all is asked next; the issuer may take a while.
                pause = self._retry.seconds(max(1, saved.attempts), self._clock.random())
                self._put_off(badge, pending, pause)
            case outcomes.Withheld(_, why):
                organization.templates.withhold(pending.template, why)
            case outcomes.TemplateUnavailable(why):
                if not organization.templates[pending.template].parked:
                    # Calls that were in flight together say it once.
                    organization.templates.park(pending.template, why)
                if saved.kind != "awarded":
                    self._put_off(badge, pending, self._retry.longest)
            case outcomes.Refused():
                _tell_refused(badge, pending.template)
            case outcomes.Absent(unproven) if unproven and isinstance(step, Trace):
                log.warning(
                    "badge %s: its issuer has %d that may be the forgotten learner's; nothing shows it",
                    badge.decode(),
                    unproven,
                    extra={"about": [pending.template]},
                )

    async def _keep(self, badge: bytes) -> None:
        saved = await self._saving.save(badge, kept)
        if saved.state in (KEPT, ERASED):
            log.warning(
                "badge %s of template %s is kept at its issuer: it was adopted, not issued",
                badge.decode(),
                saved.template,
                extra={"about": [saved.template]},
            )

    def _claimed(self, badge: bytes, outcome: Outcome) -> Outcome:
        """The outcome; what another learner's badge has adopted already is not this one's."""
        issuance = self._store.get(badge)
        if issuance is None or not isinstance(outcome, outcomes.Found) or not adopts(issuance, outcome):
            return outcome
        taken = self._claim(badge, issuance.template, outcome.badge)
        return outcome if taken else outcomes.Absent(unproven=1)

    def _claim(self, badge: bytes, template: str, held: str) -> bool:
        return self._organizations.claims.take(template, held, badge, self)

    def _put_off(self, badge: bytes, pending: Pending, seconds: float) -> None:
        self._waiting.put_off(badge, pending, self._clock.monotonic() + seconds)

    async def _waking(self) -> None:
        while True:
            now = self._clock.monotonic()
            for template in self._waiting.wake(now):
                self._look_at_parked(template)
            await change_within(self._rescheduled, self._clock, self._waiting.next_at - now)

    def _look_at_parked(self, template: str) -> None:
        if not self._waiting.has_parked(template):
            return
        known = self._organizations.of(template)
        if known is None or not known[0].templates[template].parked:
            self._waiting.release(template)
            return
        organization, terms = known
        seen = organization.templates[template]
        if self._clock.monotonic() >= seen.probe_at and self._tasks is not None:
            organization.templates.claim_probe(template)
            self._tasks.create_task(self._probe(organization, terms))
        else:
            self._waiting.look_again(template, seen.probe_at)

    async def _probe(self, organization: Organization, terms: TemplateTerms) -> None:
        """One call for all the badges of a parked template; `release` queues them again."""
        await self._calling.ask_template(organization, terms)
        self._waiting.look_again(terms.id, organization.templates[terms.id].probe_at)


def _tell_refused(badge: bytes, template: str) -> None:
    # Without the issuer's words, which may quote the learner's name; the dead letter has them.
    about = {"about": [template]}
    log.warning("badge %s of template %s is refused", badge.decode(), template, extra=about)

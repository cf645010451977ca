"""Makes the calls of a badge's step, each at its organization's turn."""

import logging
import re
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any, assert_never

from streams.clock import Clock
from streams.issuers import outcomes
from streams.issuers.issuer import Call, Made, Maker, Steps, Wanted, drive
from streams.issuers.outcomes import Outcome
from streams.relay.doubt import Trust
from streams.relay.issuance import Issuance
from streams.relay.making import Making, award_of, cause_of, revocation_of
from streams.relay.next_step import intend, next_step
from streams.relay.organizations import Organization, Organizations, OvertakenError, Turn
from streams.relay.ownership import Ownership
from streams.relay.saving import Saving, Store
from streams.relay.steps import Called, Erase, Issue, LookUp, Revoke, Step, Trace
from streams.relay.terms import TemplateTerms

log = logging.getLogger(__name__)

OURS_SECONDS = 0.5
"""How often to look whether the partition is surely ours; the group answers a worker every two seconds."""


@dataclass(frozen=True, slots=True)
class Doing:
    """A step that is to be done: of which badge, by what is known of it, and at whose terms."""

    badge: bytes
    step: Called
    issuance: Issuance
    organization: Organization
    terms: TemplateTerms


class Calling:
    """Makes the calls of a partition's badges."""

    def __init__(
        self,
        store: Store,
        saving: Saving,
        organizations: Organizations,
        clock: Clock,
        trust: Trust,
        ours: Callable[[], bool],
        making: Making,
    ) -> None:
        self._store = store
        self._saving = saving
        self._organizations = organizations
        self._clock = clock
        self._trust = trust
        self._ours = ours
        self._making = making

    def next(self, issuance: Issuance, organization: Organization) -> Step:
        """What to do next for a badge, by what is known of its template."""
        seen, issuer = organization.templates[issuance.template], organization.issuer
        keeps = self._organizations.ownership.keeps
        return next_step(
            issuance,
            self._clock.wall(),
            issuer,
            allows_duplicates=seen.allows_duplicates,
            keeps=keeps,
            trust=self._trust,
        )

    async def make(self, doing: Doing) -> Made | None:
        """Do a step, by calls or here; None if it was no longer the step when its turn came."""
        maker, step = doing.organization.issuer.maker, doing.step
        try:
            if maker is not None and isinstance(step, Issue | Revoke | Erase):
                return await self._made(doing, maker, step)
            steps = _steps(doing, self._organizations.ownership)
            outcome = await drive(steps, partial(self._ask, doing))
            return Made(await self._blamed(doing.organization, doing.terms, outcome))
        except OvertakenError:
            return None

    async def _made(self, doing: Doing, maker: Maker, step: Issue | Revoke | Erase) -> Made:
        organization, terms = doing.organization, doing.terms
        async with organization.turn(partial(self._belongs, organization, terms)) as turn:
            still = partial(self._may_be_made, doing, turn)
            wanted = _wanted(doing, self._organizations.ownership)
            made = await self._making.make(maker, step, doing.issuance, terms, wanted, turn, still)
            organization.made(turn, type(step).__name__.lower(), made.outcome)
            return made

    async def ask_template(self, organization: Organization, terms: TemplateTerms) -> Outcome | None:
        """Ask whether badges of a template can be issued, and let the organization know.

        None if the template was no longer the organization's when the turn came.
        """
        steps = organization.issuer.template(organization.id, terms.external_id)
        wanted = partial(self._belongs, organization, terms)
        try:
            answered = await drive(steps, partial(organization.ask, wanted=wanted))
            outcome = await self._blamed(organization, terms, answered)
        except OvertakenError:
            return None
        match outcome:
            case outcomes.TemplateActive(allows_duplicates):
                organization.templates.release(terms.id, allows_duplicates=allows_duplicates)
            case outcomes.TemplateUnavailable(why):
                organization.templates.park(terms.id, why)
            case outcomes.Refused(why):
                log.warning("template %s cannot be asked for: %s", terms.id, why)
                organization.templates.release(terms.id, allows_duplicates=True)
        return outcome

    async def _blamed(self, organization: Organization, terms: TemplateTerms, outcome: Outcome) -> Outcome:
        """The outcome; a forbidden call is the key's fault only if the key does not work otherwise."""
        if not isinstance(outcome, outcomes.Forbidden):
            return outcome
        steps = organization.issuer.key_works(organization.id, organization.key)
        wanted = partial(self._belongs, organization, terms)
        checked = await drive(steps, partial(organization.ask, wanted=wanted))
        return outcome if isinstance(checked, outcomes.KeyWorks | outcomes.Unsupported) else checked

    async def _ask(self, doing: Doing, call: Call[Any]) -> Outcome:
        """Make a call; one that changes something only once its intent is durable.

        What is personal in the issuance will not be quoted from its answer.
        """
        step, issuance, organization = doing.step, doing.issuance, doing.organization
        hidden = (*call.request.hidden, *_personal(issuance))
        call = replace(call, request=replace(call.request, hidden=hidden))
        wanted = partial(self._belongs, organization, doing.terms)
        if not call.changes:
            return await organization.ask(call, wanted)
        assert isinstance(step, Issue | Revoke)
        async with organization.turn(wanted) as turn:
            if not self._is_still(doing):
                raise OvertakenError
            now = self._clock.wall()

            def intent(current: Issuance) -> Issuance:
                if current.decision != issuance.decision:
                    return current
                return intend(current, step, now, organization.issuer, self._trust)

            intended = await self._saving.save(doing.badge, intent)
            if intended.doubt is None or intended.doubt.at != now:
                raise OvertakenError
            while not self._ours():
                # The group will answer soon, or take the partition away, which ends this (decision 0060).
                await self._clock.sleep(OURS_SECONDS)
            return await turn.ask(call)

    def _may_be_made(self, doing: Doing, turn: Turn) -> bool:
        """False also while the key does not work: of those that were waiting for it, each would try it."""
        if turn.organization.held and not turn.trial:
            return False
        return isinstance(doing.step, Erase) or self._is_still(doing)

    def _belongs(self, organization: Organization, terms: TemplateTerms) -> bool:
        return self._organizations.of(terms.id) == (organization, terms)

    def _is_still(self, doing: Doing) -> bool:
        """False if the bus has spoken, the template was parked or the catalog has changed before its turn."""
        issuance, organization, terms = self._store.get(doing.badge), doing.organization, doing.terms
        if issuance is None or not self._belongs(organization, terms):
            return False
        if issuance.kind == "awarded" and not organization.templates.knows(terms.id):
            return False
        return self.next(issuance, organization) == doing.step


def _wanted(doing: Doing, ownership: Ownership) -> Callable[..., Wanted]:
    """How an issuer is told of a badge, by the addresses of its learner and the issuer's id of it."""
    return partial(ownership.wanted, doing.badge.decode(), doing.terms.external_id, doing.issuance.learner)


def _steps(doing: Doing, ownership: Ownership) -> Steps[Outcome]:
    issuer, id = doing.organization.issuer, doing.organization.id
    step, issuance, terms = doing.step, doing.issuance, doing.terms
    wanted = _wanted(doing, ownership)
    match step:
        case Issue():
            return issuer.issue(id, award_of(step, issuance, terms, wanted))
        case Revoke():
            return issuer.revoke(id, revocation_of(step, issuance, terms, wanted))
        case LookUp(addresses, badge):
            return issuer.look_up(id, wanted(addresses, badge))
        case Trace(addresses):
            return issuer.trace(id, wanted(addresses))
        case Erase(badge):
            return issuer.erase(id, wanted(badge=badge), cause_of(issuance))
        case _:
            assert_never(step)


def _personal(issuance: Issuance) -> tuple[str, ...]:
    """What is known of the learner; of a name each word, too, but for initials."""
    if issuance.recipient is None:
        return ()
    username, email, name = (text.strip() for text in astuple(issuance.recipient))
    return (username, email, name, *(word for word in re.split(r"[\s,.]+", name) if len(word) > 1))

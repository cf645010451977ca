"""What follows from an activity or an order, given what is known of its learner."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from streams.badges.catalog import Catalog, Compiled
from streams.badges.completeness import expiry, is_complete, is_fulfilled, is_held, loses_group
from streams.badges.counting import INITIAL, State, matched, reset, withdrawn
from streams.badges.importing import taken_along
from streams.badges.matching import Matched, Matches
from streams.badges.model import (
    Activity,
    Decision,
    Import,
    Kind,
    Order,
    Source,
    User,
    badge_id,
    decision_id,
)
from streams.badges.packing import Id, pack_id, text_of, texts, whole_ids
from streams.badges.progress import Badge, Judgement, Progress, awarded, evolve, fingerprint, revoked
from streams.badges.rules import SCALARS, Scalar
from streams.badges.templates import BadgeRequirement, Penalty, Requirement
from streams.badges.times import MICROSECOND, moment, stamp


def judge(
    catalog: Catalog, progress: Progress, happened: Activity | Order | Import
) -> tuple[Progress, tuple[Decision, ...]]:
    """The progress after the activity or order, and the decisions; the very progress if nothing follows."""
    judgement = decide(catalog, progress, happened)
    return (progress, ()) if judgement is None else (evolve(progress, judgement), judgement.decisions)


def decide(catalog: Catalog, progress: Progress, happened: Activity | Order | Import) -> Judgement | None:
    """What follows from the activity or order.

    None if it is not relevant, was applied already, or is an order for a template that is not active.
    """
    if not isinstance(happened, Activity):
        if isinstance(happened, Import):
            return taken_along(progress, happened)
        return _decide_order(catalog, progress, happened)
    matches = catalog.match(happened)
    if not matches:
        return None
    if happened.catch_up:
        return _catch_up(catalog, progress, happened, matches)
    source = happened.source
    if progress.has_applied(source):
        return None
    recognized = fingerprint(happened.id)
    if progress.remembers(recognized):
        return Judgement(source, b"", progress.user, progress.catalog, {}, {}, ())
    case = _Case(catalog, progress, happened)
    case.judge(matches)
    return case.judgement(source, recognized, _known(happened.user, progress.user))


def latest(badge: Badge, template: str, learner: int) -> Decision:
    """What was decided last of a learner's badge: its award, or its revocation."""
    id = badge_id(template, learner)
    because = texts(badge.because)
    award = Decision(
        "awarded",
        template,
        learner,
        badge.generation,
        id,
        decision_id(id, "awarded", badge.generation),
        moment(badge.awarded),
        because[-1] if badge.activity is None else text_of(badge.activity),
        because,
        badge.catalog,
        badge.note,
    )
    if badge.revoked is None or badge.revoked_by is None:
        return award
    by = text_of(badge.revoked_by)
    return replace(
        award,
        kind="revoked",
        id=decision_id(id, "revoked", badge.generation),
        time=moment(badge.revoked),
        activity=by,
        because=(by,),
        catalog=badge.revoked_catalog,
        note=badge.revoked_note,
    )


def _decide_order(catalog: Catalog, progress: Progress, order: Order) -> Judgement | None:
    turn = catalog.turns.get(order.template)
    recognized = fingerprint(order.id)
    if turn is None or progress.remembers(recognized):
        return None
    case = _Case(catalog, progress, order)
    case.judge({}, turn)
    return case.judgement(None, recognized, progress.user or order.user)


def _catch_up(catalog: Catalog, progress: Progress, activity: Activity, matches: Matches) -> Judgement | None:
    """What follows from an activity of the past; what it says of the learner is older than what is known."""
    case = _Case(catalog, progress, activity)
    case.judge(matches)
    user = progress.user or activity.user
    if not case.states and not case.badges and user == progress.user and catalog.revision == progress.catalog:
        return None
    return case.judgement(None, b"", user)


def _known(now: User | None, before: User | None) -> User | None:
    """What is known of the learner: what an event leaves empty (a role has no name) stays as it was."""
    if now is None or before is None or (now.name and now.email):
        return now or before
    return replace(now, email=now.email or before.email, name=now.name or before.name)


class _Case:
    """One activity or order being judged: how it changes what was known before."""

    __slots__ = (
        "another_catalog",
        "badges",
        "before",
        "catalog",
        "decisions",
        "happened",
        "now",
        "revision",
        "states",
    )

    def __init__(self, catalog: Catalog, before: Progress, happened: Activity | Order) -> None:
        self.catalog = catalog
        self.before = before
        self.happened = happened
        self.now = stamp(happened.time)
        self.revision = catalog.revision
        self.another_catalog = before.catalog != catalog.revision
        self.states: dict[str, dict[str, State | None]] = {}
        self.badges: dict[str, Badge] = {}
        self.decisions: list[Decision] = []

    def judgement(self, source: Source | None, fingerprint: bytes, user: User | None) -> Judgement:
        """What it comes to."""
        decisions = tuple(self.decisions)
        return Judgement(source, fingerprint, user, self.revision, self.states, self.badges, decisions)

    def badge(self, template: str) -> Badge | None:
        """The badge of a template, as judged so far."""
        return self.badges.get(template) or self.before.badge(template)

    def state(self, template: str, requirement: str) -> State:
        """What is known of a requirement, as judged so far."""
        changed = self.states.get(template)
        now = None if changed is None else changed.get(requirement)
        return now or self.before.requirement(template, requirement) or INITIAL

    def is_fulfilled(self, template: str, requirement: str) -> bool:
        """Whether a requirement is fulfilled, as judged so far."""
        changed = self.states.get(template)
        now = None if changed is None else changed.get(requirement)
        return self.before.is_fulfilled(template, requirement) if now is None else now.moment is not None

    def judge(self, matches: Matches, ordered: int | None = None) -> None:
        """Judge all templates that this may have changed, in the order of their turns.

        `ordered` is the turn of the template that an order is for.
        """
        agenda = [*matches]
        if ordered is not None:
            agenda.append(ordered)
        if self.another_catalog:
            agenda += self._of_another_catalog()
        if self.catalog.expiring:
            agenda += self._of_another_time()
        heapq.heapify(agenda)
        last = None
        while agenda:
            turn = heapq.heappop(agenda)
            if turn == last:
                continue  # It is there for several reasons.
            last = turn
            compiled = self.catalog.active[turn]
            if self._order(compiled) if turn == ordered else self._judge(compiled, matches.get(turn)):
                for dependent in compiled.dependents:  # each has a later turn
                    heapq.heappush(agenda, dependent)

    def _of_another_catalog(self) -> Iterator[int]:
        """The turns of the templates that a change of the catalog may have completed.

        As long as the catalog stays the same, the badge of each complete template is held already. A complete
        template has a fulfilled requirement: either the learner's progress names the template, or it requires
        a badge that the learner holds.
        """
        for template, (_, badge) in self.before.templates.items():
            if (turn := self.catalog.turns.get(template)) is not None:
                yield turn
            if badge is not None:
                yield from self.catalog.dependents.get(template, ())

    def _of_another_time(self) -> Iterator[int]:
        """The turns of the templates that a badge completes which has expired for later activities."""
        expiring = self.catalog.expiring
        for template in expiring.keys() & self.before.templates.keys():
            yield from expiring[template]

    def _judge(self, compiled: Compiled, met: Matched | None) -> bool:
        """Judge one template; returns whether its badge was awarded or revoked."""
        if met is not None and not met.penalties and self._stays_held(compiled):
            for requirement in met.requirements:
                self._match(compiled, requirement)
            return False
        badge = self.badge(compiled.id)
        held = is_held(self.catalog, compiled.id, badge, self.now)
        if badge is not None and not held and (badge.revoked is None or badge.revoked_ordered):
            # It has expired, or an order took it: what does not concern it cannot bring it back.
            if met is None:
                return False
            if badge.revoked is None and (expired := expiry(self.catalog, compiled.id, badge)) is not None:
                self._reset(compiled, compiled.requirements, expired)
        fulfilled = False
        if met is not None:
            for requirement in met.requirements:
                fulfilled |= self._match(compiled, requirement)
            for penalty in met.penalties:
                self._penalize(compiled, penalty)
        if not compiled.badges and (met is None or not met.penalties):
            if held:
                return False  # Nothing that was fulfilled can have been lost.
            if badge is None and not fulfilled and not self.another_catalog:
                return False  # As incomplete as it was, or there would be a badge.
        return self._decide(compiled, badge, held)

    def _stays_held(self, compiled: Compiled) -> bool:
        """Whether no match can change the badge: that of most learners and templates, in the long run."""
        return (
            not compiled.badges
            and compiled.id not in self.catalog.renewed_after
            and self.before.is_held(compiled.id)
            and compiled.id not in self.badges
        )

    def _order(self, compiled: Compiled) -> bool:
        """Do what the order says of the template; returns whether its badge was awarded or revoked."""
        assert isinstance(self.happened, Order)
        badge = self.badge(compiled.id)
        held = is_held(self.catalog, compiled.id, badge, self.now)
        if self.happened.order == "award":
            if not held:
                self._award(compiled, badge, [pack_id(self.happened.id)], ordered=True)
            return not held
        self._reset(compiled, compiled.requirements, self.now)
        if badge is not None and held:
            self._revoke(compiled, badge, ordered=True)
        elif is_complete(self.catalog, compiled, self, self.now):
            # This order decides nothing else of it, the next activity does.
            self.revision = ""
        return held

    def _match(self, compiled: Compiled, requirement: Requirement) -> bool:
        """Take a match of the requirement; returns whether it is fulfilled by it."""
        if requirement.after is not None and not self._in_order(compiled, requirement, requirement.after):
            return False
        found = None
        if requirement.distinct is not None and (found := self._value(requirement)) is None:
            return False
        before = self.state(compiled.id, requirement.id)
        goes_on = requirement.id in compiled.withdrawable
        after = matched(before, requirement, self.now, self.happened.id, found, goes_on)
        self._change(compiled, requirement.id, before, after)
        return before.moment is None and after.moment is not None

    def _penalize(self, compiled: Compiled, penalty: Penalty) -> None:
        for id in penalty.withdraws:
            requirement = compiled.requirements[id]
            if (found := self._value(requirement)) is not None:
                before = self.state(compiled.id, id)
                self._change(compiled, id, before, withdrawn(before, requirement, self.now, found))
        self._reset(compiled, penalty.resets, self.now)

    def _reset(self, compiled: Compiled, requirements: Iterable[str], time: int) -> None:
        for id in requirements:
            before = self.state(compiled.id, id)
            self._change(compiled, id, before, reset(before, time))

    def _change(self, compiled: Compiled, requirement: str, before: State, after: State) -> None:
        if after is not before:
            self.states.setdefault(compiled.id, {})[requirement] = after

    def _value(self, requirement: Requirement) -> Scalar | None:
        """The value by which matches of the requirement are different; None if there is none."""
        assert isinstance(self.happened, Activity)
        assert requirement.distinct is not None
        found = requirement.distinct.of(self.happened.data)
        return found if isinstance(found, SCALARS) else None

    def _in_order(self, compiled: Compiled, requirement: Requirement, after: str) -> bool:
        moment = self._moment(compiled, after)
        if moment is None or self.now < moment:
            return False
        longest = requirement.no_later_than
        return longest is None or self.now <= moment + longest // MICROSECOND

    def _moment(self, compiled: Compiled, id: str) -> int | None:
        """When the requirement was fulfilled, if it is."""
        if (template := compiled.badges.get(id)) is not None:
            badge = self.badge(template)
            return badge.awarded if badge and is_held(self.catalog, template, badge, self.now) else None
        return self.state(compiled.id, id).moment

    def _decide(self, compiled: Compiled, badge: Badge | None, held: bool) -> bool:
        """Award or revoke the template's badge if that is due; returns whether it was."""
        if is_complete(self.catalog, compiled, self, self.now):
            if not held:
                self._award(compiled, badge, [*dict.fromkeys(self._reasons(compiled))])
            return not held
        if badge is None or not held or badge.ordered or not compiled.template.revocable:
            return False
        if not self._is_lost(compiled, badge):
            return False
        self._revoke(compiled, badge)
        return True

    def _is_lost(self, compiled: Compiled, badge: Badge) -> bool:
        """Whether a badge of a template that is not complete was so until now.

        One that was awarded elsewhere may never have been complete: it rests on the groups that are
        fulfilled (decision 0027).
        """
        if badge.imported:
            return loses_group(self.catalog, compiled, self.before, self, self.now)
        return is_complete(self.catalog, compiled, self.before, self.now)

    def _reasons(self, compiled: Compiled) -> Iterator[Id]:
        """The ids of what counted for the badge: of activities, and of decisions about required badges."""
        for requirement in compiled.template.requirements:
            if not is_fulfilled(self.catalog, compiled, requirement, self, self.now):
                continue
            if isinstance(requirement, BadgeRequirement):
                badge = self.badge(requirement.template)
                assert badge is not None
                id = badge_id(requirement.template, self.happened.learner)
                yield decision_id(id, "awarded", badge.generation).bytes
            else:
                yield from whole_ids(self.state(compiled.id, requirement.id).counted)

    def _award(
        self, compiled: Compiled, former: Badge | None, because: Sequence[Id], *, ordered: bool = False
    ) -> None:
        generation = 1 if former is None else former.generation + 1
        reasons = tuple(map(text_of, because))
        decision = self._decision("awarded", compiled, generation, reasons, ordered=ordered)
        self.decisions.append(decision)
        self.badges[compiled.id] = awarded(decision, because, ordered=ordered)

    def _revoke(self, compiled: Compiled, badge: Badge, *, ordered: bool = False) -> None:
        because = (self.happened.id,)
        decision = self._decision("revoked", compiled, badge.generation, because, ordered=ordered)
        self.decisions.append(decision)
        self.badges[compiled.id] = revoked(badge, decision, ordered=ordered)

    def _decision(
        self, kind: Kind, compiled: Compiled, generation: int, because: tuple[str, ...], *, ordered: bool
    ) -> Decision:
        happened = self.happened
        badge = badge_id(compiled.id, happened.learner)
        id = decision_id(badge, kind, generation)
        return Decision(
            kind,
            compiled.id,
            happened.learner,
            generation,
            badge,
            id,
            happened.time,
            happened.id,
            because,
            self.catalog.revision,
            happened.note if ordered and isinstance(happened, Order) else None,
        )

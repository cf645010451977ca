"""What follows from an activity, given what is known of its learner."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import isfinite

from streams.badges.catalog import (
    NOTHING,
    AnyRequirement,
    BadgeRequirement,
    Catalog,
    Compiled,
    Matched,
    Matches,
    Requirement,
)
from streams.badges.model import Activity, Decision, Kind, badge_id, decision_id
from streams.badges.packing import ids_of, place_of
from streams.badges.progress import (
    Applied,
    Awarded,
    Badge,
    Count,
    Counted,
    Fact,
    Fulfilled,
    Fulfilment,
    Progress,
    Repeated,
    Reset,
    Revoked,
    evolve,
    fingerprint,
)
from streams.badges.rules import Scalar, find
from streams.badges.times import moment, stamp

_DECIDED = (Awarded, Revoked)


def decide(catalog: Catalog, progress: Progress, activity: Activity) -> tuple[Fact, ...]:
    """What follows from the activity, in order; nothing if it is not relevant or was already applied."""
    return tuple(_conclude(catalog, progress, activity).facts)


def judge(catalog: Catalog, progress: Progress, activity: Activity) -> tuple[Progress, tuple[Decision, ...]]:
    """The progress after the activity, and the decisions.

    The facts of `decide`, folded with `evolve`; without any fact it returns the very `progress` given.
    """
    case = _conclude(catalog, progress, activity)
    return case.progress, tuple([fact.decision for fact in case.facts if isinstance(fact, _DECIDED)])


def standing(compiled: Compiled, progress: Progress) -> tuple[int, int]:
    """How many of a template's groups are fulfilled, and how many there are."""
    done = sum(
        sum(_is_fulfilled(compiled, r, progress) for r in group.requirements) >= group.at_least
        for group in compiled.groups
    )
    return done, len(compiled.groups)


def latest(badge: Badge, template: str, learner: int) -> Decision:
    """What was decided last of a learner's badge: its award, or its revocation."""
    id = badge_id(template, learner)
    award = Decision(
        "awarded",
        template,
        learner,
        badge.generation,
        id,
        decision_id(id, "awarded", badge.generation),
        moment(badge.awarded),
        badge.activity,
        ids_of(badge.because),
        badge.catalog,
    )
    if badge.revoked is None or badge.revoked_by is None:
        return award
    return replace(
        award,
        kind="revoked",
        id=decision_id(id, "revoked", badge.generation),
        time=moment(badge.revoked),
        activity=badge.revoked_by,
        because=(badge.revoked_by,),
        catalog=badge.revoked_catalog,
    )


def _conclude(catalog: Catalog, progress: Progress, activity: Activity) -> "_Case":
    case = _Case(catalog, progress, activity)
    matches = catalog.match(activity)
    if not matches or progress.has_applied(activity.source):
        return case
    recognized = fingerprint(activity.id)
    if recognized in progress.recent:
        case.add(Repeated(activity.source))
        return case
    case.add(Applied(activity.source, recognized, activity.user, catalog.revision))
    case.judge(matches)
    return case


class _Case:
    """One activity being judged: the facts so far, and the progress that they lead to."""

    __slots__ = ("activity", "before", "catalog", "facts", "now", "progress")

    def __init__(self, catalog: Catalog, before: Progress, activity: Activity) -> None:
        self.catalog = catalog
        self.before = before
        self.progress = before
        self.activity = activity
        self.now = stamp(activity.time)
        self.facts: list[Fact] = []

    def add(self, fact: Fact) -> None:
        """Note a fact and apply it to the progress."""
        self.facts.append(fact)
        self.progress = evolve(self.progress, fact)

    def judge(self, matches: Matches) -> None:
        """Judge all templates that this activity may have changed, in the order of their turns."""
        found = {*matches, *self._of_another_catalog()}
        agenda = sorted(found)
        while agenda:
            turn = heapq.heappop(agenda)
            compiled = self.catalog.active[turn]
            self._apply(compiled, matches.get(turn, NOTHING))
            if self._decide(compiled):
                for dependent in compiled.dependents:
                    if dependent not in found:
                        found.add(dependent)
                        heapq.heappush(agenda, dependent)

    def _of_another_catalog(self) -> Iterator[int]:
        """The turns of the templates that a change of the catalog may have completed.

        As long as the catalog stays the same, the badge of each complete template is held already. A complete
        template has a fulfilled requirement: either the learner's progress names the template, or it requires
        a badge that the learner holds.
        """
        if self.before.catalog == self.catalog.revision:
            return
        for template in self.before.requirements:
            if (turn := self.catalog.turns.get(template)) is not None:
                yield turn
        for template, badge in self.before.badges.items():
            if badge.held:
                yield from self.catalog.dependents.get(template, ())

    def _apply(self, compiled: Compiled, matched: Matched) -> None:
        for requirement in matched.requirements:
            self._match(compiled, requirement)
        for penalty in matched.penalties:
            for id in penalty.resets:
                if self.progress.requirement(compiled.id, id) is not None:
                    self.add(Reset(compiled.id, id))

    def _match(self, compiled: Compiled, requirement: Requirement) -> None:
        state = self.progress.requirement(compiled.id, requirement.id)
        if isinstance(state, Fulfilment) or not self._comes_after(compiled, requirement):
            return
        count = _counted(state, requirement, self.activity, self.now)
        if len(count.ids) >= requirement.count:
            self.add(Fulfilled(compiled.id, requirement.id, Fulfilment(self.now, count.ids)))
        elif count != state and (state is not None or count.ids):
            self.add(Counted(compiled.id, requirement.id, count))

    def _comes_after(self, compiled: Compiled, requirement: Requirement) -> bool:
        if requirement.after is None:
            return True
        moment = self._moment(compiled, requirement.after)
        return moment is not None and self.now >= moment

    def _moment(self, compiled: Compiled, id: str) -> int | None:
        """When the requirement was fulfilled, if it is."""
        if id in compiled.badges:
            badge = self.progress.badges.get(compiled.badges[id])
            return badge.awarded if badge is not None and badge.held else None
        state = self.progress.requirement(compiled.id, id)
        return state.moment if isinstance(state, Fulfilment) else None

    def _decide(self, compiled: Compiled) -> bool:
        """Award or revoke the template's badge if that is due; returns whether it was."""
        badge = self.progress.badges.get(compiled.id)
        held = badge is not None and badge.held
        if is_complete(compiled, self.progress):
            if held:
                return False
            self.add(Awarded(self._award(compiled, badge)))
            return True
        if badge is None or not held or not compiled.template.revocable:
            return False
        if not is_complete(compiled, self.before):
            return False
        because = (self.activity.id,)
        self.add(Revoked(self._decision("revoked", compiled, badge.generation, because)))
        return True

    def _award(self, compiled: Compiled, former: Badge | None) -> Decision:
        generation = 1 if former is None else former.generation + 1
        return self._decision("awarded", compiled, generation, tuple(dict.fromkeys(self._reasons(compiled))))

    def _reasons(self, compiled: Compiled) -> Iterator[str]:
        for requirement in compiled.template.requirements:
            if isinstance(requirement, BadgeRequirement):
                badge = self.progress.badges.get(requirement.template)
                if badge is not None and badge.held:
                    uuid = badge_id(requirement.template, self.activity.learner)
                    yield str(decision_id(uuid, "awarded", badge.generation))
            else:
                state = self.progress.requirement(compiled.id, requirement.id)
                if isinstance(state, Fulfilment):
                    yield from state.ids

    def _decision(
        self, kind: Kind, compiled: Compiled, generation: int, because: tuple[str, ...]
    ) -> Decision:
        activity = self.activity
        badge = badge_id(compiled.id, activity.learner)
        id = decision_id(badge, kind, generation)
        return Decision(
            kind,
            compiled.id,
            activity.learner,
            generation,
            badge,
            id,
            activity.time,
            activity.id,
            because,
            self.catalog.revision,
        )


def is_complete(compiled: Compiled, progress: Progress) -> bool:
    """Whether all the template's groups are fulfilled."""
    for group in compiled.groups:
        missing = group.at_least
        for requirement in group.requirements:
            if _is_fulfilled(compiled, requirement, progress):
                missing -= 1
                if not missing:
                    break
        else:
            return False
    return True


def _is_fulfilled(compiled: Compiled, requirement: AnyRequirement, progress: Progress) -> bool:
    if isinstance(requirement, BadgeRequirement):
        badge = progress.badges.get(requirement.template)
        return badge is not None and badge.held
    return isinstance(progress.requirement(compiled.id, requirement.id), Fulfilment)


def _counted(state: Count | None, requirement: Requirement, activity: Activity, now: int) -> Count:
    """The matches that count, with this activity among them."""
    distinct = None if requirement.distinct is None else ".".join(requirement.distinct)
    count = state if state is not None and state.distinct == distinct else Count(distinct)
    if activity.id not in count.ids:
        if requirement.distinct is None:
            count = _with_match(count, activity.id, now)
        elif (value := _value(find(activity.data, requirement.distinct))) is not None:
            count = _with_value(count, activity.id, now, value, requirement.window is not None)
    return count if requirement.window is None else _newest(count, requirement.window)


def _value(found: object) -> Scalar | None:
    """The value by which matches are different; None if what was found is not a scalar.

    A boolean becomes text, because Python holds it equal to a number. So do infinity and not-a-number, which
    JSON cannot write. The NUL in front keeps them apart from ordinary text.
    """
    if isinstance(found, bool) or (isinstance(found, float) and not isfinite(found)):
        return f"\0{found}"
    return found if isinstance(found, str | int | float) else None


def _with_match(count: Count, id: str, now: int) -> Count:
    return Count(None, (*count.ids, id), (*count.times, now))


def _with_value(count: Count, id: str, now: int, value: Scalar, newest_counts: bool) -> Count:
    if (place := place_of(count.values, value)) is not None:
        if not newest_counts or count.times[place] >= now:
            return count
        count = _kept(count, (i for i in range(len(count.ids)) if i != place))
    return Count(count.distinct, (*count.ids, id), (*count.times, now), (*count.values, value))


def _newest(count: Count, window: int) -> Count:
    """Without the matches that are older than the newest by more than the window."""
    if not count.times:
        return count
    oldest = max(count.times) - window
    if min(count.times) >= oldest:
        return count
    return _kept(count, (i for i, time in enumerate(count.times) if time >= oldest))


def _kept(count: Count, places: Iterable[int]) -> Count:
    kept = tuple(places)
    return Count(
        count.distinct,
        tuple(count.ids[i] for i in kept),
        tuple(count.times[i] for i in kept),
        tuple(count.values[i] for i in kept) if count.distinct is not None else (),
    )

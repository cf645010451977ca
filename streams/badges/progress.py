"""One learner's progress: what is counted, fulfilled and held, and how each fact changes it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar, assert_never

from streams.badges.model import Decision, Source, User, value
from streams.badges.packing import (
    SHARED,
    Lists,
    Matches,
    ends,
    unpacked,
)
from streams.badges.rules import Scalar
from streams.badges.times import stamp

REMEMBERED = 16
"""Ids of relevant activities kept per learner, to recognize one that a producer wrote twice: the second copy
comes soon after the first. Each id costs up to 21 bytes in every value of the changelog."""
VERSION = 2
"""Of what `dump` writes. What has no long list is written as version 1, which earlier workers read."""

T = TypeVar("T")


@value
class Count:
    """The matches that count so far, in order of arrival: their ids, times and distinct values.

    Times are microseconds since 1970. `distinct` is the dotted path at which the values must differ; without
    one, `values` is empty.
    """

    distinct: str | None = None
    ids: tuple[str, ...] = ()
    times: tuple[int, ...] = ()
    values: tuple[Scalar, ...] = ()


@value
class Fulfilment:
    """A fulfilled requirement: its time in microseconds since 1970, the ids of what counted."""

    moment: int
    ids: tuple[str, ...]


@value
class Badge:
    """A learner's badge: its newest award with its reasons, and what revoked it, if anything did.

    Of many reasons `because` has the first and the last, and between them how many are left out.
    `awarded` and `revoked` are microseconds since 1970; `activity` and `revoked_by` are ids of activities.
    `catalog` and `revoked_catalog` are the revisions under which these decisions were made.
    """

    generation: int
    awarded: int
    activity: str
    because: tuple[str | int, ...]
    revoked: int | None = None
    revoked_by: str | None = None
    catalog: str = ""
    revoked_catalog: str = ""

    @property
    def held(self) -> bool:
        """Whether the learner holds it."""
        return self.revoked is None


@value
class Progress:
    """Everything that the engine knows of one learner.

    `requirements`: by template and requirement. `badges`: by template. `places`: the epoch and the highest
    offset applied, by `{topic}/{partition}`. `recent`: hashes of the ids of the last relevant activities,
    newest last. `catalog`: the revision under which the last one was judged. `user`: what was last known of
    the learner.
    """

    requirements: Mapping[str, Mapping[str, "Count | Fulfilment"]]
    badges: Mapping[str, Badge]
    places: Mapping[str, tuple[int, int]]
    recent: tuple[int, ...]
    catalog: str
    user: User | None

    @staticmethod
    def initial() -> "Progress":
        """The progress of a learner of whom nothing is known."""
        return _INITIAL

    def requirement(self, template: str, requirement: str) -> Count | Fulfilment | None:
        """What is kept for a requirement, whether or not the catalog still has it."""
        return self.requirements.get(template, _EMPTY).get(requirement)

    def has_applied(self, source: Source) -> bool:
        """Whether this record, or a later one of its partition, was already applied."""
        place = self.places.get(_partition(source))
        return place is not None and (source.epoch, source.offset) <= place


_EMPTY: Mapping[str, Count | Fulfilment] = {}
_INITIAL = Progress({}, {}, {}, (), "", None)


@value
class Applied:
    """A relevant activity was judged under the catalog of that revision."""

    source: Source
    fingerprint: int
    user: User | None
    catalog: str


@value
class Repeated:
    """A relevant activity came a second time, at another offset."""

    source: Source


@value
class Counted:
    """The matches that now count for a requirement, which is not fulfilled yet."""

    template: str
    requirement: str
    count: Count


@value
class Fulfilled:
    """A requirement was fulfilled."""

    template: str
    requirement: str
    fulfilment: Fulfilment


@value
class Reset:
    """A penalty removed a requirement's fulfilment or count."""

    template: str
    requirement: str


@value
class Awarded:
    """A badge was awarded."""

    decision: Decision


@value
class Revoked:
    """A badge was revoked."""

    decision: Decision


Fact = Applied | Repeated | Counted | Fulfilled | Reset | Awarded | Revoked


def evolve(progress: Progress, fact: Fact) -> Progress:
    """The progress after a fact: the only way from one state to the next."""
    p = progress
    match fact:
        case Applied(source, fingerprint, user, catalog):
            recent = (*p.recent, fingerprint)[-REMEMBERED:]
            return Progress(p.requirements, p.badges, _moved(p, source), recent, catalog, user or p.user)
        case Repeated(source):
            return Progress(p.requirements, p.badges, _moved(p, source), p.recent, p.catalog, p.user)
        case Counted(template, requirement, state) | Fulfilled(template, requirement, state):
            return _with_requirements(p, template, _with(p.requirements.get(template), requirement, state))
        case Reset(template, requirement):
            return _with_requirements(p, template, _without(p.requirements.get(template), requirement))
        case Awarded(decision):
            return _with_badge(p, decision.template, _award(decision))
        case Revoked(decision):
            return _with_badge(p, decision.template, _revoke(p.badges[decision.template], decision))
        case _:
            assert_never(fact)


def fingerprint(activity_id: str) -> int:
    """64 bits of a hash of the id: enough that no two of a learner's few remembered ids share it."""
    return int.from_bytes(blake2b(activity_id.encode(), digest_size=8).digest(), "big")


def _partition(source: Source) -> str:
    return f"{source.topic}/{source.partition}"


def _moved(progress: Progress, source: Source) -> dict[str, tuple[int, int]]:
    return {**progress.places, _partition(source): (source.epoch, source.offset)}


def _with(entries: Mapping[str, T] | None, key: str, value: T) -> dict[str, T]:
    return {**(entries or {}), key: value}


def _without(entries: Mapping[str, T] | None, key: str) -> dict[str, T]:
    return {name: value for name, value in (entries or {}).items() if name != key}


def _with_requirements(p: Progress, template: str, states: Mapping[str, Count | Fulfilment]) -> Progress:
    if states:
        requirements = {**p.requirements, template: states}
    else:
        requirements = {id: others for id, others in p.requirements.items() if id != template}
    return Progress(requirements, p.badges, p.places, p.recent, p.catalog, p.user)


def _with_badge(p: Progress, template: str, badge: Badge) -> Progress:
    return Progress(p.requirements, {**p.badges, template: badge}, p.places, p.recent, p.catalog, p.user)


def _award(decision: Decision) -> Badge:
    return Badge(
        decision.generation,
        stamp(decision.time),
        decision.activity,
        ends(decision.because),
        catalog=decision.catalog,
    )


def _revoke(badge: Badge, decision: Decision) -> Badge:
    return replace(
        badge,
        revoked=stamp(decision.time),
        revoked_by=decision.activity,
        revoked_catalog=decision.catalog,
    )


def dump(progress: Progress) -> dict[str, Any]:
    """The progress as a compact, versioned value for JSON; `load` is its reverse.

    Its lists are tuples here, which are cheaper to make.
    """
    p, user = progress, progress.user
    lists = Lists()
    value: dict[str, Any] = {
        "v": 1,
        "c": p.catalog,
        "p": p.places,
        "i": p.recent,
        "r": {
            id: {r: _dump_state(s, lists) for r, s in states.items()} for id, states in p.requirements.items()
        },
    }
    if p.badges:
        value["b"] = {id: _dump_badge(badge) for id, badge in p.badges.items()}
    if user is not None:
        value["u"] = (user.id, user.is_active, user.username, user.email, user.name)
    if lists.written:
        value["v"], value["l"] = VERSION, lists.written
    return value


def load(value: Mapping[str, Any]) -> Progress:
    """The progress that was dumped; raises `ValueError` for a version that this program does not know."""
    if value["v"] not in (1, VERSION):
        raise ValueError(f"progress of version {value['v']}, this program knows {VERSION}")
    user = value.get("u")
    badges = value.get("b")
    lists = [unpacked(*written) for written in value.get("l", ())]
    return Progress(
        {id: {r: _load_state(lists, *s) for r, s in states.items()} for id, states in value["r"].items()},
        {id: _load_badge(*badge) for id, badge in badges.items()} if badges else {},
        {partition: (epoch, offset) for partition, (epoch, offset) in value["p"].items()},
        tuple(value["i"]),
        value["c"],
        None if user is None else User(*user),
    )


def _dump_state(state: Count | Fulfilment, lists: Lists) -> tuple[Any, ...]:
    long = len(state.ids) > SHARED
    match state:
        case Fulfilment(moment, ids):
            return (lists.place((ids, (), ())) if long else ids, moment)
        case Count(distinct, ids, times, values) if long:
            return (lists.place((ids, times, values)), None, distinct)
        case Count(None, ids, times, _):
            return (ids, times, None)
        case Count(distinct, ids, times, values):
            return (ids, times, distinct, values)
        case _:
            assert_never(state)


def _load_state(
    lists: Sequence[Matches],
    ids: list[str] | int,
    times: int | list[int] | None,
    distinct: str | None = None,
    values: list[Scalar] | tuple[()] = (),
) -> Count | Fulfilment:
    matches = lists[ids] if isinstance(ids, int) else (tuple(ids), (), ())
    if isinstance(times, int):
        return Fulfilment(times, matches[0])
    return (
        Count(distinct, *matches)
        if times is None
        else Count(distinct, matches[0], tuple(times), tuple(values))
    )


def _dump_badge(badge: Badge) -> tuple[Any, ...]:
    award = (badge.generation, badge.awarded, badge.activity, badge.because)
    decided = (*award, badge.revoked, badge.revoked_by, badge.catalog)
    return decided if badge.held else (*decided, badge.revoked_catalog)


def _load_badge(
    generation: int,
    awarded: int,
    activity: str,
    because: list[str | int],
    revoked: int | None = None,
    revoked_by: str | None = None,
    catalog: str = "",
    revoked_catalog: str = "",
) -> Badge:
    # Version 1 kept all reasons.
    reasons = ends(because)
    return Badge(generation, awarded, activity, reasons, revoked, revoked_by, catalog, revoked_catalog)

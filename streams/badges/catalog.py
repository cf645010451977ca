"""The catalog, compiled: all templates, in the order in which they are judged."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from streams.badges.matching import Event, Index, Matches, Test, index, matched, tests
from streams.badges.model import Activity
from streams.badges.rules import Patterns
from streams.badges.templates import BadgeRequirement, Group, Requirement, Template
from streams.badges.times import Duration


@dataclass(frozen=True, slots=True)
class Compiled:
    """An active template.

    Templates are judged in the order of their `turn`. `id` is the template's: a field of its own, for each
    activity asks for it several times. `requirements` are by id those that activities fulfil;
    `badges` says which template each badge requirement names; `dependents` are the turns of the templates
    that require this one's badge. `withdrawable` are the requirements that a penalty withdraws from.
    """

    turn: int
    id: str
    template: Template
    groups: tuple[Group, ...]
    requirements: Mapping[str, Requirement]
    badges: Mapping[str, str]
    dependents: tuple[int, ...]
    withdrawable: frozenset[str]


class Catalog:
    """All badge templates, compiled once.

    The cost of `relevant` and `match` grows with what an activity meets, not with the number of templates:
    conditions are looked up by the values that their `eq` and `in` rules want, else by the prefixes of their
    `starts_with` and patterns. Those that have neither are tried one by one. `patterns` compiles the patterns
    of `matches`. `renewed_after` is by template how long a badge is held that may be earned again; `expiring`
    are by template the turns of those that require such a badge.
    """

    def __init__(self, templates: Iterable[Template], patterns: Patterns) -> None:
        ordered = sorted(templates, key=lambda template: template.id)
        active = {template.id: template for template in ordered if template.active}
        turns = {id: turn for turn, id in enumerate(_in_order_of_judgement(active))}
        self.revision = _revision(ordered)
        self.turns: Mapping[str, int] = turns
        self.dependents: Mapping[str, tuple[int, ...]] = _dependents(active, turns)
        self.active = tuple(_compile(active[id], turns[id], self.dependents.get(id, ())) for id in turns)
        self.renewed_after: Mapping[str, Duration] = {
            id: template.renewed_after for id, template in active.items() if template.renewed_after
        }
        self.expiring = {id: turns for id, turns in self.dependents.items() if id in self.renewed_after}
        self._by_type = _by_type(self.active, cache(patterns))
        self.event_types = frozenset(self._by_type)

    def relevant(self, event: Event) -> bool:
        """Whether some requirement or penalty of an active template matches."""
        index = self._by_type.get(event.type)
        if index is None:
            return False
        for test in index.candidates(event.data):  # noqa: SIM110 (any() costs twice as much)
            if test.holds(event):
                return True
        return False

    def match(self, activity: Activity) -> Matches:
        """What of each template the activity meets; empty where it is not relevant.

        Of one that catches up only the templates that it names.
        """
        index = self._by_type.get(activity.type)
        if index is None:
            return {}
        holding = [test for test in index.candidates(activity.data) if test.holds(activity)]
        if isinstance(named := activity.catch_up, frozenset):
            holding = [test for test in holding if self.active[test.turn].id in named]
        if len(holding) == 1:
            return {holding[0].turn: holding[0].alone}
        met: dict[int, list[Test]] = {}
        for test in holding:
            met.setdefault(test.turn, []).append(test)
        return {turn: matched(tests) for turn, tests in met.items()}


def _in_order_of_judgement(active: Mapping[str, Template]) -> Iterator[str]:
    """Each template after those whose badges it requires; otherwise the smallest id first."""
    waits = {id: _required(template) & active.keys() for id, template in active.items()}
    required_by = _reversed(waits)
    ready = [id for id, required in waits.items() if not required]
    heapq.heapify(ready)
    while ready:
        done = heapq.heappop(ready)
        yield done
        for id in required_by.get(done, ()):
            waits[id] -= {done}
            if not waits[id]:
                heapq.heappush(ready, id)


def _required(template: Template) -> frozenset[str]:
    return frozenset(r.template for r in template.requirements if isinstance(r, BadgeRequirement))


def _reversed(graph: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = defaultdict(list)
    for node, others in graph.items():
        for other in others:
            result[other].append(node)
    return result


def _dependents(active: Mapping[str, Template], turns: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    required_by = _reversed({id: _required(template) for id, template in active.items()})
    return {id: tuple(sorted(turns[other] for other in others)) for id, others in required_by.items()}


def _compile(template: Template, turn: int, dependents: tuple[int, ...]) -> Compiled:
    requirements = {r.id: r for r in template.requirements if isinstance(r, Requirement)}
    badges = {r.id: r.template for r in template.requirements if isinstance(r, BadgeRequirement)}
    withdrawable = frozenset(id for penalty in template.penalties for id in penalty.withdraws)
    return Compiled(
        turn, template.id, template, template.groups, requirements, badges, dependents, withdrawable
    )


def _by_type(compiled: Iterable[Compiled], patterns: Patterns) -> dict[str, Index]:
    by_type: dict[str, list[Test]] = defaultdict(list)
    for template in compiled:
        for test in tests(template.turn, template.template, patterns):
            for event_type in test.condition.event_types:
                by_type[event_type].append(test)
    return {event_type: index(tests) for event_type, tests in by_type.items()}


def _revision(templates: Iterable[Template]) -> str:
    digest = blake2b(digest_size=8)
    for template in templates:
        digest.update(repr(template).encode())
    return digest.hexdigest()

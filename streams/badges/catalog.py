"""The catalog, compiled: from an activity to the requirements and penalties that it meets."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from graphlib import TopologicalSorter
from hashlib import blake2b
from math import prod
from typing import Any, Protocol

from streams.badges.model import Activity
from streams.badges.rules import Path, Patterns, Predicate, Rule, Scalar, find, predicate, prefix
from streams.badges.times import MICROSECOND

_SMALL = 8
"""At most this many conditions are tried one by one: another look-up would cost more than it saves."""
_PLACES = 1_000
"""Upper limit on index entries per condition: two `in` lists of 100 would need 10,000."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """Fulfilled by `count` matching activities; with `distinct`, by `count` different values at that path."""

    id: str
    event_type: str
    rules: tuple[Rule, ...] = ()
    group: str | None = None
    count: int = 1
    distinct: Path | None = None
    within: timedelta | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None

    @property
    def window(self) -> int | None:
        """`within` in microseconds."""
        return None if self.within is None else self.within // MICROSECOND


@dataclass(frozen=True, slots=True)
class BadgeRequirement:
    """Fulfilled exactly while the learner holds the badge of another template."""

    id: str
    template: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Penalty:
    """A condition that resets requirements: those that `resets` names, by their ids."""

    id: str
    event_type: str
    resets: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class Event(Protocol):
    """What a condition looks at, be it an activity or a glimpse of one."""

    @property
    def type(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


AnyRequirement = Requirement | BadgeRequirement
Condition = Requirement | Penalty


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives: at least `at_least` of the requirements must be fulfilled."""

    at_least: int
    requirements: tuple[AnyRequirement, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A badge template as the engine sees it; `id` is a UUID as text.

    `at_least` is by group; a group that is not in it needs one.
    """

    id: str
    requirements: tuple[AnyRequirement, ...]
    penalties: tuple[Penalty, ...] = ()
    at_least: Mapping[str, int] = field(default_factory=dict)
    active: bool = True
    revocable: bool = True

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, ordered by their first requirement; a requirement without a group is its own."""
        together: dict[tuple[str | None, str], list[AnyRequirement]] = defaultdict(list)
        for requirement in self.requirements:
            alone = requirement.id if requirement.group is None else ""
            together[requirement.group, alone].append(requirement)
        return tuple(
            Group(1 if group is None else self.at_least.get(group, 1), tuple(members))
            for (group, _), members in together.items()
        )


@dataclass(frozen=True, slots=True)
class Matched:
    """What an activity meets of one template; the requirements are in the order in which they apply."""

    requirements: tuple[Requirement, ...]
    penalties: tuple[Penalty, ...]


NOTHING = Matched((), ())
Matches = Mapping[int, Matched]
"""What an activity meets, by the turn of the template."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An active template.

    Templates are judged in the order of their `turn`. `badges` says which template each badge requirement
    names; `dependents` are the turns of the templates that require this one's badge.
    """

    turn: int
    template: Template
    groups: tuple[Group, ...]
    badges: Mapping[str, str]
    dependents: tuple[int, ...]

    @property
    def id(self) -> str:
        """The template's id."""
        return self.template.id


class Catalog:
    """All badge templates, compiled once.

    The cost of `relevant` and `match` grows with what an activity meets, not with the number of templates:
    conditions are looked up by the values that their `eq` and `in` rules want, else by the prefixes of their
    patterns. Those that have neither are tried one by one. `patterns` compiles the patterns of `matches`.
    """

    def __init__(self, templates: Iterable[Template], patterns: Patterns) -> None:
        ordered = sorted(templates, key=lambda template: template.id)
        active = {template.id: template for template in ordered if template.active}
        turns = {id: turn for turn, id in enumerate(_in_order_of_judgement(active))}
        self.revision = _revision(ordered)
        self.turns: Mapping[str, int] = turns
        self.dependents: Mapping[str, tuple[int, ...]] = _dependents(active, turns)
        self.active = tuple(_compile(active[id], turns[id], self.dependents.get(id, ())) for id in turns)
        self._by_type = _index_by_type(self.active, cache(patterns))
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
        """What of each template the activity meets; empty where it is not relevant."""
        index = self._by_type.get(activity.type)
        if index is None:
            return {}
        met: dict[int, list[_Test]] = {}
        for test in index.candidates(activity.data):
            if test.holds(activity):
                met.setdefault(test.turn, []).append(test)
        return {turn: _matched(tests) for turn, tests in met.items()}


@dataclass(frozen=True, slots=True)
class _Test:
    """A condition of the template with that turn; `place` is its order within the template.

    `prefix` is how the string at a path begins wherever the condition holds, if that is known. `alone` is
    what an activity meets of the template if no other condition of it holds: most do, and sharing the value
    saves making one for each.
    """

    turn: int
    place: int
    condition: Condition
    alone: Matched
    checks: tuple[tuple[Path, Predicate], ...]
    prefix: tuple[Path, str] | None
    since: datetime | None
    until: datetime | None

    def holds(self, event: Event) -> bool:
        if self.since is not None and event.time < self.since:
            return False
        if self.until is not None and event.time >= self.until:
            return False
        data = event.data
        for path, check in self.checks:  # noqa: SIM110 (all() costs twice as much)
            if not check(find(data, path)):
                return False
        return True


@dataclass(frozen=True, slots=True)
class _Index:
    """Tests by the value that they want at a path, or by how the string there begins; `rest` are the others.

    `beginnings` are by path and length.
    """

    branches: tuple[tuple[Path, Mapping[Scalar, "_Index"]], ...]
    beginnings: "Beginnings"
    rest: tuple[_Test, ...]

    def candidates(self, data: Mapping[str, Any]) -> Sequence[_Test]:
        """All tests that may hold, each once."""
        found = self.rest
        for path, branch in self.branches:
            try:
                index = branch.get(find(data, path))
            except TypeError:  # a record or a list is not hashable, and equals no value
                continue
            if index is not None:
                found = (*found, *index.candidates(data))
        for path, length, beginning in self.beginnings:
            text = find(data, path)
            if isinstance(text, str):
                found = (*found, *beginning.get(text[:length], ()))
        return found


Beginnings = tuple[tuple[Path, int, Mapping[str, tuple[_Test, ...]]], ...]


def _matched(tests: list[_Test]) -> Matched:
    if len(tests) == 1:
        return tests[0].alone
    tests.sort(key=lambda test: test.place)
    return _split([test.condition for test in tests])


def _split(conditions: Sequence[Condition]) -> Matched:
    return Matched(
        tuple(c for c in conditions if isinstance(c, Requirement)),
        tuple(c for c in conditions if isinstance(c, Penalty)),
    )


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
    badges = {r.id: r.template for r in template.requirements if isinstance(r, BadgeRequirement)}
    return Compiled(turn, template, template.groups, badges, dependents)


def _index_by_type(compiled: Iterable[Compiled], patterns: Patterns) -> dict[str, _Index]:
    by_type: dict[str, list[_Test]] = defaultdict(list)
    for template in compiled:
        for test in _tests(template, patterns):
            by_type[test.condition.event_type].append(test)
    return {event_type: _index(tests, frozenset()) for event_type, tests in by_type.items()}


def _tests(compiled: Compiled, patterns: Patterns) -> Iterator[_Test]:
    template = compiled.template
    conditions: list[Condition] = [*_in_order_of_after(template), *template.penalties]
    for place, condition in enumerate(conditions):
        checks = tuple((rule.path, predicate(rule, patterns)) for rule in condition.rules)
        begins = max(
            ((rule.path, prefix(rule, patterns)) for rule in condition.rules),
            key=lambda begins: len(begins[1]),
            default=((), ""),
        )
        yield _Test(
            compiled.turn,
            place,
            condition,
            _split([condition]),
            checks,
            begins if begins[1] else None,
            condition.since,
            condition.until,
        )


def _in_order_of_after(template: Template) -> Iterator[Requirement]:
    """Each requirement after the one that its `after` names; raises `ValueError` for a cycle."""
    requirements = {r.id: r for r in template.requirements if isinstance(r, Requirement)}
    others = {r.id: [r.after] if r.after in requirements else [] for r in requirements.values()}
    return (requirements[id] for id in TopologicalSorter(others).static_order())


def _index(tests: Sequence[_Test], used: frozenset[Path]) -> _Index:
    """Each test goes under one of its paths: the one at which the tests together want the most values."""
    wanted = {id(test): _wanted(test.condition.rules, used) for test in tests}
    values: dict[Path, set[Scalar]] = defaultdict(set)
    for paths in wanted.values():
        for path, scalars in paths.items():
            values[path].update(scalars)
    branches: dict[Path, dict[Scalar, list[_Test]]] = defaultdict(lambda: defaultdict(list))
    rest = []
    for test in tests:
        paths = wanted[id(test)]
        if not paths:
            rest.append(test)
            continue
        path = max(paths, key=lambda path: (len(values[path]), path))
        for scalar in paths[path]:
            branches[path][scalar].append(test)
    return _Index(
        tuple(
            (path, {scalar: _subindex(some, used | {path}) for scalar, some in branch.items()})
            for path, branch in branches.items()
        ),
        *_by_beginning(rest),
    )


def _subindex(tests: Sequence[_Test], used: frozenset[Path]) -> _Index:
    return _Index((), (), tuple(tests)) if len(tests) <= _SMALL else _index(tests, used)


def _by_beginning(tests: Sequence[_Test]) -> tuple[Beginnings, tuple[_Test, ...]]:
    """The tests that have a prefix, by path, length and prefix; and the others."""
    if len(tests) <= _SMALL:
        return (), tuple(tests)
    beginnings: dict[tuple[Path, int], dict[str, list[_Test]]] = defaultdict(lambda: defaultdict(list))
    rest = []
    for test in tests:
        if test.prefix is None:
            rest.append(test)
        else:
            path, text = test.prefix
            beginnings[path, len(text)][text].append(test)
    return (
        tuple(
            (path, length, {text: tuple(same) for text, same in begun.items()})
            for (path, length), begun in beginnings.items()
        ),
        tuple(rest),
    )


def _wanted(rules: Iterable[Rule], used: frozenset[Path]) -> dict[Path, frozenset[Scalar]]:
    """For each path not yet used: the values under which to index the condition next.

    None where that would need too many entries.
    """
    wanted = {r.path: frozenset(r.wanted) for r in rules if r.wanted is not None}
    places = prod(len(wanted[path]) for path in used)
    return {
        path: values
        for path, values in wanted.items()
        if path not in used and (not used or places * len(values) <= _PLACES)
    }


def _revision(templates: Iterable[Template]) -> str:
    digest = blake2b(digest_size=8)
    for template in templates:
        digest.update(repr(template).encode())
    return digest.hexdigest()

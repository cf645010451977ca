"""From an activity to the requirements and penalties that it meets, at a cost that few templates change."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from graphlib import TopologicalSorter
from math import prod
from typing import Any, Protocol

from streams.badges.rules import Patterns, Predicate, Rule, predicate, prefix
from streams.badges.spots import Part, Path, Spot, find, part_of
from streams.badges.templates import Condition, Penalty, Requirement, Template

_SMALL = 8
"""At most this many conditions are tried one by one: another look-up would cost more than it saves."""
_PLACES = 1_000
"""Upper limit on index entries per condition: two `in` lists of 100 would need 10,000."""
_PREFIX = 64
"""Characters of a prefix that are looked up, at the most: each length is one look-up, and most course keys
are shorter."""


_BOOLEANS: Mapping[bool, Hashable] = {value: ("boolean", value) for value in (False, True)}
"""Under what booleans are looked up: Python holds them equal to numbers, and rules do not."""


class Event(Protocol):
    """What a condition looks at, be it an activity or a glimpse of one."""

    @property
    def type(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Matched:
    """What an activity meets of one template; the requirements are in the order in which they apply."""

    requirements: tuple[Requirement, ...]
    penalties: tuple[Penalty, ...]


NOTHING = Matched((), ())
Matches = Mapping[int, Matched]
"""What an activity meets, by the turn of the template."""


@dataclass(frozen=True, slots=True)
class Test:
    """A condition of the template with that turn; `place` is its order within the template.

    `checks` are the condition's rules, in their order; in an index those that its look-ups leave open.
    `prefix` is how the string at a spot begins wherever the condition holds, if that is known. `alone` is
    what an activity meets of the template if no other condition of it holds: most do, and sharing the value
    saves making one for each.
    """

    turn: int
    place: int
    condition: Condition
    alone: Matched
    checks: tuple[tuple[Path, Predicate], ...]
    prefix: tuple[Spot, str] | None
    since: datetime | None
    until: datetime | None

    def holds(self, event: Event) -> bool:
        """Whether the event meets the condition, if it is of one of its types."""
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
class Index:
    """Tests by the value that they want at a spot, or by how the string there begins; `rest` are the others.

    `beginnings` are by spot and length.
    """

    branches: tuple[tuple[Path, Part | None, Mapping[Hashable, "Index"]], ...]
    beginnings: "Beginnings"
    rest: tuple[Test, ...]

    def candidates(self, data: Mapping[str, Any]) -> tuple[Test, ...]:
        """All tests that may hold, each once."""
        found = self.rest
        for path, part, branch in self.branches:
            value = find(data, path)
            if part is not None:
                value = part_of(value, part)
            try:
                index = branch.get(_BOOLEANS[value] if value.__class__ is bool else value)
            except TypeError:  # a record or a list is not hashable, and equals no value
                continue
            if index is not None:
                more = index.candidates(data) if index.branches or index.beginnings else index.rest
                found = (*found, *more) if found else more
        for spot, length, beginning in self.beginnings:
            text = spot.of(data)
            if isinstance(text, str):
                found = (*found, *beginning.get(text[:length], ()))
        return found


Beginnings = tuple[tuple[Spot, int, Mapping[str, tuple[Test, ...]]], ...]


def matched(tests: list[Test]) -> Matched:
    """What is met of one template whose conditions these are."""
    if len(tests) == 1:
        return tests[0].alone
    tests.sort(key=lambda test: test.place)
    return _split([test.condition for test in tests])


def _split(conditions: Sequence[Condition]) -> Matched:
    return Matched(
        tuple(c for c in conditions if isinstance(c, Requirement)),
        tuple(c for c in conditions if isinstance(c, Penalty)),
    )


def tests(turn: int, template: Template, patterns: Patterns) -> Iterator[Test]:
    """The tests of a template's conditions, of its requirements in the order in which they apply."""
    conditions: list[Condition] = [*_in_order_of_after(template), *template.penalties]
    for place, condition in enumerate(conditions):
        checks = tuple((rule.path, predicate(rule, patterns)) for rule in condition.rules)
        begins = max(
            ((rule.spot, prefix(rule, patterns)[:_PREFIX]) for rule in condition.rules),
            key=lambda begins: len(begins[1]),
            default=(None, ""),
        )
        yield Test(
            turn,
            place,
            condition,
            _split([condition]),
            checks,
            (begins[0], begins[1]) if begins[0] is not None and begins[1] else None,
            condition.since,
            condition.until,
        )


def _in_order_of_after(template: Template) -> Iterator[Requirement]:
    """Each requirement after the one that its `after` names; raises `ValueError` for a cycle."""
    requirements = {r.id: r for r in template.requirements if isinstance(r, Requirement)}
    others = {r.id: [r.after] if r.after in requirements else [] for r in requirements.values()}
    return (requirements[id] for id in TopologicalSorter(others).static_order())


class _Known:
    """What was found of tests, once: one whose list has thousands of values is at as many places."""

    def __init__(self) -> None:
        self._values: dict[int, dict[Spot, frozenset[Hashable]]] = {}
        self._left: dict[tuple[int, frozenset[Spot]], Test] = {}

    def values(self, test: Test) -> dict[Spot, frozenset[Hashable]]:
        """By spot, the places of the only values for which a rule there can hold."""
        if (known := self._values.get(id(test))) is None:
            known = self._values[id(test)] = _values(test.condition.rules)
        return known

    def left_open(self, test: Test, used: frozenset[Spot]) -> Test:
        """The test without the checks that are answered once the values at `used` were looked up."""
        if (known := self._left.get((id(test), used))) is None:
            rules, values = test.condition.rules, self.values(test)
            checks = zip(rules, test.checks, strict=True)
            left = [c for rule, c in checks if rule.spot not in used or _places(rule) != values[rule.spot]]
            known = self._left[id(test), used] = replace(test, checks=tuple(left))
        return known


def index(tests: Sequence[Test]) -> Index:
    """Each test goes under one of its spots: the one at which the tests together want the most values."""
    return _index(tests, frozenset(), _Known())


def _index(tests: Sequence[Test], used: frozenset[Spot], known: _Known) -> Index:
    wanted = {id(test): _wanted(known.values(test), used) for test in tests}
    values: dict[Spot, set[Hashable]] = defaultdict(set)
    for spots in wanted.values():
        for spot, places in spots.items():
            values[spot].update(places)
    branches: dict[Spot, dict[Hashable, list[Test]]] = defaultdict(lambda: defaultdict(list))
    rest = []
    for test in tests:
        spots = wanted[id(test)]
        if not spots:
            rest.append(known.left_open(test, used))
            continue
        spot = max(spots, key=lambda spot: (len(values[spot]), spot.name))
        for place in spots[spot]:
            branches[spot][place].append(test)
    return Index(
        tuple(
            (
                spot.path,
                spot.part,
                {place: _subindex(some, used | {spot}, known) for place, some in branch.items()},
            )
            for spot, branch in branches.items()
        ),
        *_by_beginning(rest),
    )


def _subindex(tests: Sequence[Test], used: frozenset[Spot], known: _Known) -> Index:
    if len(tests) > _SMALL:
        return _index(tests, used, known)
    return Index((), (), tuple(known.left_open(test, used) for test in tests))


def _by_beginning(tests: Sequence[Test]) -> tuple[Beginnings, tuple[Test, ...]]:
    """The tests that have a prefix, by spot, length and prefix; and the others."""
    if len(tests) <= _SMALL:
        return (), tuple(tests)
    beginnings: dict[tuple[Spot, int], dict[str, list[Test]]] = defaultdict(lambda: defaultdict(list))
    rest = []
    for test in tests:
        if test.prefix is None:
            rest.append(test)
        else:
            spot, text = test.prefix
            beginnings[spot, len(text)][text].append(test)
    return (
        tuple(
            (spot, length, {text: tuple(same) for text, same in begun.items()})
            for (spot, length), begun in beginnings.items()
        ),
        tuple(rest),
    )


def _wanted(
    wanted: Mapping[Spot, frozenset[Hashable]], used: frozenset[Spot]
) -> dict[Spot, frozenset[Hashable]]:
    """For each spot not yet used: the places of the values under which to index the condition next.

    None where that would need too many entries.
    """
    entries = prod(len(wanted[spot]) for spot in used)
    return {
        spot: places
        for spot, places in wanted.items()
        if spot not in used and (not used or entries * len(places) <= _PLACES)
    }


def _values(rules: Iterable[Rule]) -> dict[Spot, frozenset[Hashable]]:
    """By spot, the places of the only values for which a rule there can hold."""
    return {rule.spot: places for rule in rules if (places := _places(rule)) is not None}


def _places(rule: Rule) -> frozenset[Hashable] | None:
    """The places of the only values for which the rule can hold; None if they cannot be listed."""
    if rule.wanted is None:
        return None
    return frozenset(_BOOLEANS[value] if isinstance(value, bool) else value for value in rule.wanted)

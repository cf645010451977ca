"""Data rules: an operator compares what lies at a spot of an activity with a value."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, Decimal, InvalidOperation
from operator import ge, gt, le, lt
from typing import Any, Literal, Protocol, assert_never

from streams.badges.spots import Part, Path, Spot, part_of
from streams.badges.times import parse_time

Operator = Literal["eq", "ne", "in", "not_in", "gt", "ge", "lt", "le", "matches", "starts_with", "exists"]
Order = Literal["gt", "ge", "lt", "le"]
Scalar = str | bool | int | float
SCALARS = (str, int, float)
"""The classes of scalars; a boolean is an int, too."""
Predicate = Callable[[Any], bool]


class Pattern(Protocol):
    """A compiled regular expression; every string that it matches begins with `prefix`."""

    @property
    def prefix(self) -> str: ...
    def __call__(self, text: str) -> bool: ...


Patterns = Callable[[str], Pattern]
"""Compiles the patterns of `matches`. It is given, because the standard library has no engine whose time is
bounded."""

_ORDERS: dict[Order, Callable[[Any, Any], bool]] = {"gt": gt, "ge": ge, "lt": lt, "le": le}
_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:e([+-]?\d+))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on an activity's data; for `in` and `not_in`, `value` is a tuple."""

    path: Path
    operator: Operator
    value: Scalar | tuple[Scalar, ...] = True
    part: Part | None = None

    @property
    def spot(self) -> Spot:
        """Where the value lies that is compared."""
        return Spot(self.path, self.part)

    @property
    def wanted(self) -> tuple[Scalar, ...] | None:
        """The only values for which the rule can hold; None if they cannot be listed."""
        if self.operator not in ("eq", "in"):
            return None
        return self.value if isinstance(self.value, tuple) else (self.value,)


def predicate(rule: Rule, patterns: Patterns) -> Predicate:
    """The test for the value found at the rule's path."""
    holds, part = _predicate(rule, patterns), rule.part
    return holds if part is None else lambda found: holds(part_of(found, part))


def prefix(rule: Rule, patterns: Patterns) -> str:
    """With what every string at the rule's spot begins for which it holds; empty if that is not known."""
    if rule.operator == "starts_with":
        return str(rule.value)
    return patterns(str(rule.value)).prefix if rule.operator == "matches" else ""


def _predicate(rule: Rule, patterns: Patterns) -> Predicate:
    value: Any = rule.value
    match rule.operator:
        case "eq":
            return _equals(value)
        case "ne":
            return _present_but_not(_equals(value))
        case "in":
            return _is_among(value)
        case "not_in":
            return _present_but_not(_is_among(value))
        case "gt" | "ge" | "lt" | "le":
            return _compares(rule.operator, value)
        case "matches":
            return _matches(patterns(value))
        case "starts_with":
            return lambda found: isinstance(found, str) and found.startswith(value)
        case "exists":
            return lambda found: (found is not None) is value
        case _:
            assert_never(rule.operator)


def _equals(value: Scalar) -> Predicate:
    if value is True or value is False:
        return lambda found: found is value
    return lambda found: found == value and found is not True and found is not False


def _is_among(values: tuple[Scalar, ...]) -> Predicate:
    wanted = frozenset((isinstance(value, bool), value) for value in values)

    def among(found: Any) -> bool:
        try:
            return (isinstance(found, bool), found) in wanted
        except TypeError:  # a record, a list
            return False

    return among


def _present_but_not(predicate: Predicate) -> Predicate:
    return lambda found: found is not None and not predicate(found)


def _compares(operator: Order, value: Scalar) -> Predicate:
    holds = _ORDERS[operator]
    if isinstance(value, str):
        return _compares_times(holds, value)
    exact = Decimal(repr(value))

    def compares(found: Any) -> bool:
        if isinstance(found, str):
            number = _number(found)
            return number is not None and holds(number, exact)
        return isinstance(found, int | float) and not isinstance(found, bool) and holds(found, value)

    return compares


def _compares_times(holds: Callable[[Any, Any], bool], value: str) -> Predicate:
    limit = parse_time(value)
    assert limit is not None, value

    def compares(found: Any) -> bool:
        moment = parse_time(found) if isinstance(found, str) else None
        return moment is not None and holds(moment, limit)

    return compares


def _number(text: str) -> Decimal | None:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return _beyond_measure(*number.groups())


def _beyond_measure(digits: str, exponent: str) -> Decimal:
    """A stand-in that compares like a number whose exponent `Decimal` cannot hold."""
    return Decimal(f"{digits}e{'-' if exponent.startswith('-') else ''}{MAX_EMAX // 2}")


def _matches(pattern: Pattern) -> Predicate:
    return lambda found: isinstance(found, str) and pattern(found)

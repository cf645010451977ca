"""What an event type's Avro schema says about the field at a path."""

import functools
import math
from collections.abc import Iterator
from typing import Any, Literal

from streams.bus import schemas

FieldKind = Literal["string", "boolean", "whole", "number", "other"]
"""`other`: records, lists, maps and bytes, for which a rule can only ask whether they exist."""

_KINDS: dict[str, FieldKind] = {
    "string": "string",
    "enum": "string",
    "boolean": "boolean",
    "int": "whole",
    "long": "whole",
    "float": "number",
    "double": "number",
}
_BITS = {"int": 31, "long": 63}
"""Avro's whole numbers without the sign."""


class Field:
    """The types that a path may lead to; null is left out, because every path may lead to it."""

    def __init__(self, branches: tuple[Any, ...]) -> None:
        self._branches = branches
        self.kinds: frozenset[FieldKind] = frozenset(
            _KINDS.get(_name(branch), "other") for branch in branches
        )
        self.words = " or ".join(dict.fromkeys(_name(branch) for branch in branches))
        self.one = f"{'an' if self.words[:1] in 'aei' else 'a'} {self.words}"

    def can_be(self, value: Any) -> bool:
        """Whether the value can be of the field's type."""
        return any(_fits(branch, value) for branch in self._branches)


@functools.lru_cache(maxsize=4096)
def field(event_type: str, path: str) -> Field | str:
    """The field at the path, or the reason in words why there is none.

    A path leads through records, and through maps by any key, but not into lists.
    """
    schema = schemas.schema(event_type)
    named = {record["name"]: record for record in _named(schema)}
    branches = _branches(schema["fields"][0]["type"], named)
    way = "the payload"
    for name in path.split("."):
        below = [found for branch in branches for found in _step(branch, name)]
        if not below:
            return f"no field {name!r} in {way}, which {_has(branches)}"
        branches = tuple(deep for found in below for deep in _branches(found, named))
        way = f"{name!r}"
    return Field(branches)


def is_optional(event_type: str, path: str) -> bool:
    """Whether the schema lets the path, which it has, lead nowhere in some event."""
    schema = schemas.schema(event_type)
    named = {record["name"]: record for record in _named(schema)}
    written = [schema["fields"][0]["type"]]
    for name in path.split("."):
        branches = [deep for each in written for deep in _branches(each, named)]
        if any(_name(branch) != "record" for branch in branches):
            return True  # a map need not have the key
        written = [found for branch in branches for found in _step(branch, name)]
        if len(written) < len(branches) or any(map(_may_be_null, written)):
            return True
    return False


def is_number(value: Any) -> bool:
    """Whether it is a finite number that a double can hold; a boolean is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _named(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _named(branch)
    elif isinstance(schema, dict):
        if "name" in schema:
            yield schema
        for member in schema.get("fields", ()):
            yield from _named(member["type"])
        for key in ("items", "values", "type"):
            if isinstance(schema.get(key), dict | list):
                yield from _named(schema[key])


def _branches(schema: Any, named: dict[str, Any]) -> tuple[Any, ...]:
    if isinstance(schema, list):
        return tuple(deep for branch in schema for deep in _branches(branch, named))
    if schema == "null":
        return ()
    if isinstance(schema, str):
        return (named.get(schema.rpartition(".")[2], schema),)
    if isinstance(schema["type"], dict | list):
        return _branches(schema["type"], named)
    return (schema,)


def _may_be_null(schema: Any) -> bool:
    return schema == "null" or (isinstance(schema, list) and any(map(_may_be_null, schema)))


def _name(branch: Any) -> str:
    name: str = branch if isinstance(branch, str) else branch["type"]
    return name


def _step(branch: Any, name: str) -> Iterator[Any]:
    match _name(branch):
        case "record":
            yield from (member["type"] for member in branch["fields"] if member["name"] == name)
        case "map" if name:
            yield branch["values"]


def _has(branches: tuple[Any, ...]) -> str:
    names = [m["name"] for branch in branches if _name(branch) == "record" for m in branch["fields"]]
    return f"has {', '.join(names)}" if names else f"is {Field(branches).one}"


def _fits(branch: Any, value: Any) -> bool:
    name = _name(branch)
    match name:
        case "string":
            return isinstance(value, str)
        case "enum":
            return value in branch["symbols"]
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            bound = 2 ** _BITS[name]
            return is_number(value) and value == int(value) and -bound <= value < bound
        case "float" | "double":
            return is_number(value)
        case _:
            return False

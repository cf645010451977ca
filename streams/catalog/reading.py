"""From the text of a catalog, YAML or JSON, to plain values: mappings, lists, scalars.

YAML is read by the core schema of version 1.2, as editors do: `yes` and dates are strings.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import yaml

from streams.errors import CatalogError

TEXT_BYTES = 64 * 1024 * 1024
"""Ten times the text of ten thousand templates of the benchmark (6 MB)."""
VALUES = 4_000_000
"""Mappings, lists and scalars, aliases expanded: a short text with aliases of aliases can stand for billions.
Ten thousand templates of the benchmark have 510,000."""
DEPTH = 64
"""Levels of nesting. A catalog has nine; reading recurses, and deep nesting must not exhaust the stack."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)


class Doubled(dict[str, Any]):
    """A mapping whose text has some keys more than once, `keys_doubled`; the first value of each counts."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        seen: set[str] = set()
        self.keys_doubled = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]


def read(text: str | bytes) -> Any:
    """The catalog's value; raises `CatalogError` if the text is neither JSON nor YAML, or too large."""
    if len(text) > TEXT_BYTES:
        _refuse(f"larger than {TEXT_BYTES} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            _refuse(f"not UTF-8: {error.reason} at byte {error.start}")
    if text.lstrip().startswith("{"):
        try:
            return read_json(text)
        except ValueError:
            pass  # It may be a YAML mapping in braces.
    return _read_yaml(text)


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text, with `Doubled` where keys are; raises `ValueError` if it is none."""
    try:
        value = json.loads(text, object_pairs_hook=_mapping, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()  # fails for half of a surrogate pair
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def doubled_keys(value: Any, place: str = "") -> Iterator[str]:
    """The place of each key that its mapping has more than once."""
    if isinstance(value, Doubled):
        yield from (inside(place, key) for key in value.keys_doubled)
    if isinstance(value, dict):
        for key, member in value.items():
            yield from doubled_keys(member, inside(place, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from doubled_keys(member, inside(place, index))


def inside(place: str, key: str | int) -> str:
    """The place of a member in a value at `place`: `templates[2].name`."""
    if isinstance(key, int):
        return f"{place}[{key}]"
    return f"{place}.{key}" if place else key


def _refuse(why: str) -> NoReturn:
    raise CatalogError([f"catalog: {why}"])


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    return mapping if len(mapping) == len(pairs) else Doubled(pairs)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _read_yaml(text: str) -> Any:
    loader = _LOADER(text)
    try:
        return _Builder(loader).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        _refuse(f"{where}{error.problem}")
    except yaml.YAMLError as error:
        _refuse(" ".join(str(error).split()))
    finally:
        loader.dispose()


class _Builder:
    """Builds the value from the parser's events, with limits that neither nesting nor aliases can pass."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        """The value of the text's only document; None if it is empty."""
        loader = self._loader
        loader.get_event()
        if loader.check_event(yaml.StreamEndEvent):
            return None
        loader.get_event()
        value = self._value(1)
        loader.get_event()
        if not loader.check_event(yaml.StreamEndEvent):
            self._fail(loader.peek_event(), "a second document")
        return value

    def _value(self, depth: int) -> Any:
        event = self._loader.get_event()
        before = self._values
        self._values += 1
        if depth > DEPTH:
            self._fail(event, "nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            value, size = self._alias(event)
            self._values += size
        elif isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth)
        else:
            value = self._members(event, depth)
        if self._values > VALUES:
            self._fail(event, f"more than {VALUES} values, aliases followed")
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[event.anchor] = value, self._values - before
        return value

    def _alias(self, event: Any) -> tuple[Any, int]:
        if event.anchor not in self._anchors:
            self._fail(event, f"the alias {event.anchor} names nothing before it")
        return self._anchors[event.anchor]

    def _sequence(self, event: Any, depth: int) -> list[Any]:
        self._check_tag(event, "seq")
        items = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self._value(depth + 1))
        self._loader.get_event()
        return items

    def _members(self, event: Any, depth: int) -> dict[str, Any]:
        self._check_tag(event, "map")
        pairs = []
        while not self._loader.check_event(yaml.MappingEndEvent):
            key = self._key(depth + 1)
            pairs.append((key, self._value(depth + 1)))
        self._loader.get_event()
        return _mapping(pairs)

    def _key(self, depth: int) -> str:
        """A key, which is always a string: `1` is a number elsewhere, but the text `1` here."""
        event = self._loader.peek_event()
        key = self._value(depth)
        if isinstance(key, str):
            return key
        if not isinstance(event, yaml.ScalarEvent):
            self._fail(event, "a key must be a string")
        text: str = event.value
        return text

    def _scalar(self, event: Any) -> Any:
        if event.tag is not None and event.tag != "!":
            self._check_tag(event, "str")
            return event.value
        if not event.implicit[0]:
            return event.value
        for pattern, construct in _CORE:
            if pattern.fullmatch(event.value):
                try:
                    return construct(event.value)
                except ValueError:  # a number of thousands of digits
                    self._fail(event, "a number too large")
        return event.value

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            self._fail(event, f"the tag {event.tag} is not allowed")

    def _fail(self, event: Any, problem: str) -> NoReturn:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)

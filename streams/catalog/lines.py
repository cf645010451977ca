"""Where a fault is in the text of a catalog: its line, and the name of its template."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
QUOTED = 80
"""Characters of a line that are quoted; a JSON document may be one line."""


class Lines:
    """The text of a catalog that could be read, by places in it such as `templates[2].name`."""

    def __init__(self, text: str | bytes, document: Any) -> None:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        self._lines = decoded.splitlines()
        self._root: Any = None
        with suppress(yaml.YAMLError):  # JSON may be indented with tabs
            self._root = yaml.compose(decoded, _LOADER)
        self._document = document
        self._mappings: dict[int, dict[str | int, tuple[int, Any]]] = {}

    def where(self, place: str) -> str:
        """The template's name, and the line with what it says: as far as the text has the place."""
        number = self._number(place)
        if number is None:
            return ""
        name = self.template(place)
        text = self._lines[number].lstrip()[: QUOTED + 1].rstrip()
        shown = text if len(text) <= QUOTED else f"{text[:QUOTED]}…"
        return f"{name + ', ' if name else ''}line {number + 1}: {shown}"

    def template(self, place: str) -> str:
        """The name of the template that the place is in, or its id; empty where it is in none."""
        keys = list(_keys(place))
        if keys[:1] != ["templates"] or len(keys) < 2:
            return ""
        template = value_at(self._document, f"templates[{keys[1]}]")
        if not isinstance(template, dict):
            return ""
        return next((text for key in ("name", "id") if isinstance(text := template.get(key), str)), "")

    def _number(self, place: str) -> int | None:
        node = self._root
        if node is None or place == "catalog":
            return None
        number: int | None = None
        for key in _keys(place):
            below = self._member(node, key)
            if below is None:
                break
            number, node = below
        return number

    def _member(self, node: Any, key: str | int) -> tuple[int, Any] | None:
        """The line and the node of a member."""
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            member = node.value[key]
            return member.start_mark.line, member
        if isinstance(node, yaml.MappingNode):
            if (known := self._mappings.get(id(node))) is None:
                # The last of those that are given more than once: that is the one too many.
                known = self._mappings[id(node)] = {
                    name.value: (name.start_mark.line, member)
                    for name, member in node.value
                    if isinstance(name, yaml.ScalarNode)
                }
            return known.get(key)
        return None


def value_at(document: Any, place: str) -> Any:
    """What the document has at the place; None if nothing."""
    for key in _keys(place):
        if isinstance(key, int):
            document = document[key] if isinstance(document, list) and key < len(document) else None
        else:
            document = document.get(key) if isinstance(document, dict) else None
    return document


def above(place: str) -> str:
    """The place of the mapping or list that has the place."""
    return re.sub(r"(\.?[^.\[\]]+|\[\d+\])$", "", place)


def _keys(place: str) -> Iterator[str | int]:
    for index, key in _PART.findall(place):
        yield int(index) if index else key

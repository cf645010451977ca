"""A catalog as the text of a file, with comments for who reads it."""

import re
from collections.abc import Iterable, Sequence
from textwrap import indent
from typing import Any

import yaml

from streams.logs import blanked

Value = dict[str, Any]
_TEXT = re.compile(r"(?!(true|false|null)$)[^\W\d].*", re.IGNORECASE)
"""What no reader of YAML takes for a number, a boolean or nothing, whichever version it knows."""


class _Dumper(yaml.SafeDumper):
    """Writes texts that might be read as something else between quotes."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _TEXT.fullmatch(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def written(organizations: Sequence[Value], templates: Iterable[tuple[Value, Sequence[str]]]) -> str:
    """The catalog's text; before each template its notes, as comments."""
    parts = ["version: 1\n", _dumped({"organizations": list(organizations)})]
    parts.append("templates:\n")
    wrote = False
    for template, notes in templates:
        parts += [f"  # {blanked(note)}\n" for note in notes]
        parts.append(indent(_dumped([template]), "  "))
        wrote = True
    return "".join(parts) if wrote else "".join(parts[:-1]) + "templates: []\n"


def _dumped(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text

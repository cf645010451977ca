"""Where a value lies in an activity's data: at a path, or a part of the Open edX key there."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any, Literal

Path = tuple[str, ...]
Part = Literal["org", "course", "run"]

_NEW = re.compile(r"[a-z0-9-]+:([^+/]+)\+([^+/]+)\+([^+/]+)(?:\+.*)?", re.DOTALL)
_OLD = re.compile(r"([^+/]+)/([^+/]+)/([^+/]+)")
_KEYS = 4096
"""Keys whose parts are remembered: more than the courses that a site runs at a time."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A path, and which part of the key there is meant; None: the value itself."""

    path: Path
    part: Part | None = None
    name: str = field(init=False, compare=False, repr=False)
    """The dotted path, and the part after a colon."""

    def __post_init__(self) -> None:
        path = ".".join(self.path)
        object.__setattr__(self, "name", path if self.part is None else f"{path}:{self.part}")

    def of(self, data: Any) -> Any:
        """What lies there in the data; None if nothing does."""
        found = find(data, self.path)
        return found if self.part is None else part_of(found, self.part)


def find(data: Any, path: Path) -> Any:
    """The value at the path; None if there is none. A number that is none (NaN, an infinity) is no value."""
    try:
        for name in path:
            data = data[name]
    except (KeyError, TypeError):
        return None
    if data.__class__ is float and not isfinite(data):
        return None
    return data


def part_of(key: Any, part: Part) -> str | None:
    """The part of an Open edX key, be it of a course, a CCX or a block; None if it is no such key."""
    parts = _parts(key) if isinstance(key, str) else None
    return None if parts is None else parts[part]


@lru_cache(maxsize=_KEYS)
def _parts(key: str) -> dict[Part, str] | None:
    for form, joint in ((_NEW, "+"), (_OLD, "/")):
        if found := form.fullmatch(key):
            org, course, run = found.groups()
            return {"org": org, "course": f"{org}{joint}{course}", "run": run}
    return None

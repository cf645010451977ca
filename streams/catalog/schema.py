"""The JSON Schema of the catalog file, generated from the declaration, for completion and checks in editors.

`python -m streams.catalog.schema` writes the copy that the package ships.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from streams.bus.schemas import BADGE_AWARDED, BADGE_EVENTS, BADGE_REVOKED, event_types, learner_path
from streams.catalog.document import Declaration

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMA_FILE = "catalog.schema.json"


def made() -> str:
    """The schema's text, generated from the declaration."""
    schema = {"$schema": DIALECT, **Declaration.model_json_schema(), "title": "Catalog of badge-streams"}
    learners = {event_type for event_type in event_types() if learner_path(event_type) is not None}
    for condition, types in {
        "RequirementDeclaration": learners - {BADGE_REVOKED},
        "PenaltyDeclaration": learners - BADGE_EVENTS,
    }.items():
        declared = schema["$defs"][condition]
        properties = declared["properties"]
        properties["event_type"] = {
            "description": properties["event_type"]["description"],
            "enum": sorted(types),
        }
        properties["event_types"] |= {"items": {"enum": sorted(types - BADGE_EVENTS)}, "minItems": 2}
        declared["allOf"] = [_with_paths(same, paths) for paths, same in _by_paths(types)]
    return json.dumps(schema, indent=2) + "\n"


def shipped() -> str:
    """The copy in the package."""
    return files("streams.catalog").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")


def _by_paths(types: Iterable[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The event types, those together whose rules have the same paths."""
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for event_type in sorted(types):
        together[_paths(event_type)].append(event_type)
    yield from together.items()


def _paths(event_type: str) -> tuple[str, ...]:
    """The paths of an event's rules; one that ends with a dot goes on with any key."""
    from streams.bus.description import fields  # an editor's schema is read far more often than it is made

    if event_type == BADGE_AWARDED:
        return ("template.uuid",)
    return tuple(f"{field.path}." if field.kind == "map" else field.path for field in fields(event_type))


def _with_paths(types: list[str], paths: tuple[str, ...]) -> dict[str, Any]:
    """Where one of these event types is given, rules have one of these paths."""
    maps = [path.removesuffix(".") for path in paths if path.endswith(".")]
    names: list[dict[str, Any]] = [{"enum": [path.removesuffix(".") for path in paths]}]
    names += [{"pattern": f"^{path.replace('.', '[.]')}[.]"} for path in maps]
    path = names[0] if len(names) == 1 else {"anyOf": names}
    distinct = {"if": {"type": "string"}, "then": path, "else": {"properties": {"path": path}}}
    return {
        "if": {"properties": {"event_type": {"enum": types}}, "required": ["event_type"]},
        "then": {"properties": {"rules": {"items": {"properties": {"path": path}}}, "distinct": distinct}},
    }


if __name__ == "__main__":
    Path(__file__).with_name(SCHEMA_FILE).write_text(made(), encoding="utf-8")

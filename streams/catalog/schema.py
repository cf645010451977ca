"""The JSON Schema of the catalog file, generated from the declaration, for completion and checks in editors.

`python -m streams.catalog.schema` writes the copy that the package ships.
"""

import json
from importlib.resources import files
from pathlib import Path

from streams.bus.schemas import BADGE_EVENTS, BADGE_REVOKED, event_types, learner_path
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
        properties = schema["$defs"][condition]["properties"]
        properties["event_type"] = {
            "description": properties["event_type"]["description"],
            "enum": sorted(types),
        }
        properties["event_types"] |= {"items": {"enum": sorted(types - BADGE_EVENTS)}, "minItems": 2}
    return json.dumps(schema, indent=2) + "\n"


def shipped() -> str:
    """The copy in the package."""
    return files("streams.catalog").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")


if __name__ == "__main__":
    Path(__file__).with_name(SCHEMA_FILE).write_text(made(), encoding="utf-8")

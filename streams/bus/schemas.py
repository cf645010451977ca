"""The Avro schemas of the Open edX events that name a learner, as the package ships them."""

import functools
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

BADGE_AWARDED = "org.openedx.learning.badge.awarded.v1"
BADGE_REVOKED = "org.openedx.learning.badge.revoked.v1"
BADGE_EVENTS = frozenset({BADGE_AWARDED, BADGE_REVOKED})

Schema = dict[str, Any]


@functools.cache
def event_types() -> frozenset[str]:
    """Every event type with a schema."""
    return frozenset(_files())


@functools.cache
def schema(event_type: str) -> Schema:
    """The event type's schema; `KeyError` for a type without one. Not to be changed."""
    loaded: Schema = json.loads(_files()[event_type].read_text(encoding="utf-8"))
    return loaded


@functools.cache
def learner_path(event_type: str) -> tuple[str, ...] | None:
    """Where in the payload the learner's `UserData`, or only the user id, is.

    Empty where the payload is the `UserData` itself; None where the type is unknown or names nobody.
    """
    if event_type not in _files():
        return None
    payload = schema(event_type)["fields"][0]["type"]
    if payload["name"] == "UserData":
        return ()
    fields = {field["name"] for field in payload["fields"]}
    return next(((name,) for name in ("user", "student_user", "user_id") if name in fields), None)


@functools.cache
def source_library() -> str:
    """The version of openedx-events that the schemas were made from."""
    return (_folder() / "openedx-events.version").read_text(encoding="utf-8").strip()


@functools.cache
def _files() -> dict[str, Traversable]:
    suffix = ".avsc"
    return {f.name.removesuffix(suffix): f for f in _folder().iterdir() if f.name.endswith(suffix)}


def _folder() -> Traversable:
    """`schemas` in an installed package; beside the package in a checkout."""
    package = files("streams")
    installed = package / "schemas"
    return installed if installed.is_dir() else package.joinpath("..", "avro")

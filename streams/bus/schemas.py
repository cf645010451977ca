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
    """The event type's schema, shared: do not change it. Raises `KeyError` for a type without one."""
    loaded: Schema = json.loads(_files()[event_type].read_text(encoding="utf-8"))
    return loaded


@functools.cache
def learner_path(event_type: str) -> tuple[str, ...] | None:
    """The path in the payload to the learner's `UserData` or user id.

    Empty if the payload itself is the `UserData`; None if the type is unknown or names no learner.
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
    """`schemas` in an installed package; in a checkout, `avro` next to the package."""
    package = files("streams")
    installed = package / "schemas"
    return installed if installed.is_dir() else package.joinpath("..", "avro")

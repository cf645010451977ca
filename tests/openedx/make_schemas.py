"""Writes `avro/*.avsc` out of the installed openedx-events: what names a learner, and the badge events.

Run by `make schemas` in the environment that `venv` makes; the argument is the folder to write to.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import django
from django.conf import settings

settings.configure(INSTALLED_APPS=[])
django.setup()

from openedx_events.event_bus.avro.serializer import AvroSignalSerializer  # noqa: E402
from openedx_events.tooling import OpenEdxPublicSignal, load_all_signals  # noqa: E402

BADGE_EVENTS = ("org.openedx.learning.badge.awarded.v1", "org.openedx.learning.badge.revoked.v1")


def main(folder: Path) -> None:
    load_all_signals()
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.avsc"):
        old.unlink()
    for signal in OpenEdxPublicSignal.all_events():
        schema = _schema(signal)
        if schema and (signal.event_type in BADGE_EVENTS or _names_learner(schema)):
            text = json.dumps(schema, indent=1, sort_keys=True) + "\n"
            (folder / f"{signal.event_type}.avsc").write_text(text, encoding="utf-8")
    (folder / "openedx-events.version").write_text(version("openedx-events") + "\n", encoding="utf-8")


def _schema(signal: OpenEdxPublicSignal) -> dict[str, Any] | None:
    try:
        # Through JSON: the serializer's own value shares parts and holds tuples.
        schema: dict[str, Any] = json.loads(json.dumps(AvroSignalSerializer(signal).schema))
    except TypeError as error:
        print(f"{signal.event_type} has no Avro schema: {error}", file=sys.stderr)
        return None
    return schema


def _names_learner(schema: dict[str, Any]) -> bool:
    payload = schema["fields"][0]["type"]
    if len(schema["fields"]) != 1 or not isinstance(payload, dict) or payload["type"] != "record":
        return False
    if payload["name"] == "UserData":
        return True
    types = {field["name"]: field["type"] for field in payload["fields"]}
    named = [types.get("user"), types.get("student_user")]
    if any(isinstance(t, dict) and t.get("name") == "UserData" for t in named):
        return True
    return types.get("user_id") == "long"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Real messages of the Open edX event bus, recorded from its own producers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("wire")


@dataclass(frozen=True, slots=True)
class Message:
    """One recorded message: its bytes and what they say."""

    name: str
    event_type: str
    topic: str
    headers: tuple[tuple[str, bytes], ...]
    key: bytes
    value: bytes
    schema_id: int
    schema: dict[str, Any]
    avro: bytes
    decoded: Mapping[str, Any]
    subject: str
    key_subject: str
    key_decoded: str

    @property
    def payload(self) -> Mapping[str, Any]:
        """What the payload's only field holds."""
        payload: Mapping[str, Any]
        (payload,) = self.decoded.values()
        return payload

    @property
    def attributes(self) -> dict[str, str]:
        """The headers as text."""
        return {name: value.decode() for name, value in self.headers}


def messages() -> list[Message]:
    """Every recorded message."""
    return [_message(path) for path in sorted(FOLDER.glob("*.json"))]


def message(name: str) -> Message:
    """The recorded message with this name."""
    return _message(FOLDER / f"{name}.json")


def _message(path: Path) -> Message:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    return Message(
        recorded["name"],
        recorded["event_type"],
        recorded["topic"],
        tuple((header["name"], bytes.fromhex(header["hex"])) for header in recorded["headers"]),
        bytes.fromhex(recorded["key"]["hex"]),
        bytes.fromhex(recorded["value"]["hex"]),
        recorded["value"]["schema_id"],
        recorded["value"]["schema"],
        bytes.fromhex(recorded["value"]["avro_hex"]),
        recorded["value"]["decoded"],
        recorded["value"]["subject"][0],
        recorded["key"]["subject"][0],
        recorded["key"]["decoded"],
    )

"""Badge events, byte for byte as the Open edX services put them on the bus."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streams.badges import Decision, User
from streams.bus import schemas
from streams.bus.built_in import NoRegistry
from streams.bus.registry import Registry
from streams.settings import Settings

EVENT_TYPES: Mapping[str, str] = {"awarded": schemas.BADGE_AWARDED, "revoked": schemas.BADGE_REVOKED}
KEY_SCHEMA = {"name": "uuid", "type": "string"}
GENERATION = "ce_generation"
"""The header that only we write: the decision's generation. Other consumers pass it over."""
REISSUED = "ce_reissued"
"""The other one: an operator has ordered that a decision is said again (decision 0040)."""
REASON = "ce_reason"
"""The third: why an operator ordered this revocation (decision 0076)."""
EVIDENCE = "ce_evidence"
"""The fourth: what counted for an award, where the template wants it told (decision 0102)."""
NOBODY = User(0, False, "", "", "")
"""Takes the place of a learner of whom no event has said more than the id; its own id is not used."""


class TemplateTexts(Protocol):
    """What a badge event says about its template."""

    @property
    def id(self) -> str:
        """The template's UUID."""

    @property
    def name(self) -> str | None:
        """Its name."""

    @property
    def description(self) -> str | None:
        """Its description."""

    @property
    def image_url(self) -> str | None:
        """Where its image is."""


@dataclass(frozen=True, slots=True)
class BadgeEvent:
    """One record for the bus: framed key, framed value, headers in the order of the real producers."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class BadgeEmitter:
    """Encodes decisions as badge events of `topic`."""

    def __init__(self, registry: Registry | NoRegistry, settings: Settings, topic: str) -> None:
        self._registry = registry
        self._register = settings.register_schemas
        self._source = settings.source.encode()
        self._topic = topic
        self._host = socket.gethostname().encode()
        self._library = schemas.source_library().encode()
        self._key_frame = b""
        self._frames: dict[str, bytes] = {}

    async def start(self) -> None:
        """Get the schemas' ids; waits while the registry is away.

        Raises `ConfigurationError` if the registry refuses a schema.
        """
        self._key_frame = await self._frame(f"{self._topic}-string", KEY_SCHEMA)
        for kind, event_type in EVENT_TYPES.items():
            subject = f"{self._topic}-{event_type}.CloudEvent"
            self._frames[kind] = await self._frame(subject, schemas.schema(event_type))

    def encode(
        self,
        decision: Decision,
        user: User | None,
        template: TemplateTexts,
        provider: str,
        *,
        ordered: bool = False,
        evidence: bytes = b"",
    ) -> BadgeEvent:
        """The event of a decision; if `user` is not known yet, its texts about the learner are empty.

        `provider` is who issues the badge, such as `credly`. `ordered`: an operator has it said again.
        `evidence` says what counted for an award; empty, where that is not told.
        """
        badge = str(decision.badge)
        value = self._frames[decision.kind] + _badge(
            badge, decision.learner, user or NOBODY, template, provider
        )
        headers = self._headers(decision)
        if ordered:
            headers.append((REISSUED, b"1"))
        if evidence and decision.kind == "awarded":
            headers.append((EVIDENCE, evidence))
        return BadgeEvent(self._key_frame + _string(badge), value, headers)

    def _headers(self, decision: Decision) -> list[tuple[str, bytes]]:
        note = decision.note if decision.kind == "revoked" else None
        return [
            ("ce_specversion", b"1.0"),
            ("content-type", b"application/avro"),
            ("ce_datacontenttype", b"application/avro"),
            ("ce_type", EVENT_TYPES[decision.kind].encode()),
            ("ce_id", str(decision.id).encode()),
            ("ce_source", self._source),
            ("ce_time", decision.time.isoformat().encode()),
            ("ce_minorversion", b"0"),
            ("sourcehost", self._host),
            ("sourcelib", self._library),
            (GENERATION, b"%d" % decision.generation),
            *([(REASON, note[1].encode())] if note and note[1] else []),
        ]

    async def _frame(self, subject: str, schema: dict[str, Any]) -> bytes:
        text = json.dumps(schema, sort_keys=True)
        ask = self._registry.register if self._register else self._registry.look_up
        return b"\0" + (await ask(subject, text)).to_bytes(4, "big")


def _badge(badge: str, learner: int, user: User, template: TemplateTexts, provider: str) -> bytes:
    """Avro's bytes of what both types of event have, in the order of their schemas' fields.

    The Avro library takes three times as long, which was an eighth of what an award costs (decision 0105); a
    test holds these bytes to its.
    """
    return b"".join(
        (
            _string(badge),
            _long(learner),
            b"\1" if user.is_active else b"\0",
            _string(user.username),
            _string(user.email),
            _string(user.name),
            _string(template.id),
            _string(provider),
            _optional(template.name),
            _optional(template.description),
            _optional(template.image_url),
        )
    )


def _optional(text: str | None) -> bytes:
    """Of a union of null and string, null first."""
    return b"\2" + _string(text) if text else b"\0"


def _string(text: str) -> bytes:
    raw = text.encode()
    return _long(len(raw)) + raw


def _long(number: int) -> bytes:
    """Seven bits a byte, the lowest first, of a number of 64 bits whose sign is the last bit."""
    left = number << 1 ^ number >> 63
    if left < 128:
        return left.to_bytes()
    found = bytearray()
    while left > 127:
        found.append(left & 127 | 128)
        left >>= 7
    found.append(left)
    return bytes(found)

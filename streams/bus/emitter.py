"""Badge events, byte for byte as the Open edX services put them on the bus."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

import fastavro

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
        self._schemas = {
            kind: fastavro.parse_schema(schemas.schema(type)) for kind, type in EVENT_TYPES.items()
        }

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
        value = BytesIO()
        value.write(self._frames[decision.kind])
        payload = {"badge": _badge(badge, decision, user or NOBODY, template, provider)}
        fastavro.schemaless_writer(value, self._schemas[decision.kind], payload)
        headers = self._headers(decision)
        if ordered:
            headers.append((REISSUED, b"1"))
        if evidence and decision.kind == "awarded":
            headers.append((EVIDENCE, evidence))
        return BadgeEvent(self._key_frame + _avro_string(badge), value.getvalue(), headers)

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


def _badge(
    badge: str, decision: Decision, user: User, template: TemplateTexts, provider: str
) -> dict[str, Any]:
    return {
        "uuid": badge,
        "user": {
            "id": decision.learner,
            "is_active": user.is_active,
            "pii": {"username": user.username, "email": user.email, "name": user.name},
        },
        "template": {
            "uuid": template.id,
            "origin": provider,
            "name": template.name or None,
            "description": template.description or None,
            "image_url": template.image_url or None,
        },
    }


def _avro_string(text: str) -> bytes:
    """A string in Avro, for ASCII of fewer than 64 characters: then the length before it is one byte."""
    return bytes((len(text) * 2,)) + text.encode()

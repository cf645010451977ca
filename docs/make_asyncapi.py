"""Writes `docs/asyncapi.yaml`: our topics as other services meet them, out of their declarations.

Run by `make reference`; the argument is the file to write. The examples are encoded by the tracker's emitter.
"""

import asyncio
import io
import sys
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import yaml

from streams.badges import Decision, Kind, User, badge_id, decision_id
from streams.bus.emitter import EVENT_TYPES, EVIDENCE, GENERATION, KEY_SCHEMA, REASON, REISSUED, BadgeEmitter
from streams.bus.registry import Registry
from streams.bus.schemas import schema, source_library
from streams.catalog.document import TemplateDeclaration
from streams.kafka.topics import Topic, topics
from streams.settings import Settings

INFO = (
    "Which badges learners hold at an Open edX site, as events. Addresses are those of the default "
    "settings; `badge-streams topics` prints a site's own. What a service may rely on: docs/contract.md; "
    "every byte: docs/formats.md."
)
READERS = {
    "anyone": "The contract: any service may read it.",
    "operators": "For operators and their tools: a release may change the format, and the changelog says so.",
    "ours": "Private: nobody else may read it, and nothing about it is promised.",
}
HEADERS = {
    "ce_specversion": "The version of CloudEvents.",
    "content-type": "How the value is encoded.",
    "ce_datacontenttype": "The same.",
    "ce_type": "Which event it is, and so by which schema it is read.",
    "ce_id": "The decision's id: uuid5(badge.uuid, 'kind:generation'), the same whenever it is said again.",
    "ce_source": "Who decided. A badge event of another source is not of this product.",
    "ce_time": "When the activity happened, or the order was given, that decided.",
    "ce_minorversion": "The event's minor version in openedx-events.",
    "sourcehost": "The host of the worker that wrote the record.",
    "sourcelib": "The version of openedx-events that the schemas are of.",
    GENERATION: "Which award of the badge, from 1; a revocation has the number of the award it takes back.",
    REISSUED: "Only where an operator has the decision said again.",
    REASON: "Only on a revocation that an operator ordered and gave a reason for.",
    EVIDENCE: "Only on an award whose template has `evidence`: what counted, as JSON, in words for people.",
}
"""What each header means: one that is written and is not here ends the making with its name."""
CONSTANT = ("ce_specversion", "content-type", "ce_datacontenttype", "ce_type", "ce_minorversion")
FORMS: dict[str, dict[str, str]] = {
    "ce_id": {"format": "uuid"},
    "ce_time": {"format": "date-time"},
    GENERATION: {"pattern": "^[1-9][0-9]*$"},
    REISSUED: {"const": "1"},
}
COUNTED = b'[{"name":"Pass the Kafka course","at":"2026-03-14T15:09:26+00:00","values":["Kafka 101"]}]'
LEARNER = User(42, True, "ada", "ada@example.com", "Ada Lövelace")
TEMPLATE = TemplateDeclaration.model_construct(
    id="0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", organization="", name="Kafka Apprentice", requirements=()
)
TIMES: dict[Kind, datetime] = {
    "awarded": datetime(2026, 3, 14, 15, 9, 26, 535897, UTC),
    "revoked": datetime(2026, 3, 20, 9, 30, tzinfo=UTC),
}


class OneSchema(Registry):
    """Gives every schema the same id."""

    async def register(self, subject: str, text: str) -> int:
        return 3


class Plain(yaml.SafeDumper):
    """Writes YAML without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def main(file: Path) -> None:
    text = yaml.dump(document(), Dumper=Plain, sort_keys=False, allow_unicode=True, width=110)
    head = "# Made from the code by `make reference`; not to be edited.\n"
    file.write_text(head + text, encoding="utf-8")


def document() -> dict[str, Any]:
    """The whole document."""
    settings = Settings.model_construct()
    declared = topics(settings)
    named = {field.name: getattr(declared, field.name) for field in fields(declared)}
    # Where the bus is Kafka, the sources are the LMS's, and a bridge has no topics.
    described = {name: topic for name, topic in named.items() if topic in declared.all}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "badge-streams",
            # The badge events' schemas are what a reader depends on.
            "version": source_library(),
            "description": INFO,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {name: _channel(topic) for name, topic in described.items()},
        "operations": {
            "decide": {
                "action": "send",
                "channel": {"$ref": "#/channels/badges"},
                "summary": "The tracker says each decision once, in the transaction that decides it.",
                "messages": [{"$ref": f"#/channels/badges/messages/{kind}"} for kind in EVENT_TYPES],
            }
        },
        "components": {"messages": asyncio.run(_messages(settings, declared.badges.name))},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": topic.name,
        "title": topic.holds,
        "description": READERS[topic.readers],
        "x-readers": topic.readers,
    }
    if topic.readers == "anyone":
        channel["messages"] = {kind: {"$ref": f"#/components/messages/{kind}"} for kind in EVENT_TYPES}
    if topic.ours:
        kept: dict[str, Any] = {"cleanup.policy": [topic.cleanup]}
        if topic.retention_ms is not None:
            kept["retention.ms"] = topic.retention_ms
        kafka = {"partitions": topic.partitions, "topicConfiguration": kept, "bindingVersion": "0.5.0"}
        channel["bindings"] = {"kafka": kafka}
    return channel


async def _messages(settings: Settings, topic: str) -> dict[str, Any]:
    emitter = BadgeEmitter(OneSchema(settings), settings, topic)
    await emitter.start()
    return {kind: _message(emitter, kind) for kind in TIMES}


def _message(emitter: BadgeEmitter, kind: Kind) -> dict[str, Any]:
    event_type = EVENT_TYPES[kind]
    plain = _example(emitter, kind, "As decided")
    marked = _example(emitter, kind, "Said again", ordered=True, reason="cheated", evidence=COUNTED)
    written = marked["headers"]
    return {
        "name": event_type,
        "title": f"A badge is {kind}",
        "contentType": "application/avro",
        "headers": {
            "type": "object",
            "required": list(plain["headers"]),
            "properties": {name: _header(name, value) for name, value in written.items()},
        },
        "payload": {
            "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0",
            "schema": schema(event_type),
        },
        "bindings": {
            "kafka": {
                "key": {
                    "type": KEY_SCHEMA["type"],
                    "format": "uuid",
                    "description": "badge.uuid as an Avro string, framed as the value is.",
                },
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicRecordNameStrategy",
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [plain, marked],
    }


def _header(name: str, value: str) -> dict[str, str]:
    described = {"type": "string", "description": HEADERS[name]}
    if name in CONSTANT:
        return {**described, "const": value}
    return {**described, **FORMS.get(name, {})}


def _example(
    emitter: BadgeEmitter,
    kind: Kind,
    name: str,
    *,
    ordered: bool = False,
    reason: str = "",
    evidence: bytes = b"",
) -> dict[str, Any]:
    decision = _decision(kind, reason)
    event = emitter.encode(decision, LEARNER, TEMPLATE, "credly", ordered=ordered, evidence=evidence)
    body: Any = fastavro.schemaless_reader(io.BytesIO(event.value[5:]), schema(EVENT_TYPES[kind]), None)
    # The only header that depends on the machine where this runs.
    headers = {**{n: v.decode() for n, v in event.headers}, "sourcehost": "badge-streams-tracker-0"}
    return {"name": name, "headers": headers, "payload": body}


def _decision(kind: Kind, reason: str) -> Decision:
    badge = badge_id(TEMPLATE.id, LEARNER.id)
    plain = Decision(
        kind, TEMPLATE.id, LEARNER.id, 1, badge, decision_id(badge, kind, 1), TIMES[kind], "", ()
    )
    return replace(plain, note=("", reason)) if reason else plain


if __name__ == "__main__":
    main(Path(sys.argv[1]))

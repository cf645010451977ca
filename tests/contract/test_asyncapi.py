"""`docs/asyncapi.yaml` describes what the tracker writes, and who may read which topic."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from streams.badges import Decision, Kind, User
from streams.bus.emitter import EVENT_TYPES, GENERATION, BadgeEmitter, BadgeEvent
from streams.kafka.topics import topics
from streams.settings import Settings
from tests.relay.badge_bus import Template, Word, decision_of
from tests.test_formats import OneSchema

DOCS = Path(__file__).parents[2] / "docs"
ASYNCAPI: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
ADA = User(42, True, "ada", "ada@example.com", "Ada Lövelace")
TEMPLATE = Template("0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10", description="Knows Kafka")


def message(kind: Kind) -> dict[str, Any]:
    """The message, found as a reader finds it: from the topic's channel by its reference."""
    reference: str = ASYNCAPI["channels"]["badges"]["messages"][kind]["$ref"]
    found: Any = ASYNCAPI
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def decisions(kind: Kind) -> Iterator[Decision]:
    """A first and a later one, without a note and with one."""
    for generation in (1, 12):
        decision = decision_of(Word(kind, TEMPLATE.id, ADA.id, generation))
        yield decision
        yield replace(decision, note=("grace", "cheated"))


async def events(kind: Kind) -> list[BadgeEvent]:
    """Everything that a tracker may write about a badge."""
    emitter = BadgeEmitter(OneSchema(Settings()), Settings(), "badges")
    await emitter.start()
    return [
        emitter.encode(decision, user, TEMPLATE, "credly", ordered=ordered, evidence=b"[]" * ordered)
        for decision in decisions(kind)
        for user in (ADA, None)
        for ordered in (False, True)
    ]


@pytest.mark.parametrize("kind", EVENT_TYPES)
async def test_headers_are_those_of_the_document(kind: Kind) -> None:
    described = message(kind)["headers"]
    check = Draft7Validator(described, format_checker=FormatChecker())

    written = [{name: value.decode() for name, value in event.headers} for event in await events(kind)]

    assert [fault.message for headers in written for fault in check.iter_errors(headers)] == []
    assert set().union(*written) == set(described["properties"])
    assert set(written[0]).intersection(*written) == set(described["required"])


@pytest.mark.parametrize("kind", EVENT_TYPES)
async def test_values_can_be_read_by_the_document_alone(kind: Kind) -> None:
    schema = message(kind)["payload"]["schema"]

    for event in await events(kind):
        body = io.BytesIO(event.value[5:])
        badge: Any = fastavro.schemaless_reader(body, schema, None)
        assert badge["badge"]["template"]["description"] == "Knows Kafka"
        assert body.read() == b""


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_examples_are_what_the_document_describes(kind: Kind) -> None:
    described = message(kind)
    check = Draft7Validator(described["headers"], format_checker=FormatChecker())

    for example in described["examples"]:
        check.validate(example["headers"])
        assert fastavro.validate(example["payload"], described["payload"]["schema"], raise_errors=False)


def test_a_record_that_is_not_ours_is_none_by_the_document() -> None:
    described = message("awarded")
    headers = dict(described["examples"][0]["headers"])
    check = Draft7Validator(described["headers"], format_checker=FormatChecker())

    without = {name: value for name, value in headers.items() if name != GENERATION}

    for wrong in (without, headers | {GENERATION: "0"}, headers | {"ce_id": "1"}, headers | {"ce_type": "x"}):
        assert not check.is_valid(wrong), wrong


def test_who_may_read_a_topic_is_the_same_in_document_and_contract() -> None:
    page = (DOCS / "contract.md").read_text()
    names = topics(Settings.model_construct(app_id="{app}", relay_id="{relay}", bus="redis"))
    rows = {
        name: readers
        for cell, readers in re.findall(r"^\| ([^|]*) \| (anyone|operators|ours) \|", page, re.MULTILINE)
        for name in re.findall(r"`(.+?)`", cell) or [cell]
    }

    ours = {topic.name: topic.readers for topic in (*names.bridge, *names.tracker, *names.relay, *names.api)}
    assert rows == {"the badge topic": names.badges.readers, **ours}


@pytest.mark.parametrize("example", sorted((DOCS / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_the_contract_prints_the_examples_that_are_tested(example: Path) -> None:
    assert f"```python\n{example.read_text()}```" in (DOCS / "contract.md").read_text()

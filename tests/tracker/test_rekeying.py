"""One record of the bus, forwarded by learner, dropped or set aside whole."""

from dataclasses import replace
from datetime import datetime

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import Source
from streams.catalog import patterns
from streams.headers import header
from streams.kafka.dead_letters import REASON, left_at
from streams.tracker.rekeying import Rekeying
from tests.bus.memory import record, record_of, take
from tests.runtime.recording import LARGEST, RecordingUnit
from tests.runtime.world import Sent
from tests.tracker.scene import LEARNER, PASSED, SETTINGS, catalog, tracker

ELSEWHERE: dict[str, object] = {"path": "course.course_key", "operator": "eq", "value": "another"}
LONG: dict[str, object] = {"path": "course.course_key", "operator": "matches", "value": ".*none.*"}
EPOCH = SETTINGS.source_epoch


async def rekeyed(*records: ConsumerRecord, where: dict[str, object] | None = None) -> RecordingUnit:
    here = await tracker(catalog(where) if where else catalog())
    unit = RecordingUnit(here.names.sources[0], here.names.progress)
    await take(records, Rekeying(here, unit).step)
    assert {sent.topic for sent in unit.sent} <= {here.names.activities.name, here.names.dead_letters.name}
    return unit


def is_letter(sent: Sent) -> bool:
    return header(sent.headers, REASON) is not None


async def test_what_a_rule_asks_for_goes_on_keyed_by_learner_and_says_where_it_was() -> None:
    there = record_of(PASSED, timestamp=1_790_000_000_000)  # after it happened
    [sent] = (await rekeyed(there)).sent

    assert (sent.key, sent.headers) == (b"%d" % LEARNER, ())
    said, headers = orjson.loads(sent.value or b""), dict(PASSED.headers)
    assert (said["type"], said["id"]) == (PASSED.event_type, headers["ce_id"].decode())
    assert datetime.fromisoformat(said["time"]) == datetime.fromisoformat(headers["ce_time"].decode())
    assert said["source"] == {
        "topic": "bus",
        "partition": 0,
        "offset": there.offset,
        "epoch": EPOCH,
        "timestamp": there.timestamp,
    }
    assert said["data"] == PASSED.payload


async def test_what_no_rule_asks_for_is_dropped() -> None:
    assert (await rekeyed(record_of(PASSED), where=ELSEWHERE)).sent == []
    assert (await rekeyed(record(None, PASSED.headers))).sent == []


async def test_what_cannot_be_read_is_set_aside_whole() -> None:
    cut = record_of(PASSED, value=PASSED.value[:-3])
    [letter] = (await rekeyed(cut)).sent

    assert header(letter.headers, REASON) == b"bad_body"
    assert (letter.key, letter.value) == (PASSED.key, cut.value)
    assert tuple(letter.headers[: len(PASSED.headers)]) == PASSED.headers
    assert left_at(letter.headers) == Source("bus", 0, cut.offset, EPOCH)


async def test_a_text_too_long_for_a_pattern_costs_its_own_record_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "STEPS", 100)
    [letter] = (await rekeyed(record_of(PASSED), where=LONG)).sent
    assert header(letter.headers, REASON) == b"text_too_long"


async def test_the_records_after_an_unreadable_one_go_on() -> None:
    unit = await rekeyed(record_of(PASSED, value=b"\1"), record_of(PASSED, offset=8))
    assert [is_letter(sent) for sent in unit.sent] == [True, False]


async def test_what_is_too_large_even_for_the_dead_letters_leaves_its_value_where_it_is() -> None:
    padded = replace(record_of(PASSED, value=b"\1"), headers=(*PASSED.headers, ("padding", b"x" * LARGEST)))
    [letter] = (await rekeyed(padded)).sent

    assert header(letter.headers, REASON) == b"no_frame"
    assert (letter.key, letter.value) == (PASSED.key, None)
    assert header(letter.headers, "padding") is None
    assert left_at(letter.headers) == Source("bus", 0, padded.offset, EPOCH)


async def test_a_schema_that_the_registry_does_not_know_is_asked_for_once_and_then_a_reason() -> None:
    other = b"\0" + (99).to_bytes(4, "big") + PASSED.value[5:]
    [letter] = (await rekeyed(record_of(PASSED, value=other))).sent
    assert header(letter.headers, REASON) == b"unknown_schema"

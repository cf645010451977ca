"""One record of the badge topic: ours goes on keyed by badge, another is dropped or set aside whole."""

from dataclasses import replace

import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import Source
from streams.headers import Headers, header
from streams.kafka.dead_letters import AGENT, REASON, left_at
from streams.kafka.origin import Original, forwarded
from streams.relay.receiving import Receiving
from tests.bus.memory import record_of, take
from tests.bus.messages import Message
from tests.relay.scene import AWARDED, BADGE, REVOKED, SETTINGS, TOPICS, relay
from tests.relay.world import TEMPLATE
from tests.runtime.recording import LARGEST, RecordingUnit

SOURCE = Source("bus", 0, 7, SETTINGS.source_epoch)


async def received(*records: ConsumerRecord, templates: tuple[str, ...] = ()) -> RecordingUnit:
    here = relay(*templates)
    unit = RecordingUnit(TOPICS.badges, TOPICS.issuances)
    await take(records, Receiving(here, unit).step)
    return unit


def changed(name: str, value: bytes) -> Headers:
    return tuple((n, value if n == name else v) for n, v in AWARDED.headers)


@pytest.mark.parametrize("event", [AWARDED, REVOKED])
async def test_a_badge_event_of_ours_goes_on_keyed_by_badge_and_says_where_it_was(event: Message) -> None:
    there = record_of(event)
    [sent] = (await received(there)).sent

    assert sent.topic == TOPICS.decisions.name
    assert (sent.key, sent.value) == (BADGE.encode(), there.value)
    assert forwarded(sent) == Original(there.key, there.value, there.headers, SOURCE, there.timestamp)


@pytest.mark.parametrize(
    ("name", "value"), [("ce_type", b"org.openedx.learning.xblock.viewed.v1"), ("ce_source", b"another site")]
)
async def test_what_is_not_ours_is_dropped_even_where_it_cannot_be_read(name: str, value: bytes) -> None:
    assert (await received(record_of(AWARDED, headers=changed(name, value), value=b"\1"))).sent == []


async def test_what_cannot_be_read_is_set_aside_whole() -> None:
    cut = record_of(AWARDED, value=AWARDED.value[:-3])
    [letter] = (await received(cut)).sent

    assert letter.topic == TOPICS.relay_dead_letters.name
    assert (header(letter.headers, REASON), header(letter.headers, AGENT)) == (b"bad_body", b"receive")
    assert (letter.key, letter.value) == (AWARDED.key, cut.value)
    assert letter.headers[: len(AWARDED.headers)] == AWARDED.headers
    assert left_at(letter.headers) == SOURCE


async def test_a_badge_of_a_template_that_the_catalog_does_not_have_goes_on_to_wait_for_it() -> None:
    [sent] = (await received(record_of(AWARDED), templates=(TEMPLATE,))).sent
    assert (sent.topic, sent.key) == (TOPICS.decisions.name, BADGE.encode())


async def test_what_is_too_large_even_for_the_dead_letters_leaves_its_value_where_it_is() -> None:
    padded = replace(record_of(AWARDED), headers=(*AWARDED.headers, ("padding", b"x" * LARGEST)))
    [letter] = (await received(padded)).sent

    assert header(letter.headers, REASON) == b"too_large"
    assert (letter.key, letter.value) == (AWARDED.key, None)
    assert left_at(letter.headers) == SOURCE

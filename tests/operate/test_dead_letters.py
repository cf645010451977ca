"""What was set aside by tracker and relay: found again, sent again, once."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import orjson
import pytest
from aiokafka.structs import ConsumerRecord
from confluent_kafka import Producer

from streams.badges.progress import Progress, fingerprint
from streams.bus import schemas
from streams.errors import FatalError
from streams.kafka.dead_letters import DETAIL
from streams.kafka.topics import topics
from streams.operate.dead_letters import Filter, Letter, shown
from streams.operate.recent import recent
from streams.sandbox import lms
from streams.sandbox.audit import announcement, read_topic
from streams.sandbox.commands import Commands
from streams.sandbox.credly import Fault
from streams.sandbox.originals import position
from streams.sandbox.publisher import Emission
from streams.tracker.rows import unpack
from tests.faults.configs import alter
from tests.relay.badge_bus import until
from tests.sites import letters
from tests.whole.full_site import TEMPLATES, FullSite

WITHIN = 30.0


def passes(full: FullSite, learner: int, **course: str) -> Emission:
    data: Mapping[str, Any] = {
        "is_passing": True,
        "course": lms.course("course-v1:DemoX+Kafka101+2026") | course,
        "user": lms.user(learner),
    }
    [emission] = full.press.publish([lms.Happening(lms.PASSING, datetime.now(UTC), learner, data)])
    return emission


async def found(full: FullSite, **wanted: Any) -> list[Letter]:
    return await letters(full.commands.parsed, Filter(**wanted))


async def awarded(full: FullSite, learner: int) -> int:
    settings = full.commands.parsed
    records = await read_topic(settings, topics(settings).badges.name)
    events = [event for record in records if (event := announcement(record, settings))]
    return sum(event.learner == learner for event in events)


async def eventually_awarded(full: FullSite, learner: int) -> None:
    async with asyncio.timeout(WITHIN):
        while await awarded(full, learner) < len(TEMPLATES):
            await asyncio.sleep(0.1)


def test_a_letter_of_the_relays_is_sent_again_once_and_leads_to_one_badge(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given
        full.credly.schedule([Fault("error", call="issue", status=422, last=len(TEMPLATES))])
        await full.emit([passes(full, 101)])
        async with asyncio.timeout(WITHIN):
            while len(refused := await found(full, reason="refused")) < len(TEMPLATES):
                await asyncio.sleep(0.1)
        one, other = refused
        # when
        said = await full.run("dead-letters", "redrive", one.id)
        # then
        assert said.splitlines() == ["sent again: 1", one.id]
        newest = await recent(full.commands.parsed, Filter(), "relay")
        assert {row.id: row.redriven for row in newest.rows} == {one.id: True, other.id: False}
        await until(lambda: full.badges_of(101) == 1, WITHIN)
        # when the first is named once more beside the second, and then sent in earnest
        both = await full.run("dead-letters", "redrive", one.id, other.id)
        assert both.splitlines() == ["sent again: 1", other.id]
        await until(lambda: full.badges_of(101) == 2, WITHIN)
        again = await full.run("dead-letters", "redrive", "--again", "--reason", "refused")
        assert again.startswith("sent again: 2")
        # then it changes nothing
        await full.emit([passes(full, 102)])
        await until(lambda: full.badges_of(102) == len(TEMPLATES), WITHIN)
        assert full.badges_of(101) == len(TEMPLATES)
        assert await found(full, reason="refused") == []

    loop.run(scenario())


def test_a_letter_too_large_for_our_topics_is_fetched_from_where_it_was_left(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given
        settings = full.commands.parsed
        names = topics(settings)
        large = {"max.message.bytes": str(4 * 1024 * 1024)}
        await alter(settings, names.badges.name, large)
        await full.emit([passes(full, 103, display_name="L" * 2_000_000)])
        [letter] = await found(full, reason="too_large")
        assert "value     left at its origin" in await full.run("dead-letters", "show", letter.id)
        with pytest.raises(FatalError, match="nothing was sent"):
            await full.run("dead-letters", "redrive", letter.id)
        # when
        for topic in (names.activities, names.dead_letters):
            await alter(settings, topic.name, large)
        await asyncio.to_thread(full.stop, "tracker")
        full.start("tracker")
        said = await full.run("dead-letters", "redrive", letter.id)
        # then
        assert said.startswith("sent again: 1")
        await eventually_awarded(full, 103)

    loop.run(scenario())


def test_what_still_cannot_be_read_is_not_sent_and_its_letter_stays(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given
        good = passes(full, 104)
        await full.emit([full.press.rubbish(good, "truncated body")])
        [letter] = await found(full, reason="bad_body")
        assert letter.header("ce_id") == good.id
        # when
        said = await full.run("dead-letters", "redrive", letter.id, codes=(1,))
        # then
        assert said == "sent again: 0\n"
        assert [one.id for one in await found(full, reason="bad_body")] == [letter.id]


def test_a_letter_of_an_activity_is_sent_again_and_judged(full: FullSite, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        # given an activity under a wrong key, as somebody else might write one
        names = topics(full.commands.parsed)
        await full.emit([passes(full, 108)])
        forwarded = next(
            r for r in await read_topic(full.commands.parsed, names.activities.name) if r.key == b"108"
        )
        value = orjson.loads(forwarded.value)
        value["id"], value["source"]["offset"] = str(uuid4()), value["source"]["offset"] + 1
        value["data"]["user"]["id"] = 109
        producer = Producer({"bootstrap.servers": full.kafka})
        producer.produce(names.activities.name, orjson.dumps(value), b"108")
        assert producer.flush(10) == 0
        async with asyncio.timeout(WITHIN):
            while not (letters := await found(full, reason="wrong_key")):
                await asyncio.sleep(0.1)
        [letter] = letters
        assert letter.event == (value["type"], value["id"])
        # when
        await full.run("dead-letters", "redrive", letter.id)
        # then
        await eventually_awarded(full, 109)

    loop.run(scenario())


def test_letters_are_judged_in_whatever_order_they_are_sent_again(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given a learner's events under a schema that the registry lost
        good = [passes(full, 107) for _ in range(12)]
        letters = await lost_and_found(full, good)
        # when
        for letter in (letters[9], letters[3]):
            await full.run("dead-letters", "redrive", letter.id)
        assert "sent again: 10" in await full.run("dead-letters", "redrive", "--reason", "unknown_schema")
        # then
        names = topics(full.commands.parsed)
        ids = {fingerprint(emission.id) for emission in good}

        async def known() -> Progress:
            return unpack((await full.table(names.progress.name))[b"107"])[0]

        async with asyncio.timeout(WITHIN):
            while not all(map((await known()).remembers, ids)):
                await asyncio.sleep(0.2)

    loop.run(scenario())


async def lost_and_found(full: FullSite, emissions: Sequence[Emission]) -> list[Letter]:
    """The letters of events whose schema the registry did not know, and knows by now."""
    last = await register(full, "the last before")
    lost = (0).to_bytes(1, "big") + (last + 1).to_bytes(4, "big")
    await full.emit([replace(e, value=lost + (e.value or b"")[len(lost) :]) for e in emissions])
    letters = await found(full, reason="unknown_schema")
    assert len(letters) == len(emissions)
    assert await register(full, "the one that was lost") == last + 1
    return letters


async def register(full: FullSite, doc: str) -> int:
    """The id of the passing status's schema as another text."""
    schema = json.dumps(schemas.schema(lms.PASSING) | {"doc": f"{uuid4()} {doc}"})
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        subject = f"{full.commands.parsed.registry}/subjects/lost-{uuid4()}/versions"
        async with session.post(subject, json={"schema": schema}) as response:
            return int((await response.json(content_type=None))["id"])


def test_of_two_who_redrive_at_once_each_letter_is_sent_by_one(full: FullSite, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        # given
        letters_before = await lost_and_found(full, [passes(full, 200 + n) for n in range(40)])
        # when
        command = ("dead-letters", "redrive", "--reason", "unknown_schema")
        processes = Commands(full.commands.settings)
        ends = await asyncio.gather(
            *(asyncio.to_thread(processes.run, *command) for _ in range(4)), return_exceptions=True
        )
        # then
        assert any(isinstance(end, str) for end in ends)
        settings = full.commands.parsed
        activities = await read_topic(settings, topics(settings).activities.name)
        sent = Counter(
            f"{partition}:{offset}"
            for topic, partition, offset in (position(r) for r in activities if r.value)
            if topic == topics(settings).dead_letters.name
        )
        assert [sent[letter.id] for letter in letters_before] == [1] * len(letters_before)

    loop.run(scenario())


def test_the_list_is_a_table_with_filters(full: FullSite, loop: asyncio.Runner) -> None:
    async def scenario() -> None:
        emission = full.press.rubbish(passes(full, 105), "id is no uuid")
        await full.emit([emission])
        [letter] = await found(full, reason="no_id")
        listed = await full.run("dead-letters", "list", "--reason", "no_id")
        [row] = [line for line in listed.splitlines() if "no_id" in line]
        assert [cell.strip() for cell in row.strip("│ ").split("│")][:4] == [
            letter.id,
            letter.at.isoformat(timespec="seconds"),
            "rekey",
            "no_id",
        ]
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        for nothing in (("--agent", "relay"), ("--since", later)):
            said = await full.run("dead-letters", "list", "--reason", "no_id", *nothing)
            assert letter.id not in said
        with pytest.raises(FatalError, match="there is no such letter"):
            await full.run("dead-letters", "redrive", "2:987654")

    loop.run(scenario())


def test_what_stands_in_a_letter_does_nothing_to_a_terminal() -> None:
    headers = (("ce_id", b"id\x1b[2J\nnext"), ("odd\x1b", b"\xff"), (DETAIL, "Žluťoučký".encode()))
    record = ConsumerRecord("letters", 0, 7, 0, 0, None, b"", None, 0, 0, headers)
    letter = Letter("0:7", record, "", "", "", "", redriven=False)

    assert letter.header("ce_id") == r"id\x1b[2J\x0anext"
    assert "header    odd\\x1b=\\xff" in list(shown(letter))

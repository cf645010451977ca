"""The sandbox's LMS on Redis writes what the real one writes."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from redis.asyncio import Redis as Client

from streams.bus.entries import entry_id
from streams.sandbox import lms
from streams.sandbox.entries import ENTRY_FAULTS, as_entries, emit, press, spoilt
from streams.sandbox.lms import Happening
from streams.sandbox.publisher import Emission, Placed
from streams.sandbox.redis import Redis

PASSED = {
    "is_passing": True,
    "course": lms.course("course-v1:DemoX+Kafka101+2026"),
    "user": {
        "id": 42,
        "is_active": True,
        "pii": {"username": "learner42", "email": "l42@example.org", "name": "Léarner 42"},
    },
}


async def test_what_was_emitted_lies_on_its_stream_in_order_at_the_number_that_is_told(
    redis_server: Redis,
) -> None:
    placed: list[Placed] = []
    emissions = list(islice(_term(seed=3), 1_000))

    await emit(redis_server.url, emissions, placed=placed.extend)

    assert [p.emission for p in placed] == emissions
    for stream in {e.topic for e in emissions}:
        async with Client.from_url(redis_server.url) as client:
            rows: Any = await client.xrange(stream)
        found = [(entry_id(id).offset, fields) for id, fields in rows]
        assert found == [(p.offset, _bytes(p.emission)) for p in placed if p.emission.topic == stream]


async def test_a_stream_is_trimmed_as_the_library_does_it(redis_server: Redis) -> None:
    passings = press().publish(lms.recalculations(1, 3_000, learners=5, courses=2))

    await emit(redis_server.url, as_entries(passings), max_len=500)

    async with Client.from_url(redis_server.url) as client:
        assert 500 <= await client.xlen("learning-badges-lifecycle") < 700
        info = await client.xinfo_stream("learning-badges-lifecycle")
    assert info["entries-added"] == 3_000


def test_an_entry_has_the_fields_of_the_real_one_in_their_order() -> None:
    happening = Happening(lms.PASSING, datetime.fromisoformat("2026-03-14T15:09:26.535897+00:00"), 42, PASSED)

    [entry] = as_entries(press("dev").publish([happening]))

    assert entry.topic == "dev-learning-badges-lifecycle"
    assert entry.headers == (
        ("type", lms.PASSING.encode()),
        ("id", entry.id.encode()),
        ("source", b"openedx/lms/web"),
        ("time", b"2026-03-14T15:09:26.535897+00:00"),
        ("minorversion", b"0"),
        ("sourcehost", b"lms.example.internal"),
        ("sourcelib", b"11.2.0"),
    )
    # As recorded from the real producer.
    assert entry.value is not None
    assert entry.value.hex() == (
        "013a636f757273652d76313a44656d6f582b4b61666b613130312b323032360000005401126c6561726e657234321e"
        "6c3432406578616d706c652e6f7267164cc3a961726e6572203432"
    )


def test_every_fault_comes_up_and_is_marked_with_its_fate() -> None:
    fates = {entry.fault: entry.fate for entry in _term(seed=1) if entry.fault}

    assert fates.keys() == {*ENTRY_FAULTS, "written twice"}
    assert set(fates.values()) == {"read", "dropped", "dead letter"}


def _term(seed: int) -> Iterator[Emission]:
    return spoilt("dev", seed, lms.term(seed, 30), repeated=0.05, rubbish=0.1)


def _bytes(entry: Emission) -> dict[bytes, bytes]:
    return {name.encode(): value for name, value in entry.headers} | {b"event_data": entry.value or b""}

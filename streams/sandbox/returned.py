"""The badge events that came back to Redis, compared with those on our topic: each once, in their order."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.structs import ConsumerRecord
from redis.asyncio import Redis

from streams.bus.entries import ATTRIBUTES, DATA
from streams.bus.reader import FRAME_BYTES
from streams.kafka.topics import topics
from streams.sandbox.audit import read_topic
from streams.settings import Settings

LOOK_SECONDS = 0.2
PAGE = 1_000
"""Entries in an answer: as many as Redis gives in a few milliseconds, during which nobody else is served."""

Entry = tuple[tuple[str, bytes], ...]
"""The fields of an entry in their order."""


@dataclass(frozen=True, slots=True)
class Returned:
    """How many badge events are on Redis, and for each kind of fault the ids of those."""

    events: int
    faults: Mapping[str, Sequence[str]]


async def returned(settings: Settings, *, within: float) -> Returned:
    """Compare them; `within` seconds may pass until as many have come."""
    records = await read_topic(settings, topics(settings).badges.name)
    sent = [record for record in records if dict(record.headers)["ce_source"] == settings.source.encode()]
    async with Redis.from_url(settings.redis) as redis:
        found = await _ours(redis, settings)
        end = asyncio.get_running_loop().time() + within
        while len(found) < len(sent) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(LOOK_SECONDS)
            found = await _ours(redis, settings)
    return Returned(len(found), compare(sent, found))


def compare(sent: Sequence[ConsumerRecord], found: Sequence[Entry]) -> dict[str, list[str]]:
    """The faults in what was `found` on Redis, where `sent` is on the badge topic."""
    wanted: dict[bytes, list[Entry]] = defaultdict(list)
    for record in sent:
        wanted[record.key].append(as_entry(record))
    badges = {entry: badge for badge, entries in wanted.items() for entry in entries}
    got: dict[bytes, list[Entry]] = defaultdict(list)
    for entry in found:
        got[badges.get(entry, b"")].append(entry)
    expected, there = Counter(e for entries in wanted.values() for e in entries), Counter(found)
    return {
        "badge events missing on Redis": [_id(entry) for entry in expected - there],
        "badge events double on Redis": [_id(entry) for entry in there - expected if entry in badges],
        "badge events changed on Redis": [_id(entry) for entry in got[b""]],
        "badge events out of order on Redis": [
            _id(entries[0])
            for badge, entries in wanted.items()
            if _firsts(got[badge]) != [entry for entry in _firsts(entries) if entry in got[badge]]
        ],
    }


def as_entry(record: ConsumerRecord) -> Entry:
    """A badge event of our topic as an entry."""
    headers = dict(record.headers)
    fields = ((name, headers.get(f"ce_{name}", headers.get(name, b""))) for name in ATTRIBUTES)
    return (*fields, (DATA, record.value[FRAME_BYTES:]))


def _firsts(entries: Sequence[Entry]) -> list[Entry]:
    """Each once, where it came first; what is missing or double is another fault."""
    return list(dict.fromkeys(entries))


async def _ours(redis: Redis, settings: Settings) -> list[Entry]:
    """The badge events on the stream that are ours, in its order."""
    found: list[Entry] = []
    begin = "-"
    while True:
        page: Any = await redis.xrange(settings.lifecycle_topic, begin, count=PAGE)
        entries = [tuple((n.decode(), v) for n, v in fields.items()) for _, fields in page]
        found += [entry for entry in entries if dict(entry).get("source") == settings.source.encode()]
        if len(page) < PAGE:
            return found
        begin = f"({page[-1][0].decode()}"


def _id(entry: Entry) -> str:
    return dict(entry).get("id", b"").decode()

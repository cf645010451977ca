"""Compares what the tracker made of a run with the core: nothing missing, nothing double, nothing else.

The core is run over the LMS's own events, in the order in which the tracker met them. So neither the codec
nor the runtime is compared with itself.
"""

import asyncio
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastavro
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Catalog, Decision, Progress, judge
from streams.badges import latest as latest_of
from streams.bridge.cursor import load
from streams.bus import schemas
from streams.bus.activities import is_line, parsed
from streams.kafka import dead_letters
from streams.kafka.client import partitions_of, reader
from streams.kafka.topics import topics
from streams.sandbox.by_hand import CatchUp, Orders, followed, given_again
from streams.sandbox.groups import POLL_SECONDS, committed
from streams.sandbox.originals import Position, by_position, happened, is_whole, position
from streams.sandbox.publisher import Emission, Placed
from streams.settings import Settings
from streams.tracker.rows import pack


@dataclass(frozen=True, slots=True)
class Announcement:
    """A badge event as a consumer of the bus reads it."""

    kind: str
    template: str
    learner: int
    generation: int
    badge: str
    id: str
    time: str
    name: str
    template_name: str


@dataclass(frozen=True, slots=True)
class Traces:
    """What a run has left on the tracker's topics; `progress` is by key, as in the changelog."""

    activities: Sequence[ConsumerRecord]
    badges: Sequence[Announcement]
    dead_letters: Sequence[ConsumerRecord]
    progress: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit has counted.

    `dead_letters` counts them by what was wrong with the record and by the reason that the tracker gave.
    `faults` has, for each kind of fault, the places where the tracker was wrong.
    """

    activities: int
    awarded: int
    revoked: int
    learners: int
    dead_letters: Mapping[tuple[str, str], int]
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether there is no fault."""
        return not any(self.faults.values())


async def settled(settings: Settings, placed: Iterable[Placed], *, within: float) -> None:
    """Return when the tracker has committed everything that follows from `placed`.

    Raises `TimeoutError` if either agent needs more than `within` seconds.
    """
    names = topics(settings)
    ends: dict[TopicPartition, int] = {}
    for record in placed:
        tp = TopicPartition(record.emission.topic, record.partition)
        ends[tp] = max(ends.get(tp, 0), record.offset + 1)
    if settings.bus == "redis":
        await _bridged(settings, ends, within=within)
    else:
        await committed(settings, settings.app_id, ends, within=within)
    # All that is relevant is forwarded by now, so the ends of the activities are final.
    ends = await _ends(settings, names.activities.name)
    await committed(settings, settings.app_id, ends, within=within)


async def audit(settings: Settings, catalog: Catalog, placed: Iterable[Placed]) -> Verdict:
    """Compare what is on our topics with what should be there, after a settled run on fresh topics."""
    return compare(catalog, placed, await read_traces(settings))


async def read_traces(settings: Settings) -> Traces:
    """What is committed on the tracker's topics now."""
    names = topics(settings)
    badges = await read_topic(settings, names.badges.name)
    return Traces(
        activities=await read_topic(settings, names.activities.name),
        badges=[event for record in badges if (event := announcement(record, settings))],
        dead_letters=await read_topic(settings, names.dead_letters.name),
        progress=latest(await read_topic(settings, names.progress.name)),
    )


def compare(
    catalog: Catalog,
    placed: Iterable[Placed],
    traces: Traces,
    catch_ups: Sequence[CatchUp] = (),
    orders: Sequence[Orders] = (),
) -> Verdict:
    """Compare what a run has left with what the core concludes from `placed`, `catch_ups` and `orders`."""
    emissions = by_position(placed)
    known = by_position(p for catch_up in catch_ups for p in catch_up.given) | emissions
    progress, decisions = core_run(catalog, traces.activities, known)
    forwarded, again, ordered = _by_kind(traces.activities)
    return Verdict(
        activities=len(traces.activities),
        awarded=sum(event.kind == "awarded" for event in traces.badges),
        revoked=sum(event.kind == "revoked" for event in traces.badges),
        learners=len(traces.progress),
        dead_letters=Counter(_why(letter, emissions) for letter in traces.dead_letters),
        faults={
            **_forwarded(catalog, forwarded, emissions),
            **given_again(catalog, again, known, catch_ups),
            **followed(ordered, orders),
            **_decided(decisions, traces.badges),
            **_stored(progress, traces.progress),
            **_set_aside(traces.dead_letters, emissions),
        },
    )


def core_run(
    catalog: Catalog, activities: Iterable[ConsumerRecord], emissions: Mapping[Position, Emission]
) -> tuple[dict[int, Progress], list[Decision]]:
    """Each learner's progress and all decisions, by the core alone, in the order of `activities`."""
    progress: dict[int, Progress] = {}
    decisions: list[Decision] = []
    for record in activities:
        what = happened(record, emissions)
        if what is None:
            continue
        before = progress.get(what.learner, Progress.initial())
        after, follows = judge(catalog, before, what)
        if after is not before:
            progress[what.learner] = after
        decisions.extend(follows)
        decisions.extend(_said_again(before, after, what.learner))
    return progress, decisions


def _said_again(before: Progress, after: Progress, learner: int) -> Iterator[Decision]:
    """The awards that are said once more as the learner becomes known, without whom nothing is issued."""
    if before.user is None and after.user is not None:
        for template, badge in before.badges.items():
            if badge.held and after.badges[template] == badge:
                yield latest_of(badge, template, learner)


def announcement(record: ConsumerRecord, settings: Settings) -> Announcement | None:
    """The badge event in a record of the badge topic; None if it is not one of ours."""
    headers = dict(record.headers)
    event_type = headers.get("ce_type", b"").decode()
    if headers.get("ce_source") != settings.source.encode() or event_type not in (
        schemas.BADGE_AWARDED,
        schemas.BADGE_REVOKED,
    ):
        return None
    schema: Any = schemas.schema(event_type)
    payload: Any = fastavro.schemaless_reader(io.BytesIO(record.value[5:]), schema, None)
    badge = payload["badge"]
    return Announcement(
        kind="awarded" if event_type == schemas.BADGE_AWARDED else "revoked",
        template=badge["template"]["uuid"],
        learner=badge["user"]["id"],
        generation=int(headers["ce_generation"]),
        badge=badge["uuid"],
        id=headers["ce_id"].decode(),
        time=headers["ce_time"].decode(),
        name=badge["user"]["pii"]["name"],
        template_name=badge["template"]["name"] or "",
    )


async def read_topic(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """What is committed on a topic now, each partition in its order."""
    async with reader(settings) as consumer:
        tps = await partitions_of(consumer, topic)
        records: dict[TopicPartition, list[ConsumerRecord]] = {tp: [] for tp in tps}
        async for record in _until_end(consumer, tps):
            records[TopicPartition(record.topic, record.partition)].append(record)
    return [record for tp in tps for record in records[tp]]


def latest(records: Iterable[ConsumerRecord]) -> dict[bytes, bytes]:
    """A compacted topic's content: the last value of each key."""
    content: dict[bytes, bytes] = {}
    for record in records:
        if record.value is None:
            content.pop(record.key, None)
        else:
            content[record.key] = record.value
    return content


def _by_kind(activities: Iterable[ConsumerRecord]) -> tuple[list[ConsumerRecord], ...]:
    """What rekey forwarded, what was given again, and orders."""
    kinds: tuple[list[ConsumerRecord], ...] = ([], [], [])
    for record in activities:
        line = parsed(record.value)
        kinds[2 if "order" in line else 1 if "catch_up" in line else 0].append(record)
    return kinds


def _forwarded(
    catalog: Catalog, activities: Sequence[ConsumerRecord], emissions: Mapping[Position, Emission]
) -> dict[str, list[str]]:
    counts = Counter(position(record) for record in activities)
    wanted = {place for place, emission in emissions.items() if _is_relevant(catalog, emission)}
    return {
        "activities missing": [str(place) for place in sorted(wanted - counts.keys())],
        "activities unwanted": [str(place) for place in sorted(counts.keys() - wanted)],
        "activities double": [str(place) for place, count in counts.items() if count > 1],
        "activities changed": [
            str(position(r)) for r in activities if not is_whole(r, emissions.get(position(r)))
        ],
        "activities out of order": _disordered(activities),
    }


def _is_relevant(catalog: Catalog, emission: Emission) -> bool:
    happening = emission.happening
    return emission.fate != "dead letter" and happening is not None and catalog.relevant(happening)


def _disordered(activities: Iterable[ConsumerRecord]) -> list[str]:
    seen: dict[tuple[bytes, str, int], int] = {}
    disordered = []
    for record in activities:
        topic, partition, offset = position(record)
        line = (record.key, topic, partition)
        if offset <= seen.get(line, -1):
            disordered.append(f"learner {record.key.decode()} at {topic}-{partition}@{offset}")
        seen[line] = offset
    return disordered


def _decided(decisions: Iterable[Decision], events: Sequence[Announcement]) -> dict[str, list[str]]:
    expected: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        expected[str(decision.badge)].append(decision)
    found: dict[str, list[Announcement]] = defaultdict(list)
    for event in events:
        found[event.badge].append(event)
    ids = {str(d.id): d for ds in expected.values() for d in ds}
    wanted = Counter(str(d.id) for ds in expected.values() for d in ds)
    counts = Counter(event.id for event in events)
    return {
        "decisions missing": [_words(ids[id]) for id in wanted - counts],
        "decisions unwanted": [f"{e.kind} {e.badge} {e.id}" for e in events if e.id not in ids],
        "decisions double": [_words(ids[id]) for id in counts - wanted if id in ids],
        "decisions out of order": [
            badge for badge, es in found.items() if [e.id for e in es] != _ids_among(expected[badge], es)
        ],
        "decisions wrong": [_words(ids[e.id]) for e in events if e.id in ids and not _says(e, ids[e.id])],
    }


def _ids_among(decisions: Iterable[Decision], events: Iterable[Announcement]) -> list[str]:
    present = {event.id for event in events}
    return [id for d in decisions if (id := str(d.id)) in present]


def _says(event: Announcement, decision: Decision) -> bool:
    said = (event.kind, event.template, event.learner, event.generation, event.badge, event.time)
    return said == (
        decision.kind,
        decision.template,
        decision.learner,
        decision.generation,
        str(decision.badge),
        decision.time.isoformat(),
    )


def _words(decision: Decision) -> str:
    return f"{decision.kind} {decision.generation} of {decision.template} for {decision.learner}"


def _stored(progress: Mapping[int, Progress], stored: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    wanted = {b"%d" % learner: pack(p, None) for learner, p in progress.items()}
    found = dict(stored)
    return {
        "progress missing": [key.decode() for key in wanted.keys() - found.keys()],
        "progress unwanted": [key.decode() for key in found.keys() - wanted.keys()],
        "progress wrong": [key.decode() for key in wanted.keys() & found.keys() if wanted[key] != found[key]],
    }


def _set_aside(
    letters: Sequence[ConsumerRecord], emissions: Mapping[Position, Emission]
) -> dict[str, list[str]]:
    wanted = {place: e for place, e in emissions.items() if e.fate == "dead letter"}
    counts = Counter(_letter_position(letter) for letter in letters)
    return {
        "dead letters missing": [f"{wanted[p].fault} {p}" for p in wanted.keys() - counts.keys()],
        "dead letters unwanted": [
            f"{emissions[p].fault if p in emissions else ''} {p}" for p in counts.keys() - wanted.keys()
        ],
        "dead letters double": [str(place) for place, count in counts.items() if count > 1],
        "dead letters not whole": [
            f"{e.fault} {p}"
            for letter in letters
            if (e := wanted.get(p := _letter_position(letter))) and not _is_complete(letter, e)
        ],
    }


def _is_complete(letter: ConsumerRecord, emission: Emission) -> bool:
    if not _header(letter, dead_letters.REASON):
        return False
    if is_line(letter.value or b""):
        return is_whole(letter, emission)
    headers = letter.headers[: len(emission.headers)]
    return (letter.key, letter.value, headers) == (emission.key, emission.value, emission.headers)


def _why(letter: ConsumerRecord, emissions: Mapping[Position, Emission]) -> tuple[str, str]:
    emission = emissions.get(_letter_position(letter))
    return (emission.fault if emission else "", _header(letter, dead_letters.REASON))


def _letter_position(letter: ConsumerRecord) -> Position:
    """Where the original of a letter lies; of one that `track` set aside the record of the bus."""
    if is_line(letter.value or b""):
        return position(letter)
    source = dead_letters.left_at(letter.headers)
    assert source is not None, "every letter says so"
    return (source.topic, source.partition, source.offset)


def _header(record: ConsumerRecord, name: str) -> str:
    return str(dict(record.headers).get(name, b"").decode())


async def _bridged(settings: Settings, ends: Mapping[TopicPartition, int], *, within: float) -> None:
    """Wait until bridges have committed so much of each stream; `TimeoutError` if they do not."""
    try:
        async with asyncio.timeout(within):
            while True:
                rows = latest(await read_topic(settings, topics(settings).cursors.name))
                read = {stream.decode(): load(row).last.id.offset for stream, row in rows.items()}
                if all(read.get(tp.topic, -1) >= end - 1 for tp, end in ends.items()):
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"the bridge has not worked through its input within {within:g} s") from None


async def _ends(settings: Settings, topic: str) -> dict[TopicPartition, int]:
    """The offset after the last committed record of each partition that has any."""
    return {
        TopicPartition(record.topic, record.partition): record.offset + 1
        for record in await read_topic(settings, topic)
    }


async def _until_end(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> Any:
    ends = await consumer.end_offsets(tps)
    consumer.assign(tps)
    await consumer.seek_to_beginning(*tps)
    while True:
        left = [tp for tp in tps if await consumer.position(tp) < ends[tp]]
        if not left:
            return
        for records in (await consumer.getmany(*left, timeout_ms=200)).values():
            for record in records:
                yield record

"""Publishes what happens at the LMS as its own producers do: same schemas, bytes, headers, partitions.

It also does what goes wrong there: records written twice, and records that nobody can read.
"""

import asyncio
import io
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any, Literal
from uuid import UUID
from zlib import crc32

import aiohttp
import fastavro
from aiokafka import AIOKafkaProducer

from streams.bus import schemas
from streams.sandbox import lms
from streams.sandbox.lms import Happening

Fate = Literal["read", "dropped", "dead letter"]

BATCH_BYTES = 400_000
"""As the tracker's own batches: large ones cost the sender and the broker least per record."""

# Event type → base topic and the payload's field that becomes the key.
PUBLISHED: Mapping[str, tuple[str, str]] = {
    lms.PASSING: ("learning-badges-lifecycle", "course.course_key"),
    lms.CCX_PASSING: ("learning-badges-lifecycle", "course.ccx_course_key"),
    lms.CERTIFIED: ("learning-certificate-lifecycle", "course.course_key"),
    lms.UNCERTIFIED: ("learning-certificate-lifecycle", "course.course_key"),
    lms.EXAM_SUBMITTED: ("learning-exam-attempt-lifecycle", "course_key"),
    lms.EXAM_VERIFIED: ("learning-exam-attempt-lifecycle", "course_key"),
    lms.EXAM_REJECTED: ("learning-exam-attempt-lifecycle", "course_key"),
    lms.ENROLLED: ("course-enrollment-lifecycle", "course.course_key"),
    lms.GRADED: ("learning-grade-lifecycle", "course.course_key"),
    lms.REGISTERED: ("learning-user-lifecycle", "pii.username"),
}


@dataclass(frozen=True, slots=True)
class Emission:
    """A record for the bus.

    `happening` and `id` are its content, None and empty if it is unreadable. `fault` names what is wrong with
    it, empty if nothing is; `fate` is what the tracker must do with it.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    happening: Happening | None
    id: str = ""
    fault: str = ""
    fate: Fate = "read"


Fault = Callable[[Emission], Emission]
"""Makes a faulty one of a good passing status."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An emission and its position on the bus."""

    emission: Emission
    partition: int
    offset: int


def source_topics(prefix: str = "") -> tuple[str, ...]:
    """The topics that the LMS publishes to, in full."""
    return tuple(sorted({_full(prefix, base) for base, _ in PUBLISHED.values()}))


def subjects(prefix: str = "") -> dict[str, str]:
    """What the LMS registers: schemas' texts by subject (for keys, followed by `#` and the key field)."""
    texts: dict[str, str] = {}
    for event_type, (base, key_field) in PUBLISHED.items():
        topic = _full(prefix, base)
        key_schema = {"name": key_field.rpartition(".")[2], "type": "string"}
        texts[_key_subject(topic, key_field)] = json.dumps(key_schema, sort_keys=True)
        texts[_value_subject(topic, event_type)] = json.dumps(schemas.schema(event_type), sort_keys=True)
    return texts


async def register(registry_url: str, prefix: str = "") -> dict[str, int]:
    """Register every schema of the LMS; returns their ids by the names of `subjects`."""
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        ids = {}
        for subject, text in subjects(prefix).items():
            url = f"{registry_url}/subjects/{subject.partition('#')[0]}/versions"
            async with http.post(url, params={"normalize": "False"}, json={"schema": text}) as response:
                ids[subject] = int((await response.json(content_type=None))["id"])
        return ids


class Publisher:
    """Turns happenings into the records that the LMS's producers write; the same for the same `seed`."""

    def __init__(self, ids: Mapping[str, int], prefix: str = "", seed: int = 0) -> None:
        self._rng = random.Random(f"publisher-{seed}")
        self._channels = {
            event_type: _Channel(event_type, _full(prefix, base), key_field, ids)
            for event_type, (base, key_field) in PUBLISHED.items()
        }

    def publish(self, happenings: Iterable[Happening]) -> Iterator[Emission]:
        """The records of `happenings`, in their order."""
        for happening in happenings:
            ce_id = str(UUID(int=self._rng.getrandbits(128), version=1))
            yield self._channels[happening.type].emission(happening, ce_id)

    def spoil(
        self,
        emissions: Iterable[Emission],
        *,
        repeated: float,
        rubbish: float,
        faults: Mapping[str, Fault] | None = None,
    ) -> Iterator[Emission]:
        """`emissions`; of them a share is `repeated`, one followed by an unreadable record (`rubbish`)."""
        turns = cycle((faults or FAULTS).items())
        for emission in emissions:
            yield emission
            if self._rng.random() < repeated:
                yield replace(emission, fault="written twice")
            if emission.happening and emission.happening.type == lms.PASSING and self._rng.random() < rubbish:
                name, spoilt = next(turns)
                yield _spoilt(emission, name, spoilt)

    def rubbish(self, emission: Emission, fault: str) -> Emission:
        """A record like `emission`, which must be a passing status, but with a fault of `FAULTS`."""
        return _spoilt(emission, fault, FAULTS[fault])


class _Channel:
    """One event type on its topic."""

    def __init__(self, event_type: str, topic: str, key_field: str, ids: Mapping[str, int]) -> None:
        schema = schemas.schema(event_type)
        self._topic = topic
        self._schema = fastavro.parse_schema(schema)
        self._name = schema["fields"][0]["name"]
        self._key_path = key_field.split(".")
        self._key_frame = _frame(ids[_key_subject(topic, key_field)])
        self._frame = _frame(ids[_value_subject(topic, event_type)])
        self._keys: dict[str, bytes] = {}
        self._before = (
            ("ce_specversion", b"1.0"),
            ("content-type", b"application/avro"),
            ("ce_datacontenttype", b"application/avro"),
            ("ce_type", event_type.encode()),
        )
        self._after = (
            ("ce_minorversion", b"0"),
            ("sourcehost", b"lms.example.internal"),
            ("sourcelib", schemas.source_library().encode()),
        )

    def emission(self, happening: Happening, ce_id: str) -> Emission:
        buffer = io.BytesIO()
        buffer.write(self._frame)
        fastavro.schemaless_writer(buffer, self._schema, {self._name: happening.data})
        headers = (
            *self._before,
            ("ce_id", ce_id.encode()),
            ("ce_source", b"openedx/lms/web"),
            ("ce_time", happening.time.isoformat().encode()),
            *self._after,
        )
        return Emission(self._topic, self._key(happening.data), buffer.getvalue(), headers, happening, ce_id)

    def _key(self, data: Any) -> bytes:
        for name in self._key_path:
            data = data[name]
        key = self._keys.get(data)
        if key is None:
            buffer = io.BytesIO(self._key_frame)
            buffer.seek(0, io.SEEK_END)
            fastavro.schemaless_writer(buffer, "string", data)
            key = self._keys[data] = buffer.getvalue()
        return key


def _spoilt(emission: Emission, fault: str, spoilt: Fault) -> Emission:
    return replace(spoilt(emission), happening=None, id="", fault=fault)


def _dead(emission: Emission, **changes: Any) -> Emission:
    return replace(emission, fate="dead letter", **changes)


def _without(emission: Emission, *names: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value) for name, value in emission.headers if name not in names)


def _with(emission: Emission, name: str, value: bytes) -> tuple[tuple[str, bytes], ...]:
    return tuple((n, value if n == name else v) for n, v in emission.headers)


def _body(emission: Emission) -> bytes:
    assert emission.value is not None
    return emission.value


_UNKNOWN_ID = 2_000_000_011  # a registry counts from 1: no schema will have it

# What can be wrong with a record that reaches the tracker.
FAULTS: Mapping[str, Fault] = {
    "no header": lambda e: _dead(e, headers=()),
    "no type": lambda e: _dead(e, headers=_without(e, "ce_type")),
    "doubled type": lambda e: _dead(e, headers=(*e.headers, *(h for h in e.headers if h[0] == "ce_type"))),
    "no id": lambda e: _dead(e, headers=_without(e, "ce_id")),
    "doubled id": lambda e: _dead(
        e, headers=(*e.headers, ("ce_id", b"00000000-0000-1000-8000-000000000000"))
    ),
    "id is no uuid": lambda e: _dead(e, headers=_with(e, "ce_id", b"forty-two")),
    "no magic byte": lambda e: _dead(e, value=b"\1" + _body(e)[1:]),
    "no frame": lambda e: _dead(e, value=_body(e)[:3]),
    "truncated body": lambda e: _dead(e, value=_body(e)[: len(_body(e)) // 2]),
    "unknown schema id": lambda e: _dead(e, value=_frame(_UNKNOWN_ID) + _body(e)[5:]),
    "other schema": lambda e: _dead(e, headers=_with(e, "ce_type", lms.ENROLLED.encode())),
    "invalid utf-8": lambda e: _dead(e, value=_body(e).replace(b"learner", b"lea\xff\xfeer")),
    "tombstone": lambda e: replace(e, value=None, fate="dropped"),
    "unknown type": lambda e: replace(
        e, headers=_with(e, "ce_type", b"org.openedx.learning.unheard.of.v1"), fate="dropped"
    ),
}


async def emit(
    bootstrap: str,
    emissions: Iterable[Emission],
    *,
    rate: float | None = None,
    placed: Callable[[Sequence[Placed]], None] = lambda _: None,
    **connection: Any,
) -> None:
    """Write `emissions` to their topics in their order, `rate` per second or as fast as possible.

    Partitions are chosen as librdkafka does. `placed` gets the emissions that the broker has acknowledged;
    `connection` are aiokafka's arguments for it.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=8 * 1024 * 1024,
        **connection,
    )
    await producer.start()
    try:
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        for chunk in chunks(emissions, 5_000 if rate is None else max(1, int(rate / 20))):
            placed(await _send(producer, chunk))
            sent += len(chunk)
            if rate is not None:
                await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, chunk: Sequence[Emission]) -> list[Placed]:
    by_partition: dict[tuple[str, int], list[Emission]] = {}
    for emission in chunk:
        partitions = await producer.partitions_for(emission.topic)
        place = (emission.topic, crc32(emission.key or b"") % len(partitions))
        by_partition.setdefault(place, []).append(emission)
    sent = [await _send_in_order(producer, *place, records) for place, records in by_partition.items()]
    return [placed for batches in sent for batch in batches for placed in await _acknowledged(*batch)]


_Sent = tuple[asyncio.Future[Any], int, list[Emission]]


async def _send_in_order(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Emission]
) -> list[_Sent]:
    sent: list[_Sent] = []
    waiting = list(records)
    while waiting:
        batch = producer.create_batch()
        taken = 0
        for record in waiting:
            headers = list(record.headers)
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is None:
                break
            taken += 1
        future = await producer.send_batch(batch, topic, partition=partition)
        sent.append((future, partition, waiting[:taken]))
        del waiting[:taken]
    return sent


async def _acknowledged(
    future: asyncio.Future[Any], partition: int, records: Sequence[Emission]
) -> list[Placed]:
    base = (await future).offset
    return [Placed(record, partition, base + n) for n, record in enumerate(records)]


def chunks(emissions: Iterable[Emission], size: int) -> Iterator[list[Emission]]:
    """The emissions in their order, so many at a time."""
    iterator = iter(emissions)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _full(prefix: str, base: str) -> str:
    return f"{prefix}-{base}" if prefix else base


def _key_subject(topic: str, key_field: str) -> str:
    # A key schema is named after its field, so one subject holds several schemas; after `#` is whose.
    return f"{topic}-string#{key_field.rpartition('.')[2]}"


def _value_subject(topic: str, event_type: str) -> str:
    return f"{topic}-{event_type}.CloudEvent"


def _frame(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big")

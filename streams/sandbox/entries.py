"""The same LMS on a Redis bus: what `publisher` makes, as the entries that `edx-event-bus-redis` writes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from redis.asyncio import Redis
from redis.typing import EncodableT, FieldT

from streams.bus.entries import DATA, entry_id
from streams.bus.reader import FRAME_BYTES
from streams.sandbox import publisher
from streams.sandbox.lms import Happening
from streams.sandbox.publisher import FAULTS, Emission, Fault, Placed, Publisher, chunks

MAX_LEN = 10_000
"""The library's own default of `EVENT_BUS_REDIS_STREAM_MAX_LEN`."""
CHUNK = 250
"""Entries in a round trip: few enough that a stream is trimmed as it grows, not all at once."""
NOT_ON_REDIS = frozenset({"ce_specversion", "content-type", "ce_datacontenttype"})

# What can be wrong with an entry: what can be wrong with a record, without frame and doubled headers, and a
# body that goes on behind its end, which no schema id makes suspect here.
ENTRY_FAULTS: Mapping[str, Fault] = {
    name: FAULTS[name]
    for name in (
        "no header",
        "no type",
        "no id",
        "id is no uuid",
        "truncated body",
        "other schema",
        "invalid utf-8",
        "unknown type",
    )
} | {"body goes on": lambda e: replace(e, value=(e.value or b"") + b"\0", fate="dead letter")}


def press(prefix: str = "", seed: int = 0) -> Publisher:
    """A publisher for a site without a registry: the ids of schemas are not in an entry."""
    return Publisher(dict.fromkeys(publisher.subjects(prefix), 0), prefix, seed)


def spoilt(
    prefix: str, seed: int, happenings: Iterable[Happening], *, repeated: float, rubbish: float
) -> Iterator[Emission]:
    """The entries of `happenings`, with repetitions and rubbish among them."""
    printing = press(prefix, seed)
    emissions = printing.publish(happenings)
    return as_entries(printing.spoil(emissions, repeated=repeated, rubbish=rubbish, faults=ENTRY_FAULTS))


def as_entries(emissions: Iterable[Emission]) -> Iterator[Emission]:
    """Records of the bus as entries: no key, no frame, and headers that are fields without `ce_`."""
    for emission in emissions:
        fields = ((n.removeprefix("ce_"), v) for n, v in emission.headers if n not in NOT_ON_REDIS)
        value = None if emission.value is None else emission.value[FRAME_BYTES:]
        yield replace(emission, key=None, value=value, headers=tuple(fields))


async def emit(
    url: str,
    entries: Iterable[Emission],
    *,
    rate: float | None = None,
    max_len: int = MAX_LEN,
    placed: Callable[[Sequence[Placed]], None] = lambda _: None,
) -> None:
    """Add `entries` to their streams in their order, `rate` per second or as fast as possible.

    `placed` gets those that Redis has taken, each at the number of its id in partition 0.
    """
    async with Redis.from_url(url) as redis:
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        for chunk in chunks(entries, CHUNK if rate is None else max(1, min(CHUNK, int(rate / 20)))):
            async with redis.pipeline(transaction=False) as pipe:
                for entry in chunk:
                    pipe.xadd(entry.topic, _fields(entry), maxlen=max_len, approximate=True)
                ids = await pipe.execute()
            placed([Placed(entry, 0, entry_id(id).offset) for entry, id in zip(chunk, ids, strict=True)])
            sent += len(chunk)
            if rate is not None:
                await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))


def _fields(entry: Emission) -> dict[FieldT, EncodableT]:
    return {**dict(entry.headers), DATA: entry.value or b""}

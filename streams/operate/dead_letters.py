"""Dead letters: what was set aside and why; sending it again."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.errors import ConfigurationError, FatalError
from streams.headers import Headers, header
from streams.kafka.client import connection, partition_of, start
from streams.kafka.dead_letters import AGENT, DETAIL, ORIGIN, REASON, REDRIVEN, left_at
from streams.kafka.origin import origin_headers
from streams.operate.site import Site, site
from streams.settings import Settings

OURS = frozenset({REASON, DETAIL, AGENT, ORIGIN})
MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""More than any topic takes: how large a record may be is for the broker to say."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter; `id` is its place, `partition:offset`, prefixed with `relay:` for the relay's."""

    id: str
    record: ConsumerRecord
    reason: str
    detail: str
    agent: str
    place: str
    redriven: bool

    @property
    def at(self) -> datetime:
        """When it was set aside."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The original record's headers."""
        return [(name, value) for name, value in self.record.headers if name not in OURS]

    def header(self, name: str) -> str:
        """An original header as text; empty where there is none."""
        return _text(self.headers, name)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant; what is empty or None does not restrict them."""

    ids: frozenset[str] = frozenset()
    reason: str = ""
    agent: str = ""
    since: datetime | None = None
    redriven: bool = False

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.reason in ("", letter.reason)
            and self.agent in ("", letter.agent)
            and (self.since is None or letter.at >= self.since)
            and (self.redriven or not letter.redriven)
        )


@dataclass(frozen=True, slots=True)
class Redriven:
    """Ids of letters: those sent now and those `sent_before`, passed over; those whose record is `gone` from
    where it was left; those that there are not.
    """

    sent: Sequence[str]
    sent_before: Sequence[str]
    gone: Sequence[str]
    unknown: Sequence[str]


async def letters(settings: Settings, wanted: Filter) -> list[Letter]:
    """The letters of both workers that `wanted` takes, oldest first."""
    async with site(settings) as here:
        found = [letter for worker in _workers(here) for letter in await _letters(here, worker)]
    return sorted(filter(wanted.takes, found), key=_order)


async def redrive(settings: Settings, wanted: Filter) -> Redriven:
    """Send letters once more to the agent that judges them.

    The record keeps its bytes, headers and key; its origin becomes its place among the dead letters, under an
    epoch that rises with each redrive, because letters may be sent in any order, and a learner's watermark
    lets only what is higher pass. In the same transaction a mark is left there, so that nothing is sent twice
    unless `wanted.redriven` says so.
    """
    epoch = time.time_ns() // 1_000_000  # decision 0009
    sent: list[str] = []
    gone: list[str] = []
    meant: list[Letter] = []
    async with site(settings) as here:
        for worker in _workers(here):
            # One transactional id for a topic: of two who redrive at once, one is fenced and sends nothing.
            async with _producer(settings, f"{worker.letters}-redrive") as producer:
                found = await _letters(here, worker)
                ours = sorted(filter(replace(wanted, redriven=True).takes, found), key=_order)
                meant += ours
                due = [(letter, await _whole(here, letter)) for letter in ours if wanted.takes(letter)]
                whole = [(letter, record) for letter, record in due if record is not None]
                if whole:
                    await _send(producer, worker, whole, epoch)
            sent += [letter.id for letter, _ in whole]
            gone += [letter.id for letter, record in due if record is None]
    before = [letter.id for letter in meant if not wanted.takes(letter)]
    return Redriven(sent, before, gone, sorted(wanted.ids - {letter.id for letter in meant}))


def shown(letter: Letter) -> Iterator[str]:
    """A letter in full, but for the bytes of its value, which may hold personal data."""
    yield f"id        {letter.id}"
    yield f"at        {letter.at.isoformat()}"
    yield f"agent     {letter.agent}"
    yield f"reason    {letter.reason}"
    yield f"detail    {letter.detail}"
    yield f"origin    {letter.place}"
    yield f"redriven  {'yes' if letter.redriven else 'no'}"
    yield f"key       {(letter.record.key or b'').hex()}"
    value = letter.record.value
    yield f"value     {'left at its origin' if value is None else f'{len(value)} bytes'}"
    for name, value in letter.headers:
        yield f"header    {_printable(name.encode())}={_printable(value or b'')}"


@dataclass(frozen=True, slots=True)
class _Worker:
    """Whose letters: the `prefix` of their ids, the topic they are in, and the one they are sent again to."""

    prefix: str
    letters: str
    target: str


def _workers(here: Site) -> tuple[_Worker, _Worker]:
    names = here.topics
    return (
        _Worker("", names.dead_letters.name, names.activities.name),
        _Worker("relay:", names.relay_dead_letters.name, names.decisions.name),
    )


async def _letters(here: Site, worker: _Worker) -> list[Letter]:
    tps = await here.partitions(worker.letters)
    begins, ends = await here.begins(tps), await here.ends(tps)
    kept = [record for tp in tps async for record in here.records(tp, begins[tp], ends[tp])]
    marked = {_text(record.headers, REDRIVEN) for record in kept}
    return [_letter(worker.prefix, record, marked) for record in kept if not _text(record.headers, REDRIVEN)]


def _letter(prefix: str, record: ConsumerRecord, marked: set[str]) -> Letter:
    place = f"{record.partition}:{record.offset}"
    return Letter(
        f"{prefix}{place}",
        record,
        _text(record.headers, REASON),
        _text(record.headers, DETAIL),
        _text(record.headers, AGENT),
        _text(record.headers, ORIGIN),
        place in marked,
    )


@asynccontextmanager
async def _producer(settings: Settings, transactional_id: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection(settings), transactional_id=transactional_id, max_request_size=MAX_REQUEST_BYTES
    )
    try:
        await start(producer, settings)
        yield producer
    finally:
        # What was committed is committed, and a producer that was fenced may fail to stop.
        with suppress(KafkaError):
            await producer.stop()


async def _whole(here: Site, letter: Letter) -> ConsumerRecord | None:
    """The record that was set aside; None where it was left at its origin and is there no longer."""
    if letter.record.value is not None:
        return letter.record
    place = left_at(letter.record.headers)
    if place is None or letter.reason == "bad_batch":
        return None  # of a batch the letter stands for all records (decision 0033)
    sources = {source.name for source in here.topics.sources}
    if place.topic in sources and place.epoch != here.settings.source_epoch:
        return None  # another record is there by now
    tp = TopicPartition(place.topic, place.partition)
    if tp not in await here.partitions(tp.topic):
        return None
    begins, ends = await here.begins([tp]), await here.ends([tp])
    if begins[tp] <= place.offset < ends[tp]:
        async for record in here.records(tp, place.offset, place.offset + 1):
            return record
    return None


async def _send(
    producer: AIOKafkaProducer, worker: _Worker, due: list[tuple[Letter, ConsumerRecord]], epoch: int
) -> None:
    partitions = len(await producer.partitions_for(worker.target))
    if not partitions:
        raise ConfigurationError(f"topic {worker.target} does not exist")
    sent: list[asyncio.Future[Any]] = []
    # Fenced, aiokafka leaves futures that nobody can await, and each would be reported when it is collected.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    try:
        async with producer.transaction():
            for letter, record in due:
                for one in (_again(worker, letter, record, epoch, partitions), _mark(worker, letter)):
                    sent.append(await producer.send(**one))  # noqa: PERF401 (those before a failure are known)
            # A batch that failed does not fail aiokafka's transaction.
            await asyncio.gather(*sent)
    except ProducerFenced:
        raise FatalError(f"somebody else redrives {worker.letters} just now: nothing was sent") from None
    except KafkaError as error:
        raise FatalError(f"nothing was sent to {worker.target}: {error!r}") from error
    finally:
        await asyncio.gather(*sent, return_exceptions=True)


def _again(
    worker: _Worker, letter: Letter, record: ConsumerRecord, epoch: int, partitions: int
) -> dict[str, Any]:
    """The record as it is sent again: first where the letter is, from now on."""
    original = [(name, value) for name, value in record.headers if name not in OURS]
    return {
        "topic": worker.target,
        "key": record.key,
        "value": record.value,
        "headers": [*original, *origin_headers(letter.record, epoch)],
        "partition": partition_of(record.key or b"", partitions),
    }


def _mark(worker: _Worker, letter: Letter) -> dict[str, Any]:
    """What is left in the letter's partition, so that it is not sent twice."""
    place = letter.record
    mark = f"{place.partition}:{place.offset}".encode()
    return {
        "topic": worker.letters,
        "key": place.key,
        "value": b"",
        "headers": [(REDRIVEN, mark)],
        "partition": place.partition,
    }


def _order(letter: Letter) -> tuple[int, str, int, int]:
    """Oldest first, and in the order of their offsets."""
    record = letter.record
    return record.timestamp, record.topic, record.partition, record.offset


def _text(headers: Headers, name: str) -> str:
    value = header(headers, name)
    return "" if value is None else _printable(value)


def _printable(raw: bytes) -> str:
    """Text that does nothing to a terminal: what is no printable character is written out."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)

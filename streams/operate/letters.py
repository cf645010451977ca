"""Dead letters: what was set aside and why; sending it again."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from streams import origin
from streams.deadletters import AGENT, DETAIL, ORIGIN, REASON, REDRIVEN
from streams.errors import ConfigurationError
from streams.kafka import connection, partition_of, partitions_of, reader, records, start
from streams.settings import Settings
from streams.topics import Topic, topics

OURS = frozenset({REASON, DETAIL, AGENT, ORIGIN})
MAX_REQUEST_BYTES = 64 * 1024 * 1024


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


async def letters(settings: Settings, wanted: Filter) -> list[Letter]:
    """The letters of both workers that `wanted` takes, oldest first."""
    workers = {source.name: prefix for prefix, _, source in _workers(settings)}
    kept: dict[str, list[ConsumerRecord]] = {name: [] for name in workers}
    async with reader(settings) as consumer:
        tps = [tp for name in workers for tp in await partitions_of(consumer, name)]
        # All offsets first: aiokafka does not answer about them once it has fetched.
        begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        for tp in tps:
            kept[tp.topic] += [record async for record in records(consumer, tp, begins[tp], ends[tp])]
    found = [letter for name, some in kept.items() for letter in _letters(workers[name], some)]
    return sorted(filter(wanted.takes, found), key=lambda letter: (letter.at, letter.id))


async def redrive(settings: Settings, wanted: Filter, *, again: bool = False) -> list[str]:
    """Send letters once more to the agent that judges them; return the ids of those that were sent.

    The record keeps its bytes, headers and key; its origin becomes its place among the dead letters. In the
    same transaction a mark is left there, so that nothing is sent twice unless `again` says so.
    """
    sent: list[str] = []
    for _, target, source in _workers(settings):
        # One transactional id for each topic: of two that redrive at once, one is fenced and sends nothing.
        async with _producer(settings, f"{source.name}-redrive") as producer:
            due = [
                letter
                for letter in await letters(settings, Filter(redriven=True))
                if letter.record.topic == source.name
                and wanted.takes(letter)
                and (again or not letter.redriven)
            ]
            if due:
                await _send(producer, due, target, source)
            sent += [letter.id for letter in due]
    return sent


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
    yield f"value     {len(letter.record.value or b'')} bytes"
    for name, value in letter.headers:
        yield f"header    {name}={(value or b'').decode('utf-8', 'backslashreplace')}"


def _workers(settings: Settings) -> tuple[tuple[str, Topic, Topic], ...]:
    """For each worker: the prefix of its letters' ids, where they are sent again, where they are."""
    names = topics(settings)
    return (("", names.activities, names.dead_letters), ("relay:", names.decisions, names.relay_dead_letters))


def _letters(prefix: str, kept: Iterable[ConsumerRecord]) -> list[Letter]:
    marked: set[str] = set()
    found: list[ConsumerRecord] = []
    for record in kept:
        mark = _text(record.headers, REDRIVEN)
        if mark:
            marked.add(mark)
        else:
            found.append(record)
    return [_letter(prefix, record, marked) for record in found]


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
        await producer.stop()


async def _send(producer: AIOKafkaProducer, due: list[Letter], target: Topic, source: Topic) -> None:
    partitions = len(await producer.partitions_for(target.name))
    if not partitions:
        raise ConfigurationError(f"topic {target.name} does not exist")
    async with producer.transaction():
        for letter in due:
            record = letter.record
            await producer.send(
                target.name,
                key=record.key,
                value=record.value,
                headers=[*letter.headers, *origin.origin_headers(record, 0)],
                partition=partition_of(record.key or b"", partitions),
            )
            mark = f"{record.partition}:{record.offset}".encode()
            await producer.send(
                source.name, key=record.key, value=b"", headers=[(REDRIVEN, mark)], partition=record.partition
            )


def _text(headers: Iterable[tuple[str, bytes]], name: str) -> str:
    value = next((value for key, value in headers if key == name), None)
    return "" if value is None else value.decode("utf-8", "backslashreplace")

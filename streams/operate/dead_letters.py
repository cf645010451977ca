"""Dead letters: what was set aside and why, read in bounded memory however many there are."""

from array import array
from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Note
from streams.bus.activities import is_line, parsed
from streams.errors import ConfigurationError, UnreadableError
from streams.headers import Headers, header
from streams.kafka.dead_letters import (
    AGENT,
    BY,
    DETAIL,
    EPOCH,
    ORIGIN,
    REASON,
    REASONS,
    REDRIVEN,
    WHY,
    of_its_record,
)
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import Site, site
from streams.settings import Settings

RELAYS = "relay:"
"""How the ids of the relay's letters begin."""
HEAD = ("id", "at", "agent", "reason", "type", "event", "detail")
WIDTHS = (14, 25, 9, 18, 53, 36, 0)
"""Of a list's columns, each as wide as what is in it nearly always; it is printed as it is read."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter; `id` is its place, `partition:offset`, prefixed with `relay:` for the relay's.

    `note`: by whom and why it was sent again, where that is known.
    """

    id: str
    record: ConsumerRecord
    reason: str
    detail: str
    agent: str
    place: str
    redriven: bool
    note: Note | None = None

    @property
    def at(self) -> datetime:
        """When it was set aside."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """The original record's headers."""
        return of_its_record(self.record.headers)

    @property
    def what(self) -> str:
        """What was wrong, in words."""
        words = REASONS.get(self.reason, "")
        return f"{words}: {self.detail}" if words and self.detail else words or self.detail

    @property
    def row(self) -> tuple[str, ...]:
        """Its row of a list, by `HEAD`."""
        at = self.at.isoformat(timespec="seconds")
        type, event = self.event
        return self.id, at, self.agent, self.reason, type, event, self.what

    @property
    def event(self) -> tuple[str, str]:
        """The event's type and id; empty where the record does not say them."""
        if is_line(value := self.record.value or b""):
            return said(value)
        return self.header("ce_type") or self.header("type"), self.header("ce_id") or self.header("id")

    def header(self, name: str) -> str:
        """An original header as text; empty where there is none."""
        return printable(header(self.headers, name) or b"")

    def as_json(self) -> dict[str, Any]:
        """What the list has of it."""
        type, event = self.event
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "agent": self.agent,
            "reason": self.reason,
            "detail": self.detail,
            "type": type,
            "event": event,
            "origin": self.place,
            "redriven": self.redriven,
        }


class Learners(Protocol):
    """Knows about whom a record is."""

    async def learner(self, record: ConsumerRecord) -> int | None:
        """The learner's id; None where the record names none, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are meant; what is empty or None does not restrict them. `since <= at < until`."""

    reason: str = ""
    agent: str = ""
    since: datetime | None = None
    until: datetime | None = None
    learner: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant, but for its learner."""
        return (
            self.reason in ("", letter.reason)
            and self.agent in ("", letter.agent)
            and (self.since is None or letter.at >= self.since)
            and (self.until is None or letter.at < self.until)
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """Whose letters: the `prefix` of their ids, the topic they are in, and the one they are sent again to."""

    prefix: str
    letters: str
    target: str


class Marks:
    """Which letters were sent again, by the marks in these stretches of partitions."""

    def __init__(self) -> None:
        # Of a million letters eight megabytes; a set of them would be eighty.
        self._offsets: dict[TopicPartition, array[int]] = {}
        self._epochs: dict[TopicPartition, int] = {}
        # Of those that a person sent one by one.
        self._notes: dict[tuple[TopicPartition, int], Note] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take note of a record, if it is a mark. Of its own partition only: a letter's mark is beside it."""
        partition, offset = _marked(record)
        if partition != record.partition:
            return
        tp = TopicPartition(record.topic, partition)
        self._offsets.setdefault(tp, array("q")).append(offset)
        if by := _ours(record.headers, BY):
            self._notes[tp, offset] = by, _ours(record.headers, WHY)
        # A mark without an epoch was written after its redrive had taken the time as one.
        epoch = header(record.headers, EPOCH) or b""
        self._epochs[tp] = max(self.epoch(tp), int(epoch) if epoch.isdigit() else record.timestamp)

    def sort(self) -> None:
        """Make it ready to be asked, once all are added."""
        self._offsets = {tp: array("q", sorted(offsets)) for tp, offsets in self._offsets.items()}

    def has(self, record: ConsumerRecord) -> bool:
        """Whether this letter was sent again."""
        offsets = self._offsets.get(TopicPartition(record.topic, record.partition), ())
        at = bisect_left(offsets, record.offset)
        return at < len(offsets) and offsets[at] == record.offset

    def note(self, record: ConsumerRecord) -> Note | None:
        """By whom and why this letter was sent again, where that is known."""
        return self._notes.get((TopicPartition(record.topic, record.partition), record.offset))

    def epoch(self, tp: TopicPartition) -> int:
        """The highest under which a letter of this partition was sent again; 0 if none was."""
        return self._epochs.get(tp, 0)


class Letters:
    """The letters of some workers of a site, as they are when it is opened."""

    def __init__(self, here: Site, workers: Sequence[Worker], learners: Learners | None = None) -> None:
        self._here = here
        self._workers = {worker.letters: worker for worker in workers}
        self._learners = learners
        self._stretches: dict[TopicPartition, tuple[int, int]] = {}
        self.marks = Marks()

    async def open(self, partitions: Iterable[TopicPartition] | None = None, meter: Meter = NO_METER) -> None:
        """Note where the letters end, and which were sent again; of these partitions only, if given.

        Raises `ConfigurationError` where a topic of theirs does not exist.
        """
        known = [tp for name in self._workers for tp in await self._here.existing(name)]
        tps = [tp for tp in known if partitions is None or tp in set(partitions)]
        begins, ends = await self._here.begins(tps), await self._here.ends(tps)
        await self.open_within({tp: (begins[tp], ends[tp]) for tp in tps}, meter)

    async def open_within(
        self, stretches: Mapping[TopicPartition, tuple[int, int]], meter: Meter = NO_METER
    ) -> None:
        """As `open`, of these stretches alone: from an offset to before another."""
        self._stretches = dict(stretches)
        async for record in self._here.merged(self._stretches, meter):
            self.marks.add(record)
        self.marks.sort()

    async def each(self, wanted: Filter, meter: Meter = NO_METER) -> AsyncGenerator[Letter]:
        """Those that `wanted` takes, oldest first."""
        stretches = dict(self._stretches)
        if wanted.since is not None:
            first = await self._here.since(stretches, max(0, int(wanted.since.timestamp() * 1000)))
            stretches = {tp: (max(begin, first[tp]), end) for tp, (begin, end) in stretches.items()}
        async with aclosing(self._here.merged(stretches, meter)) as records:
            async for record in records:
                letter = self._letter(record)
                if letter is not None and await self.takes(wanted, letter):
                    yield letter

    async def takes(self, wanted: Filter, letter: Letter) -> bool:
        """Whether the letter is meant, also by whom it is about."""
        if not wanted.takes(letter):
            return False
        if wanted.learner is None or self._learners is None:
            return wanted.learner is None
        return await self._learners.learner(letter.record) == wanted.learner

    async def at(self, tp: TopicPartition, offset: int) -> Letter | None:
        """The letter at a place; None if there is none."""
        begin, end = self._stretches.get(tp, (0, 0))
        if not begin <= offset < end:
            return None
        async with aclosing(self._here.records(tp, offset, offset + 1)) as records:
            async for record in records:
                return self._letter(record)
        return None

    def _letter(self, record: ConsumerRecord) -> Letter | None:
        """None for a mark."""
        if _is_mark(record):
            return None
        return Letter(
            f"{self._workers[record.topic].prefix}{record.partition}:{record.offset}",
            record,
            _ours(record.headers, REASON),
            _ours(record.headers, DETAIL),
            _ours(record.headers, AGENT),
            _ours(record.headers, ORIGIN),
            self.marks.has(record),
            self.marks.note(record),
        )


def workers(here: Site) -> tuple[Worker, Worker]:
    """Tracker and relay."""
    names = here.topics
    return (
        Worker("", names.dead_letters.name, names.activities.name),
        Worker(RELAYS, names.relay_dead_letters.name, names.decisions.name),
    )


def places(here: Site, ids: Iterable[str]) -> dict[str, tuple[Worker, TopicPartition, int]]:
    """Where the letters with these ids are, if there are any; what is no id is left out."""
    found = {}
    tracker, relay = workers(here)
    for id in ids:
        worker = relay if id.startswith(RELAYS) else tracker
        partition, _, offset = id.removeprefix(RELAYS).partition(":")
        if all(number.isascii() and number.isdigit() and len(number) < 20 for number in (partition, offset)):
            found[id] = worker, TopicPartition(worker.letters, int(partition)), int(offset)
    return found


async def listed(
    settings: Settings,
    wanted: Filter,
    *,
    redriven: bool = False,
    limit: int | None = None,
    meter: Meter = NO_METER,
) -> AsyncGenerator[Letter]:
    """The letters of both workers that `wanted` takes, oldest first, at most `limit`.

    With `redriven` also those that were sent again.
    """
    async with site(settings) as here, learners(settings, wanted) as known:
        letters = Letters(here, workers(here), known)
        await letters.open(meter=meter)
        count = 0
        async with aclosing(letters.each(wanted, meter)) as each:
            async for letter in each:
                if letter.redriven and not redriven:
                    continue
                yield letter
                count += 1
                if count == limit:
                    return


@asynccontextmanager
async def learners(settings: Settings, wanted: Filter) -> AsyncIterator[Learners | None]:
    """What says about whom letters are, if `wanted` asks for that: it needs the registry."""
    if wanted.learner is None:
        yield None
        return
    from streams.bus.schemas import event_types
    from streams.operate.decoding import decoder  # dear, and seldom wanted

    async with decoder(settings, event_types()) as bus:
        yield bus


async def letter(settings: Settings, id: str) -> Letter:
    """The letter with this id; raise `ConfigurationError` where there is none."""
    async with site(settings) as here:
        for worker, tp, offset in places(here, [id]).values():
            letters = Letters(here, [worker])
            await letters.open([tp])
            if (found := await letters.at(tp, offset)) is not None:
                return found
    raise ConfigurationError(f"there is no dead letter {id}")


def shown(letter: Letter) -> Iterator[str]:
    """A letter in full, but for the bytes of its value, which may hold personal data."""
    yield f"id        {letter.id}"
    yield f"at        {letter.at.isoformat()}"
    yield f"agent     {letter.agent}"
    yield f"reason    {letter.reason}"
    yield f"detail    {letter.what}"
    yield f"origin    {letter.place}"
    yield f"redriven  {'yes' if letter.redriven else 'no'}"
    if letter.note is not None:
        yield f"ordered   by {': '.join(letter.note)}"
    yield f"key       {(letter.record.key or b'').hex()}"
    value = letter.record.value
    yield f"value     {'left at its origin' if value is None else f'{len(value)} bytes'}"
    for name, value in letter.headers:
        yield f"header    {printable(name.encode())}={printable(value or b'')}"


def shown_as_json(letter: Letter) -> Mapping[str, Any]:
    """As `shown`."""
    value = letter.record.value
    return letter.as_json() | {
        "ordered": dict(zip(("by", "why"), letter.note, strict=True)) if letter.note else None,
        "key": (letter.record.key or b"").hex(),
        "value_bytes": None if value is None else len(value),
        "headers": [[printable(name.encode()), printable(value or b"")] for name, value in letter.headers],
    }


def said(line: bytes) -> tuple[str, str]:
    """The type and the id that the line of an activity has, whatever else it lacks."""
    try:
        value = parsed(line)
    except UnreadableError:
        return "", ""
    type, id = value.get("type"), value.get("id")
    return (_visible(type) if isinstance(type, str) else "", _visible(id) if isinstance(id, str) else "")


def printable(raw: bytes) -> str:
    """Text that does nothing to a terminal: what is no printable character is written out."""
    return _visible(raw.decode("utf-8", "backslashreplace"))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _ours(headers: Headers, name: str) -> str:
    """A header of ours, which comes after the record's own."""
    return printable(header(headers[::-1], name) or b"")


def _is_mark(record: ConsumerRecord) -> bool:
    """Whether it is one of ours: a letter has its origin, whatever headers its record came with."""
    names = {name for name, _ in record.headers}
    return not record.value and REDRIVEN in names and ORIGIN not in names


def _marked(record: ConsumerRecord) -> tuple[int, int]:
    """The place that a mark names; (-1, -1) for what is no mark."""
    if not _is_mark(record):
        return -1, -1
    partition, _, offset = (header(record.headers, REDRIVEN) or b"").partition(b":")
    return (int(partition), int(offset)) if partition.isdigit() and offset.isdigit() else (-1, -1)

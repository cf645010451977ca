"""Sending dead letters again: in transactions of a bounded size, each with the marks of what it sends."""

import time
from array import array
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Note
from streams.bus.activities import is_line, line, moved
from streams.bus.schemas import BADGE_EVENTS, event_types
from streams.errors import FatalError, UnreadableError
from streams.kafka.client import partition_of
from streams.kafka.dead_letters import BY, EPOCH, REDRIVEN, WHY, left_at, of_its_record
from streams.kafka.origin import origin_headers
from streams.operate.dead_letters import Filter, Letter, Letters, Marks, Worker, places, workers
from streams.operate.decoding import Decoder, decoder
from streams.operate.meter import NO_METER, Meter
from streams.operate.refused import Refused, refused
from streams.operate.sending import BATCH_BYTES, BATCH_RECORDS, Message, producer, send
from streams.operate.site import Site, site
from streams.operate.streams import streams
from streams.settings import Settings

REFUSED = "refused"
TRACKERS = ("bridge", "rekey", "track")
Pair = tuple[bytes, bytes]
"""A key and a value."""


class Ids:
    """Ids of letters, kept small: of a million sixteen megabytes."""

    def __init__(self) -> None:
        self._of: dict[str, array[int]] = {}

    def add(self, worker: Worker, letter: Letter) -> None:
        """Take note of one."""
        self._of.setdefault(worker.prefix, array("q")).extend((letter.record.partition, letter.record.offset))

    def __len__(self) -> int:
        return sum(map(len, self._of.values())) // 2

    def __iter__(self) -> Iterator[str]:
        for prefix, numbers in self._of.items():
            for at in range(0, len(numbers), 2):
                yield f"{prefix}{numbers[at]}:{numbers[at + 1]}"


@dataclass(frozen=True, slots=True)
class Redriven:
    """Which letters were sent now; which were `sent_before`, and passed over; of which the record is `gone`
    from where it was left; which are still `unreadable`, with the `reasons`; and ids that name no letter.
    """

    sent: Ids = field(default_factory=Ids)
    sent_before: Ids = field(default_factory=Ids)
    gone: Ids = field(default_factory=Ids)
    unreadable: Ids = field(default_factory=Ids)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to send: letters that `filter` takes, of these `ids` if there are any, and at most `limit`.

    With `again` also what was sent before. `note`: by whom and why it is ordered.
    """

    ids: Collection[str] = ()
    filter: Filter = field(default_factory=Filter)
    limit: int | None = None
    again: bool = False
    note: Note | None = None


async def redrive(settings: Settings, wanted: Wanted, told: Redriven, meter: Meter = NO_METER) -> None:
    """Send letters once more to the agent that judges them; `told` hears of each as it is committed.

    A record of the bus that `rekey` set aside goes on as an activity, if it can be read now. The origin of
    what is sent becomes its place among the dead letters, under an epoch that rises with each redrive,
    because letters may be sent in any order, and a learner's watermark lets only what is higher pass. In the
    same transaction a mark is left there, so that nothing is sent twice unless `wanted.again` says so.
    """
    async with site(settings) as here, decoder(settings, event_types() - BADGE_EVENTS) as bus:
        known = None if wanted.filter.learner is None else bus
        named = places(here, wanted.ids)
        told.unknown.extend(id for id in wanted.ids if id not in named)
        for worker in workers(here):
            own = {id: (tp, offset) for id, (of, tp, offset) in named.items() if of == worker}
            if wanted.ids and not own:
                continue
            # One transactional id for a topic: of two who redrive at once, one is fenced (decision 0009).
            async with producer(settings, f"{worker.letters}-redrive") as sending:
                letters = Letters(here, [worker], known)
                await letters.open([tp for tp, _ in own.values()] if own else None, meter)
                meant = (
                    _named(letters, own, wanted.filter, told) if own else letters.each(wanted.filter, meter)
                )
                partitions, now = len(await here.existing(worker.target)), time.time_ns() // 1_000_000
                note = wanted.note
                sender = Sender(here, bus, worker, sending, letters.marks, told, partitions, now, note)
                await _send(sender, meant, wanted)


async def _send(sender: "Sender", meant: AsyncGenerator[Letter], wanted: Wanted) -> None:
    async with aclosing(meant):
        async for letter in meant:
            if wanted.limit is not None and sender.sent >= wanted.limit:
                break
            await sender.take(letter, again=wanted.again)
    await sender.flush()


async def _named(
    letters: Letters, own: Mapping[str, tuple[TopicPartition, int]], wanted: Filter, told: Redriven
) -> AsyncGenerator[Letter]:
    """The letters with these ids that `wanted` takes, oldest first."""
    known = []
    for id, (tp, offset) in own.items():
        letter = await letters.at(tp, offset)
        if letter is not None and await letters.takes(wanted, letter):
            known.append(letter)
        else:
            told.unknown.append(id)
    for letter in sorted(
        known, key=lambda one: (one.record.timestamp, one.record.partition, one.record.offset)
    ):
        yield letter


@dataclass(slots=True)
class Sender:
    """Sends the letters of one worker, a transaction for as many as are bounded; `now` is in milliseconds."""

    here: Site
    bus: Decoder
    worker: Worker
    producer: AIOKafkaProducer
    marks: Marks
    told: Redriven
    partitions: int
    now: int
    note: Note | None = None
    due: list[tuple[Letter, Message]] = field(default_factory=list)
    bytes: int = 0
    refused: Refused | None = None

    @property
    def sent(self) -> int:
        """How many are sent, for the other worker too, or about to be."""
        return len(self.told.sent) + len(self.due)

    async def take(self, letter: Letter, *, again: bool) -> None:
        """Send it, with others; pass it over if it was sent before, unless `again`."""
        if letter.redriven and not again:
            self.told.sent_before.add(self.worker, letter)
            return
        if letter.reason == REFUSED and self.refused is None:
            self.refused = await refused(self.here)
        record = await _whole(self.here, letter)
        if record is None:
            self.told.gone.add(self.worker, letter)
            return
        try:
            message = await self.again(letter, record)
        except UnreadableError as error:
            self.told.unreadable.add(self.worker, letter)
            self.told.reasons[error.reason] += 1
            return
        self.due.append((letter, message))
        self.bytes += len(message["value"] or b"") + sum(len(value or b"") for _, value in message["headers"])
        if len(self.due) >= BATCH_RECORDS or self.bytes >= BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Send what was taken, in one transaction with its marks."""
        if not self.due:
            return
        try:
            await send(self.producer, self._messages())
        except ProducerFenced:
            raise FatalError(
                f"somebody else redrives {self.worker.letters} just now: {self._said()} was sent"
            ) from None
        except KafkaError as error:
            raise FatalError(f"{self._said()} was sent to {self.worker.target}: {error!r}") from error
        for letter, _ in self.due:
            self.told.sent.add(self.worker, letter)
        self.due, self.bytes = [], 0

    def _messages(self) -> Iterator[Message]:
        for letter, message in self.due:
            yield message
            yield self.mark(letter)

    def _said(self) -> str:
        return "nothing more" if len(self.told.sent) else "nothing"

    def epoch(self, tp: TopicPartition) -> int:
        """Higher than that of each redrive before, whatever the clock of who did it (decision 0044)."""
        return max(self.now, self.marks.epoch(tp) + 1)

    async def again(self, letter: Letter, record: ConsumerRecord) -> Message:
        """The record as it is sent again: first where the letter is, from now on.

        For an award that the tracker can say again, with what it knows now, the order to do so. Raises
        `UnreadableError` for what still cannot be read.
        """
        if self.refused is not None and letter.reason == REFUSED:
            order = self.refused.order(record.key)
            if order is not None:
                return order
        epoch = self.epoch(_partition(letter))
        if letter.agent in TRACKERS:
            key, value = await self._activity(letter, record, epoch)
            headers = []
        else:
            key, value = record.key, record.value
            original = of_its_record(record.headers)
            headers = [*original, *origin_headers(letter.record, epoch)]
        return {
            "topic": self.worker.target,
            "key": key,
            "value": value,
            "headers": headers,
            "partition": partition_of(key or b"", self.partitions),
        }

    async def _activity(self, letter: Letter, record: ConsumerRecord, epoch: int) -> Pair:
        if is_line(record.value):
            return moved(record.value, letter.record, epoch)
        event = await self.bus.event(record)
        if event is None:
            raise UnreadableError("no_type", "no event that names a learner")
        return b"%d" % event.learner, line(event, letter.record, epoch)

    def mark(self, letter: Letter) -> Message:
        """What is left in the letter's partition, so that it is not sent twice."""
        place = letter.record
        mark, epoch = f"{place.partition}:{place.offset}".encode(), b"%d" % self.epoch(_partition(letter))
        note = zip((BY, WHY), map(str.encode, self.note), strict=True) if self.note else ()
        return {
            "topic": self.worker.letters,
            "key": place.key,
            "value": b"",
            "headers": [(REDRIVEN, mark), (EPOCH, epoch), *note],
            "partition": place.partition,
        }


def _partition(letter: Letter) -> TopicPartition:
    return TopicPartition(letter.record.topic, letter.record.partition)


async def _whole(here: Site, letter: Letter) -> ConsumerRecord | None:
    """The record that was set aside; None where it was left at its origin and is there no longer."""
    if letter.record.value is not None:
        return letter.record
    place = left_at(letter.record.headers)
    if place is None or letter.reason == "bad_batch":
        return None  # of a batch the letter stands for all records (decision 0033)
    if place.topic in here.topics.streams:
        async with streams(here.settings) as redis:
            return await redis.at(place.topic, place.offset)
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

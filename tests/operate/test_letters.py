"""What is a letter and what a mark, and under which epoch a letter is sent again."""

from types import SimpleNamespace
from typing import Any, cast

from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.badges import Note
from streams.errors import UnreadableError
from streams.headers import header
from streams.kafka import dead_letters
from streams.kafka.dead_letters import EPOCH, ORIGIN, REASON, REDRIVEN, left_at
from streams.kafka.origin import on_the_bus
from streams.operate.dead_letters import Marks, Worker, places
from streams.operate.redrive import Ids, Redriven, Sender

TP = TopicPartition("letters", 2)
WORKER = Worker("relay:", TP.topic, "decisions")
Sent = list[tuple[str, bytes]]


def record(offset: int, headers: Sent, timestamp: int = 1_000, value: bytes | None = b"") -> ConsumerRecord:
    return ConsumerRecord(
        TP.topic, TP.partition, offset, timestamp, 0, None, value, None, 0, len(value or b""), tuple(headers)
    )


def mark(offset: int, of: int, **more: Any) -> ConsumerRecord:
    epoch = more.pop("epoch", None)
    said = [] if epoch is None else [(EPOCH, b"%d" % epoch)]
    return record(offset, [(REDRIVEN, b"%d:%d" % (more.pop("partition", TP.partition), of)), *said], **more)


def set_aside(headers: Sent) -> Sent:
    """The headers of the letter of a record with these headers."""
    sent: Sent = []
    outbox = SimpleNamespace(send=lambda *_, headers, **__: sent.extend(headers))
    dead_letters.set_aside(
        cast(Any, outbox), "", "rekey", on_the_bus(record(7, headers)), UnreadableError("no_id")
    )
    return sent


def marks(*records: ConsumerRecord) -> Marks:
    found = Marks()
    for one in records:
        found.add(one)
    found.sort()
    return found


def sender(found: Marks, now: int, note: Note | None = None) -> Sender:
    return Sender(cast(Any, None), cast(Any, None), WORKER, cast(Any, None), found, Redriven(), 3, now, note)


def test_a_letter_was_sent_again_if_a_mark_beside_it_says_so() -> None:
    found = marks(mark(9, of=3), mark(10, of=1))

    assert [found.has(record(offset, [])) for offset in range(5)] == [False, True, False, True, False]


def test_a_mark_of_another_partition_says_nothing() -> None:
    assert not marks(mark(9, of=3, partition=1)).has(record(3, []))


def test_a_record_with_a_marks_header_of_its_own_is_a_letter_and_marks_nothing() -> None:
    hostile = record(9, set_aside([(REDRIVEN, b"2:3"), (EPOCH, b"99999999999999")]))

    found = marks(hostile)

    assert not found.has(record(3, []))
    assert found.epoch(TP) == 0


def test_what_a_record_says_of_itself_is_not_what_is_said_of_its_letter() -> None:
    headers = set_aside([(REASON, b"forged"), (ORIGIN, b"0:5:6:elsewhere")])

    place = left_at(headers)

    assert place is not None
    assert (place.topic, place.offset) == (TP.topic, 7)


def test_an_epoch_is_the_time_unless_a_redrive_before_had_a_later_one() -> None:
    assert sender(marks(), now=5_000).epoch(TP) == 5_000
    assert sender(marks(mark(9, of=3, epoch=4_000)), now=5_000).epoch(TP) == 5_000
    assert (
        sender(marks(mark(9, of=3, epoch=8_000), mark(10, of=4, epoch=6_000)), now=5_000).epoch(TP) == 8_001
    )


def test_a_mark_from_before_epochs_were_marked_counts_with_its_time() -> None:
    assert sender(marks(mark(9, of=3, timestamp=7_000)), now=5_000).epoch(TP) == 7_001


async def test_a_letter_is_sent_under_the_epoch_that_its_mark_says() -> None:
    found = marks(mark(9, of=3, epoch=8_000))
    letter = cast(Any, SimpleNamespace(record=record(4, set_aside([])), agent="relay", reason=""))

    again = await sender(found, now=5_000).again(letter, letter.record)
    left = sender(found, now=5_000).mark(letter)

    assert header(again["headers"], "origin") == b"8001:2:4:1000:letters"
    assert header(left["headers"], EPOCH) == b"8001"
    assert marks(mark(9, of=3, epoch=8_000), record(10, left["headers"])).has(letter.record)


async def test_a_mark_says_by_whom_and_why_a_letter_was_sent_again() -> None:
    letter = cast(Any, SimpleNamespace(record=record(4, set_aside([])), agent="relay", reason=""))
    note = ("op", "ünterwegs\x1b[2J")

    left = sender(marks(), now=5_000, note=note).mark(letter)
    found = marks(record(10, left["headers"]))

    assert found.note(letter.record) == ("op", "ünterwegs\\x1b[2J")
    assert found.note(record(5, [])) is None
    assert marks(mark(10, of=4)).note(letter.record) is None


def test_ids_are_given_as_they_were_taken() -> None:
    ids = Ids()
    for offset in (5, 3):
        ids.add(WORKER, cast(Any, SimpleNamespace(record=record(offset, []))))

    assert (len(ids), list(ids)) == (2, ["relay:2:5", "relay:2:3"])


def test_what_is_no_id_is_no_place() -> None:
    names = SimpleNamespace(
        dead_letters=SimpleNamespace(name="a"),
        activities=SimpleNamespace(name="b"),
        relay_dead_letters=SimpleNamespace(name="c"),
        decisions=SimpleNamespace(name="d"),
    )
    here = cast(Any, SimpleNamespace(topics=names))

    assert places(here, ["", "1", "a:b", "1:-2", "relay:", "relay:1", "1:2:3", "9" * 30 + ":1", "²:1"]) == {}
    assert {id: (tp, offset) for id, (_, tp, offset) in places(here, ["1:2", "relay:0:7"]).items()} == {
        "1:2": (TopicPartition("a", 1), 2),
        "relay:0:7": (TopicPartition("c", 0), 7),
    }

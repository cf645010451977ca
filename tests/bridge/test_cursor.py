"""What follows from a look at a stream: cases that no Redis of today shows, and such as take long to make."""

from dataclasses import replace

import pytest

from streams.bridge.cursor import (
    EARLIER,
    Cursor,
    Look,
    Loss,
    Read,
    advanced,
    dump,
    fresh,
    goes_on,
    load,
    near_loss,
    picked_up,
    unread,
)
from streams.bus.entries import NO_ENTRY, EntryId


def at(number: int) -> EntryId:
    return EntryId(1_000 + number, 0)


def look(first: int, last: int, *, after: int, added: int | None = None, most: int = 1_000) -> Look:
    """A stream of the entries from `first` to `last`, of which that with the number `after` was read last."""
    there = range(max(first, after + 1), last + 1)
    return Look(
        length=last - first + 1,
        added=added,
        first=at(first) if first <= last else None,
        last=at(last),
        deleted=NO_ENTRY,
        there=first <= after <= last,
        entries=[(at(number), []) for number in there[:most]],
        more=len(there) > most,
    )


def read_to(number: int, count: int | None) -> Cursor:
    return Cursor(Read(at(number), count), 0, at(number).offset)


class TestAnOlderRedisWhichCountsNothing:
    def test_a_stream_goes_on_at_the_entry_that_was_read_last(self) -> None:
        seen = look(1, 9, after=5)

        assert goes_on(read_to(5, None), seen)
        after, loss = advanced(read_to(5, None), seen)
        assert (after.last, loss) == (Read(at(9), None), None)

    def test_a_gap_is_noticed_but_not_how_long_it_is(self) -> None:
        seen = look(7, 9, after=5)

        assert goes_on(read_to(5, None), seen)
        assert advanced(read_to(5, None), seen)[1] == Loss("trimmed", 0)

    def test_a_stream_that_was_emptied_is_no_loss_until_something_follows(self) -> None:
        emptied = replace(look(1, 0, after=5), last=at(5))

        assert advanced(read_to(5, None), emptied) == (read_to(5, None), None)

    def test_a_stream_that_lost_its_end_does_not_go_on(self) -> None:
        assert not goes_on(read_to(5, None), replace(look(1, 9, after=5), there=False))

    def test_once_redis_counts_the_number_is_known_at_the_end(self) -> None:
        seen = look(3, 9, after=5, added=9, most=2)
        between, loss = advanced(read_to(5, None), seen)
        assert (between.last, loss) == (Read(at(7), None), None)

        end, loss = advanced(between, look(3, 9, after=7, added=9))

        assert (end.last, loss) == (Read(at(9), 9), None)


def test_a_new_cursor_begins_at_the_first_entry_and_knows_its_number() -> None:
    after, loss = advanced(fresh(2), look(11, 14, after=0, added=14, most=2))

    assert (after.last, after.epoch, loss) == (Read(at(12), 12), 2, None)


def test_what_was_seen_and_not_read_of_a_stream_that_is_gone_is_known_to_be_lost() -> None:
    _, loss = picked_up(read_to(5, 5), None, [], seen=9)

    assert loss == Loss("evicted", 4)


def test_the_epoch_is_raised_only_where_an_entry_would_be_passed_over() -> None:
    again, _ = picked_up(read_to(5, 5), None, [], seen=5)

    assert advanced(again, look(6, 8, after=0, added=3))[0].epoch == 0
    assert advanced(again, look(5, 8, after=0, added=4))[0].epoch == 1


def test_some_earlier_entries_are_remembered_the_older_the_sparser() -> None:
    cursor = fresh(0)
    for number in range(1, 1_000):
        seen = look(1, number, after=number - 1, added=number)
        cursor, _ = advanced(cursor, seen)

    numbers = [read.count or 0 for read in cursor.earlier]
    assert len(numbers) <= EARLIER
    assert numbers[-8:] == list(range(991, 999))
    assert numbers[0] < 800
    assert numbers == sorted(set(numbers))


def test_a_stream_is_near_a_loss_by_what_it_keeps() -> None:
    shortened, whole = look(51, 100, after=60, added=100), look(1, 50, after=10, added=50)

    assert near_loss(unread(read_to(60, 60), shortened), shortened, max_len=10_000) == 0.8
    assert near_loss(unread(read_to(10, 10), whole), whole, max_len=10_000) == 0.004
    assert near_loss(0, look(1, 0, after=0, added=0), max_len=10_000) == 0.0


def test_a_cursor_is_kept_as_it_is_and_one_of_another_version_is_refused() -> None:
    cursor = Cursor(Read(at(9), None), 3, 77, (Read(at(1), 1), Read(at(5), 5)))

    assert load(dump(cursor)) == cursor
    with pytest.raises(ValueError, match="a cursor of version 2"):
        load(dump(cursor).replace(b'"v":1', b'"v":2'))

"""How far a feed is read, in a bounded row."""

from datetime import timedelta

import pytest

from streams.issuers.outcomes import Occurrence
from streams.relay.cursor import LATE, MOST, Cursor, after, dump, key_of, load
from streams.relay.rows import is_issuance
from tests.relay.virtual import EPOCH


def occurrence(number: int, seconds: float) -> Occurrence:
    return Occurrence(f"{number:036}", "other", EPOCH + timedelta(seconds=seconds))


def test_what_was_read_is_known_and_what_is_new_is_not() -> None:
    cursor = after(Cursor(), [occurrence(1, 0), occurrence(2, 60)], EPOCH + timedelta(hours=1))

    assert occurrence(1, 0) in cursor.known
    assert occurrence(3, 30) not in cursor.known
    assert occurrence(4, 60 - LATE.total_seconds() - 1) in cursor.known


def test_nothing_new_leaves_it_as_it_is() -> None:
    cursor = after(Cursor(), [occurrence(1, 0)], EPOCH)

    assert after(cursor, [], EPOCH + timedelta(days=9)) == cursor
    assert after(Cursor(), [], EPOCH) == Cursor()


def test_a_busy_feed_makes_no_row_that_grows_and_forgets_nothing_new() -> None:
    cursor = after(Cursor(), [occurrence(n, n / 10) for n in range(5 * MOST)], EPOCH + timedelta(days=1))

    assert len(cursor.times) == MOST
    assert len(dump(cursor)) < 100_000
    assert all(occurrence(n, n / 10) in cursor.known for n in range(4 * MOST - 1))
    assert occurrence(-1, 4.5 * MOST / 10) not in cursor.known


@pytest.mark.parametrize("at", [timedelta(days=300_000), None])
def test_a_time_that_cannot_be_right_hides_nothing_that_comes(at: timedelta | None) -> None:
    wrong = Occurrence("1", "other", None if at is None else EPOCH + at)
    cursor = after(Cursor(), [wrong], EPOCH)

    assert wrong in cursor.known
    assert occurrence(2, 1) not in cursor.known


def test_its_row_is_read_again_and_is_no_badges() -> None:
    cursor = after(Cursor(), [occurrence(1, 0)], EPOCH)

    assert load(dump(cursor)) == cursor
    assert load(dump(Cursor())) == Cursor()
    assert not is_issuance(key_of("an organization"))
    with pytest.raises(ValueError, match="version 2"):
        load(b'{"v":2}')

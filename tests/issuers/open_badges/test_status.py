"""A status list keeps its places and its bits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UnreadableError
from streams.issuers.open_badges.status import BITS, StatusList, decoded


@given(st.sets(st.integers(0, BITS - 1), max_size=50))
def test_what_is_revoked_is_read_again_and_nothing_else(places: set[int]) -> None:
    status = StatusList(taken=BITS).revoke(places)

    again = decoded(status.encoded(), BITS)

    assert again == status
    assert {place for place in range(0, BITS, 7) if again.is_revoked(place)} == {
        p for p in places if p % 7 == 0
    }
    assert all(map(again.is_revoked, places))


def test_places_are_given_one_after_the_other_until_the_list_is_full() -> None:
    status, first = StatusList().take()
    status, second = status.take()

    assert (first, second) == (0, 1)
    assert not status.is_full
    assert StatusList(taken=BITS).is_full


@pytest.mark.parametrize(
    "text", ["", "u", "x" + StatusList().encoded()[1:], "uAAAA", "u!", StatusList(b"ab").encoded()]
)
def test_what_is_no_status_list_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        decoded(text, 0)

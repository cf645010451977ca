"""Where a record was first goes with it, and is taken off again without a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.badges import Source
from streams.errors import UnreadableError
from streams.headers import Headers, header
from streams.kafka.origin import ORIGIN, ORIGIN_KEY, Original, forwarded, forwarding, on_the_bus
from tests.bus.memory import TIMESTAMP_MS, record

NAMES = st.sampled_from(["ce_id", "ce_type", ORIGIN, ORIGIN_KEY, ""]) | st.text()
HEADERS = st.lists(st.tuples(NAMES, st.binary())).map(tuple)


@given(
    key=st.none() | st.binary(), value=st.none() | st.binary(), headers=HEADERS, epoch=st.integers(0, 2**31)
)
def test_whatever_is_forwarded_can_be_restored(
    key: bytes | None, value: bytes | None, headers: Headers, epoch: int
) -> None:
    first = record(value, headers, key=key, topic="a:topic", offset=2**63 - 1)
    sent = record(value, tuple(forwarding(first, epoch)), key=b"another", topic="ours")
    assert forwarded(sent) == on_the_bus(first, epoch)


def test_a_record_that_nobody_forwarded_is_its_own_original() -> None:
    there = record(b"value", (("ce_id", b"id"),))
    assert on_the_bus(there, 3) == Original(
        b"key", b"value", (("ce_id", b"id"),), Source("bus", 0, 7, 3), TIMESTAMP_MS
    )


@pytest.mark.parametrize(
    "name",
    ["origin", "origin-key", "order", "dead-letter-redriven", "dead-letter-reason", "dead-letter-origin"],
)
def test_our_own_names_are_taken_off_what_comes_from_outside(name: str) -> None:
    theirs = (("ce_id", b"id"), ("origin-country", b"nl"))
    there = record(b"value", (theirs[0], (name, b"3:0"), theirs[1]))

    assert on_the_bus(there, 3).headers == theirs
    assert forwarding(there, 3)[:2] == list(theirs)
    assert (name, b"3:0") not in forwarding(there, 3)


@pytest.mark.parametrize(
    "origin",
    [
        *(b"", b"0:1:2:3", b"x:1:2:3:topic", b"0:1:2:x:topic", b"0:1:2:3:\xff"),
        *(b"0:1:%d:3:topic" % 2**63, b"0:%d:2:3:topic" % 2**63, b"%d:1:2:3:topic" % 2**63),
    ],
)
def test_an_origin_that_is_none_is_a_reason(origin: bytes) -> None:
    with pytest.raises(UnreadableError, match="origin"):
        forwarded(record(b"value", ((ORIGIN, origin),)))


def test_no_origin_and_one_without_a_value_are_a_reason() -> None:
    nothing: Headers = ((ORIGIN, None),)  # type: ignore[assignment]  # as aiokafka reads it
    for headers in ((), nothing):
        with pytest.raises(UnreadableError, match="origin"):
            forwarded(record(b"value", headers))


def test_of_several_headers_of_a_name_the_first_counts() -> None:
    headers = (("a", b"1"), ("b", b"2"), ("a", b"3"))
    assert [header(headers, name) for name in "abc"] == [b"1", b"2", None]

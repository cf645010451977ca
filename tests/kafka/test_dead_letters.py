"""A letter carries its record whole, says why, and where the record was."""

import pytest

from streams.badges import Source
from streams.errors import UnreadableError
from streams.headers import Headers, header
from streams.kafka.dead_letters import AGENT, DETAIL, DETAIL_CHARACTERS, KEY_BYTES, ORIGIN, left_at, set_aside
from streams.kafka.origin import Original

SOURCE = Source("a:topic", 4, 5, 3)
ERROR = UnreadableError("bad_body", "é" * 1_000)


class Outbox:
    """Takes records of so many bytes of value and key."""

    def __init__(self, largest: int = 100_000) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        self._largest = largest

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        if len(key or b"") + len(value or b"") > self._largest:
            raise UnreadableError("too_large")
        self.sent.append((topic, key, value, headers))


def letter(outbox: Outbox, key: bytes | None = b"key", value: bytes | None = b"value") -> Headers:
    set_aside(outbox, "letters", "track", Original(key, value, (("ce_id", b"id"),), SOURCE, 0), ERROR)
    [(_, _, _, headers)] = outbox.sent
    return headers


def test_a_letter_holds_its_record_and_the_reason() -> None:
    outbox = Outbox()
    headers = letter(outbox)
    assert outbox.sent[0][:3] == ("letters", b"key", b"value")
    assert headers[0] == ("ce_id", b"id")
    assert header(headers, AGENT) == b"track"
    assert left_at(headers) == SOURCE


def test_a_detail_is_cut_where_it_is_long() -> None:
    assert header(letter(Outbox()), DETAIL) == ("é" * DETAIL_CHARACTERS).encode()


def test_a_record_that_is_too_large_goes_without_value_and_headers_and_with_the_beginning_of_its_key() -> (
    None
):
    outbox = Outbox(2 * KEY_BYTES)
    headers = letter(outbox, key=b"k" * 5_000)
    assert outbox.sent[0][:3] == ("letters", b"k" * KEY_BYTES, None)
    assert header(headers, "ce_id") is None
    assert left_at(headers) == SOURCE


@pytest.mark.parametrize("place", [b"", b"0:1:2", b"0:x:2:topic", b"0:1:2:\xff"])
def test_a_letter_that_does_not_say_where_its_record_was_is_readable_all_the_same(place: bytes) -> None:
    assert left_at([(ORIGIN, place)]) is None

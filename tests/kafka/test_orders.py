"""An order is a record without a value; an event may have any headers and is none."""

import pytest

from streams.kafka.orders import FORGET, ORDER, order_of


@pytest.mark.parametrize(
    ("value", "headers", "order"),
    [
        (None, ((ORDER, FORGET),), FORGET),
        (b"", ((ORDER, FORGET),), FORGET),
        (b"an event", ((ORDER, FORGET),), None),
        (None, (), None),
        (None, ((ORDER, b"another"),), b"another"),
    ],
)
def test_what_is_an_order(value: bytes | None, headers: tuple[tuple[str, bytes], ...], order: object) -> None:
    assert order_of(value, headers) == order

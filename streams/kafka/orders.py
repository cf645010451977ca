"""Orders that an operator sends through the streams, because only a table's owner may write to it.

An order is a record without a value and with the header `order`; its key is a learner's id. Among
the activities it goes to the learner's partition; among the relay's decisions to every partition, because a
learner's badges may be in any.
"""

from streams.headers import Headers, header

ORDER = "order"
FORGET = b"forget"


def order_of(value: bytes | None, headers: Headers) -> bytes | None:
    """The order in a record; None for any other record."""
    return None if value else header(headers, ORDER)

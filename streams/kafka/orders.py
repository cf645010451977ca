"""Orders that an operator sends through the streams, because only a table's owner may write to it.

An order is a record without a value and with the header `order`; its key is a learner's id. Among
the activities it goes to the learner's partition; among the relay's decisions to every partition, because a
learner's badges may be in any.
"""

from streams.headers import Headers, header

ORDER = "order"
TEMPLATE = "template"
"""The badge template that an order to reissue is restricted to; without it, all of the learner's."""
FORGET = b"forget"
REISSUE = b"reissue"
IMPORT = b"import"
"""Of a badge, among the relay's decisions: unlike the others it has a value and the badge's key."""
LOOK = b"look"
"""Of an organization, among the relay's decisions: to read now what happened there; the key is its id."""
SEEN = b"seen"
"""Of a badge or a template, among the relay's decisions: no order, but what its issuer says has happened."""


def order_of(value: bytes | None, headers: Headers) -> bytes | None:
    """The order in a record; None for any other record."""
    return None if value else header(headers, ORDER)


def reissue(template: str | None) -> list[tuple[str, bytes]]:
    """The headers of an order to say again what was decided last of a learner's badges."""
    return [(ORDER, REISSUE), *([(TEMPLATE, template.encode())] if template else [])]

"""Commands that an operator sends through the streams, to whoever owns the state.

A record without a value and with the header `command`, whose key is a learner's id: on the activities, in
the learner's partition; on the relay's decisions, in every partition, for the learner's badges lie anywhere.
"""

from streams.headers import Headers, header

COMMAND = "command"
FORGET = b"forget"


def command_of(value: bytes | None, headers: Headers) -> bytes | None:
    """The command in a record; None for any other record."""
    return None if value else header(headers, COMMAND)

"""A record's headers."""

from collections.abc import Sequence

Headers = Sequence[tuple[str, bytes]]
"""Names may repeat, and their order counts. aiokafka reads a header without a value as None."""


def header(headers: Headers, name: str) -> bytes | None:
    """The value of the first header of this name; None where there is none."""
    for key, value in headers:
        if key == name:
            return value
    return None

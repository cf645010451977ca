"""What stays of a forgotten learner: only when that was.

Whatever is read again (a topic from its beginning, a dead letter) says nothing new of a learner who has been
forgotten since; the workers drop it by this (decision 0041).
"""

from datetime import datetime, timedelta

from streams.badges import stamp

FORGOTTEN_BYTES = 200
"""More than any row has that says nothing else: others need not be parsed to be told from it."""
MICROSECONDS = 1_000


def of_order(timestamp_ms: int) -> int:
    """When an order to forget was given, in microseconds since 1970: the end of its record's millisecond."""
    return (timestamp_ms + 1) * MICROSECONDS - 1


def is_past(forgotten: int, time: datetime, timestamp_ms: int) -> bool:
    """Whether something happened, or was written, at or before the learner was forgotten.

    `timestamp_ms` is that of its first record; below zero if the record has none.
    """
    return stamp(time) <= forgotten or 0 <= timestamp_ms * MICROSECONDS <= forgotten


def over_before(now: datetime, days: int) -> int:
    """Before this, nobody needs to be known as forgotten any more, in microseconds since 1970."""
    return stamp(now - timedelta(days=days))

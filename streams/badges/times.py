"""Moments: ISO 8601 text to `datetime`, `datetime` to whole microseconds."""

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_DATE = r"\d{4}-\d\d-\d\d|\d{8}"
_CLOCK = r"\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?"
_OFFSET = r"Z|[+-]\d\d(:?\d\d)?"
_TIME = re.compile(rf"({_DATE})([T ]{_CLOCK}({_OFFSET})?)?", re.ASCII | re.IGNORECASE)


def parse_time(text: str) -> datetime | None:
    """The moment of an ISO 8601 date or date-time, None if it is neither.

    Without an offset it is in UTC; a date means its midnight.
    """
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stamp(moment: datetime) -> int:
    """Whole microseconds since 1970, without the rounding of a float."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(stamp: int) -> datetime:
    """The reverse of `stamp`, in UTC."""
    return EPOCH + stamp * MICROSECOND

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
    """The moment that an ISO 8601 date or date-time names; naive is UTC, a date its midnight; else None."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def stamp(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(stamp: int) -> datetime:
    """The reverse of `stamp`, in UTC."""
    return EPOCH + stamp * MICROSECOND

"""Moments and durations: ISO 8601 text to `datetime`, that to whole microseconds, and the calendar."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_DATE = r"\d{4}-\d\d-\d\d|\d{8}"
_CLOCK = r"\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?"
_OFFSET = r"Z|[+-]\d\d(:?\d\d)?"
_USUAL = frozenset((len("YYYY-MM-DDThh:mm:ss+00:00"), len("YYYY-MM-DDThh:mm:ss.ffffff+00:00")))
_TIME = re.compile(rf"({_DATE})([T ]{_CLOCK}({_OFFSET})?)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Duration:
    """Calendar months, whose length differs, and an exact length."""

    months: int
    exact: timedelta

    def after(self, start: datetime) -> datetime:
        """The end of the duration if it begins at `start`; a day that the month lacks becomes its last.

        Raises `OverflowError` after the year 9999, which is Python's last.
        """
        years, month = divmod(start.month - 1 + self.months, 12)
        year = start.year + years
        if year > 9999:
            raise OverflowError("after the year 9999")
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day) + self.exact


def parse_time(text: str) -> datetime | None:
    """The moment of an ISO 8601 date or date-time, None if it is neither.

    Without an offset it is in UTC; a date means its midnight.
    """
    try:
        # As nearly all times are written; of the form, `fromisoformat` accepts nothing else in these places.
        if len(text) in _USUAL and text[4] == text[7] == "-" and text[10] == "T" and text[-6:] == "+00:00":
            return datetime.fromisoformat(text)
        if not _TIME.fullmatch(text):
            return None
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

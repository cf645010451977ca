"""ISO 8601 durations."""

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"P(?:(\d+)Y)?(?:(\d+)M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")


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


def parse_duration(text: str) -> Duration:
    """The duration that the text is; raises `ValueError` if it is none."""
    found = _DURATION.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        raise ValueError("must be an ISO 8601 duration, like P30D or PT12H")
    years, months, *rest = found.groups()
    given = [number for number in rest if number is not None]
    if any(not number.isdigit() for number in given[:-1]):
        raise ValueError("only the last number of a duration may have a fraction")
    try:
        lengths = {unit: _float(n) for unit, n in zip(_UNITS, rest, strict=True) if n is not None}
        return Duration(int(years or 0) * 12 + int(months or 0), timedelta(**lengths))
    except (OverflowError, ValueError):
        raise ValueError("is too long") from None


def parse_exact_duration(text: str) -> timedelta:
    """A duration without years and months, whose length differs; raises `ValueError` if it is none."""
    duration = parse_duration(text)
    if duration.months:
        raise ValueError("must be in weeks, days, hours, minutes, seconds: months and years differ in length")
    return duration.exact


def _float(number: str) -> float:
    return float(number.replace(",", "."))

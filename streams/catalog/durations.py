"""ISO 8601 durations."""

import re
from datetime import timedelta

from streams.badges import Duration

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"P(?:(\d+)Y)?(?:(\d+)M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")


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

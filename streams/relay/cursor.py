"""How far an organization's feed is read: a row of the table at the partition that reads it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from streams.issuers.issuer import Known
from streams.issuers.outcomes import Occurrence
from streams.relay.rows import KEPT

VERSION = 1
MOST = 1_000
"""So many occurrences are known by their ids: twenty pages, in a row of 60 kB."""
LATE = timedelta(hours=1)
"""By how much an occurrence may show later than newer ones."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The newest occurrences by id, each with its time in Unix seconds; all `before` a time are known."""

    times: Mapping[str, float] = field(default_factory=dict)
    before: datetime | None = None

    @property
    def known(self) -> Known:
        """What an issuer is told is known."""
        return Known(frozenset(self.times), self.before)


def after(cursor: Cursor, occurrences: Sequence[Occurrence], now: datetime) -> Cursor:
    """The cursor once these were read. A time in the future, or none, counts as `now`."""
    latest = now.timestamp()
    new = {of.id: min(latest, of.at.timestamp() if of.at else latest) for of in occurrences}
    times = sorted({**cursor.times, **new}.items(), key=lambda known: known[1])
    if not times:
        return cursor
    before = times[-1][1] - LATE.total_seconds()
    for _, at in times[:-MOST]:
        before = max(before, at)
    if cursor.before is not None:
        before = max(before, cursor.before.timestamp())
    return Cursor(dict(times[-MOST:]), datetime.fromtimestamp(before, UTC))


def key_of(organization: str) -> bytes:
    """The row's key: issuers keep theirs under other names."""
    return KEPT + b"feed/" + organization.encode()


def dump(cursor: Cursor) -> bytes:
    """A cursor as its row."""
    before = cursor.before and cursor.before.isoformat()
    return orjson.dumps({"v": VERSION, "known": cursor.times, "before": before})


def load(raw: bytes) -> Cursor:
    """The cursor of a row; raise `ValueError` for an unknown version."""
    value = orjson.loads(raw)
    if value.get("v") != VERSION:
        raise ValueError(f"a cursor of version {value.get('v')!r}")
    before = value["before"]
    return Cursor(value["known"], datetime.fromisoformat(before) if before else None)

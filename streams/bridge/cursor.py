"""How far a stream of Redis is read, and what went missing in it: values and pure functions.

Redis forgets: it shortens streams, evicts them, loses their end when it crashes, and its clock may be set
back. None of that raises an error for who reads on from an entry's id, so each look at a stream is compared
with what was read of it before (decision 0022).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from streams.bus.entries import NO_ENTRY, EntryId, Fields, entry_id

VERSION = 1
EARLIER = 16
"""Entries remembered by their ids, the older the sparser: of a stream that has lost its end, what is read
again begins after the last of them that is left."""

Kind = Literal["trimmed", "evicted", "crashed", "clock"]


@dataclass(frozen=True, slots=True)
class Read:
    """An entry that was read; `count` is its number since the stream's first, where that is known."""

    id: EntryId
    count: int | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream is read.

    `last` was read last. What was given on under `epoch` has offsets up to `highest`: an entry at or below it
    raises the epoch, for learners' watermarks would pass it over. `earlier` are some that were read before.
    """

    last: Read
    epoch: int = 0
    highest: int = 0
    earlier: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A stream as it was at one moment, and its next entries; all of them unless there is `more`.

    `length` entries are left of the `added` ones; Redis does not count these before its version 7. `last` is
    the id that it gave last, `deleted` the highest that somebody deleted by hand. `there` says whether the
    entry after which was read is.
    """

    length: int
    added: int | None
    first: EntryId | None
    last: EntryId
    deleted: EntryId
    there: bool
    entries: Sequence[tuple[EntryId, Fields]]
    more: bool

    @property
    def removed(self) -> int | None:
        """How many entries are no longer there, where that is known."""
        return None if self.added is None else self.added - self.length


@dataclass(frozen=True, slots=True)
class Loss:
    """What went missing before it was read, and how many entries of that are known."""

    kind: Kind
    entries: int = 0


def fresh(epoch: int) -> Cursor:
    """Of a stream that nobody has read under this epoch: it begins at the first entry that is there."""
    return Cursor(Read(NO_ENTRY, None), epoch)


def goes_on(cursor: Cursor, look: Look | None) -> bool:
    """Whether what is there now is the stream that was read, with its end; None where there is none."""
    last = cursor.last
    if last.id == NO_ENTRY:
        return True
    if look is None or look.last < last.id:
        return False
    if look.there or look.deleted >= last.id:
        return True
    gone = look.first is None or look.first > last.id
    return gone and (look.removed is None or last.count is None or look.removed >= last.count)


def picked_up(
    cursor: Cursor, look: Look | None, left: Sequence[Read], seen: int | None
) -> tuple[Cursor, Loss]:
    """Where to go on in a stream that does not go on, if `left` are those of `cursor.earlier` that are there.

    `seen` is how many entries had been added when it was looked at before.
    """
    if left:
        # Some entries that were read follow it: as a learner's last activities they change nothing.
        earlier = cursor.earlier[: cursor.earlier.index(left[-1])]
        return replace(cursor, last=left[-1], earlier=earlier), Loss("crashed")
    unread = max(0, seen - cursor.last.count) if seen is not None and cursor.last.count is not None else 0
    back = look is not None and look.last < cursor.last.id
    again = Cursor(Read(NO_ENTRY, 0), cursor.epoch, cursor.highest)
    return again, Loss("clock" if back else "evicted", unread)


def advanced(cursor: Cursor, look: Look) -> tuple[Cursor, Loss | None]:
    """The cursor once the entries of a look are read, and what had been trimmed before it."""
    count, lost = _counted(cursor, look)
    unsure = look.added is None and cursor.last.id != NO_ENTRY and not look.there and bool(look.entries)
    loss = Loss("trimmed", lost) if lost or unsure else None
    if not look.entries:
        return replace(cursor, last=replace(cursor.last, count=count)), loss
    begin, end = look.entries[0][0], look.entries[-1][0]
    epoch = cursor.epoch + (begin.offset <= cursor.highest)
    earlier = _thinned((*cursor.earlier, cursor.last)) if cursor.last.id != NO_ENTRY else ()
    return Cursor(Read(end, count), epoch, end.offset, earlier), loss


def unread(cursor: Cursor, look: Look) -> int:
    """How many entries come after the cursor, as far as a look at them says."""
    if look.added is None or cursor.last.count is None:
        return look.length if look.more else 0
    return look.added - cursor.last.count


def near_loss(left: int, look: Look, max_len: int) -> float:
    """How near the oldest of `left` unread entries is to the end at which a stream is shortened: 1 is there.

    A stream that was never shortened is taken to be when it has `max_len` entries.
    """
    length = look.length if look.removed else max(look.length, max_len)
    return left / length if length else 0.0


def dump(cursor: Cursor) -> bytes:
    """The cursor's row."""
    return orjson.dumps(
        {
            "v": VERSION,
            "last": _dumped(cursor.last),
            "epoch": cursor.epoch,
            "highest": cursor.highest,
            "earlier": list(map(_dumped, cursor.earlier)),
        }
    )


def load(row: bytes) -> Cursor:
    """The reverse; raises `ValueError` for a version that this program does not know."""
    value = orjson.loads(row)
    if value.get("v") != VERSION:
        raise ValueError(f"a cursor of version {value.get('v')!r}")
    return Cursor(_read(value["last"]), value["epoch"], value["highest"], tuple(map(_read, value["earlier"])))


def _counted(cursor: Cursor, look: Look) -> tuple[int | None, int]:
    """The number of the last entry once a look's are read, and how many were lost before it."""
    last, given = cursor.last, len(look.entries)
    if look.added is None or look.removed is None:
        return None, 0
    if last.count is None and last.id != NO_ENTRY:
        # Counted by a newer version of Redis from now on; at the end its number is known.
        return (None if look.more else look.added), 0
    before = look.removed if last.count is None else last.count
    begin = max(before, look.removed)
    # At the end it is known: entries that somebody deleted by hand are lost, too.
    count = begin + given if look.more else look.added
    return count, max(0, count - before - given)


def _thinned(earlier: tuple[Read, ...]) -> tuple[Read, ...]:
    """At most so many, every second of the older half left out when they are full."""
    half = EARLIER // 2
    return earlier if len(earlier) <= EARLIER else (*earlier[:half:2], *earlier[half:])


def _dumped(read: Read) -> list[Any]:
    return [str(read.id), read.count]


def _read(value: list[Any]) -> Read:
    return Read(entry_id(value[0]), value[1])

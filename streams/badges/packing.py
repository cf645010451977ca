"""A progress's long lists in a third of their space: what tells apart is short, what is read stays whole."""

import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from streams.badges.rules import Scalar

LONG = 256
"""Longer lists are packed. A thousand ids, times and values take 43 kB in place of 100; to unpack and pack
them costs a millisecond at each change, which the counts of an ordinary catalog need not pay."""
SHARED = 16
"""Longer lists are written once, however many requirements have them: those of one event type often count the
same activities."""
ENDS = 8
"""Ids kept from each end of a list of reasons: enough to say what it began and ended with."""

_UUIDS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:,[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})*"
)
_SHORT = re.compile("\1[0-9a-f]{16}")


Matches = tuple[tuple[str, ...], tuple[int, ...], tuple[Scalar, ...]]
"""Ids, times and values of what counts; times and values may be missing."""


class Lists:
    """The longer lists of a progress that is being written, each once: JSON gets `written`."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, Any, Any]] = []
        self._places: dict[Matches, int] = {}

    def place(self, matches: Matches) -> int:
        """Where they are written."""
        place = self._places.get(matches)
        if place is None:
            place = self._places[matches] = len(self.written)
            ids, times, values = matches
            packed = pack_ids(ids)
            self.written.append(
                matches if packed is None else (packed, pack_times(times), pack_values(values))
            )
        return place


def unpacked(ids: list[str] | str, times: list[int] | str, values: list[Scalar] | str) -> Matches:
    """What was written at a place."""
    return (
        unpack_ids(ids) if isinstance(ids, str) else tuple(ids),
        unpack_times(times) if isinstance(times, str) else tuple(times),
        unpack_values(values) if isinstance(values, str) else tuple(values),
    )


def pack_ids(ids: Sequence[str]) -> str | None:
    """Many ids as text; None where there are few, or some are not UUIDs in their usual form."""
    joined = ",".join(ids) if len(ids) > LONG else ""
    if not _UUIDS.fullmatch(joined):
        return None
    return b64encode(bytes.fromhex(joined.replace("-", "").replace(",", ""))).decode()


def unpack_ids(text: str) -> tuple[str, ...]:
    """The ids that were packed."""
    digits = b64decode(text).hex()
    return tuple(
        f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"
        for d in (digits[i : i + 32] for i in range(0, len(digits), 32))
    )


def pack_times(times: Sequence[int]) -> str:
    """Microseconds since 1970 as text."""
    return b64encode(struct.pack(f">{len(times)}q", *times)).decode()


def unpack_times(text: str) -> tuple[int, ...]:
    """The times that were packed."""
    raw = b64decode(text)
    return struct.unpack(f">{len(raw) // 8}q", raw)


def pack_values(values: Iterable[Scalar]) -> str:
    """Values as text that only tells them apart: 64 bits of a hash of each."""
    return b64encode(b"".join(bytes.fromhex(short(value)[1:]) for value in values)).decode()


def unpack_values(text: str) -> tuple[str, ...]:
    """The short forms of the values that were packed."""
    digits = b64decode(text).hex()
    return tuple(f"\1{digits[i : i + 16]}" for i in range(0, len(digits), 16))


def short(value: Scalar) -> str:
    """The form of a value that only tells it apart. Numbers that are equal have the same."""
    if isinstance(value, str):
        if value[:1] == "\1" and _SHORT.fullmatch(value):
            return value
        text = f"s{value}"
    else:
        text = f"n{int(value) if value == int(value) else value!r}"
    return "\1" + blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def place_of(values: Sequence[Scalar], value: Scalar) -> int | None:
    """Where `values` have the value, whole or in its short form; those that are short come first."""
    if value in values:
        return values.index(value)
    first = values[0] if values else None
    if isinstance(first, str) and first[:1] == "\1" and (form := short(value)) in values:
        return values.index(form)
    return None


def ends(reasons: Sequence[str | int]) -> tuple[str | int, ...]:
    """Of many reasons the first and the last, and how many lie between; what is ends already stays."""
    between = len(reasons) - 2 * ENDS
    if between <= 0 or isinstance(reasons[ENDS], int):
        return tuple(reasons)
    return (*reasons[:ENDS], between, *reasons[-ENDS:])


def ids_of(reasons: Iterable[str | int]) -> tuple[str, ...]:
    """The reasons that are there, without how many are left out."""
    return tuple(reason for reason in reasons if isinstance(reason, str))

"""Ids and values in the space that they need: what tells apart is short, what is read stays whole."""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from streams.badges.rules import Scalar

Id = bytes | str
"""An activity's id: the 16 bytes of a UUID; text where it is no UUID in its usual form."""
Key = str | int | float | bytes
"""What tells apart the matches of a requirement: a value, or 64 bits of a hash of a long one."""
Ids = bytes | Sequence[Id | int]
"""Ids that only are read: joined where all are UUIDs. A number stands for how many are left out there."""

ID = 16
"""Bytes of an id that is a UUID."""
LONG = 16
"""Longer lists are written once, however many requirements have them, and their values as hashes: those of
one event type often count the same activities, and a thousand course keys would take 30 kB."""
WHOLE = 64
"""Values of at most so many characters are kept whole, for a person to read: course keys are."""
ENDS = 8
"""Ids kept from each end of a list of reasons: enough to say what it began and ended with."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def pack_id(text: str) -> Id:
    """The id in the space that it needs."""
    return bytes.fromhex(text.replace("-", "")) if _UUID.fullmatch(text) else text


def text_of(id: Id) -> str:
    """The id as its event has it."""
    if isinstance(id, str):
        return id
    digits = id.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def joined(ids: Sequence[Id | int]) -> Ids:
    """Ids that from now on only are read."""
    # mypy does not narrow by `all`.
    return b"".join(ids) if all(isinstance(id, bytes) for id in ids) else list(ids)  # type: ignore[arg-type]


def ids_in(ids: Ids) -> Sequence[Id | int]:
    """The ids that were joined, one by one."""
    return [ids[i : i + ID] for i in range(0, len(ids), ID)] if isinstance(ids, bytes) else ids


def ends(ids: Sequence[Id]) -> Ids:
    """Of many ids the first and the last, and how many lie between."""
    between = len(ids) - 2 * ENDS
    return joined(ids) if between <= 0 else [*ids[:ENDS], between, *ids[-ENDS:]]


def texts(ids: Ids) -> tuple[str, ...]:
    """The ids as their events have them, without how many are left out."""
    return tuple(map(text_of, whole_ids(ids)))


def whole_ids(ids: Ids) -> Iterator[Id]:
    """The ids that were joined, without how many are left out."""
    return (id for id in ids_in(ids) if not isinstance(id, int))


def key_of(value: Scalar, keys: Sequence[Key] = ()) -> Key:
    """What tells the value apart among `keys`, some of which may be hashes.

    A boolean becomes text, because Python holds it equal to a number; the NUL in front keeps it apart from
    ordinary text.
    """
    key = f"\0{value}" if isinstance(value, bool) else value
    if isinstance(key, str) and len(key) > WHOLE:
        return _hash(key)
    # The hashes of a list that was long come before what came since.
    if keys and isinstance(keys[0], bytes) and key not in keys:
        short = _hash(key)
        return short if short in keys or len(keys) > LONG else key
    return key


def shown(key: Key) -> str | None:
    """The value that a key was made of, as a person reads it; None of one that is a hash."""
    return None if isinstance(key, bytes) else str(key).lstrip("\0")


def hashed(keys: Iterable[Key]) -> list[Key]:
    """The keys of a list that has become long."""
    return [key if isinstance(key, bytes) else _hash(key) for key in keys]


def _hash(key: str | float) -> bytes:
    """64 bits of a hash. Numbers that are equal have the same."""
    text = f"s{key}" if isinstance(key, str) else f"n{int(key) if key == int(key) else key!r}"
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()

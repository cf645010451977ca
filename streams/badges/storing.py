"""A progress as a compact, versioned value for MessagePack: maps, lists, texts, numbers and bytes."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from streams.badges import former
from streams.badges.model import User
from streams.badges.packing import ID, LONG, ids_in, joined
from streams.badges.progress import Known, Progress, Stored

VERSION = 3
"""Of what `dump` writes. `load` reads those before it, too, which were JSON."""

_COUNTED, _TIMES, _IDS, _KEYS = 2, 5, 6, 7
"""The places of a stored state that can be long."""
_KEY_BYTES = 8
_Lists = dict[bytes | tuple[Any, ...], int]
"""Long lists, by their places in what is written."""


def dump(progress: Progress) -> dict[str, Any]:
    """The progress as it is stored; `load` is its reverse."""
    p, user = progress, progress.user
    lists: _Lists = {}
    value: dict[str, Any] = {
        "v": VERSION,
        "c": bytes.fromhex(p.catalog),
        "p": p.places,
        "i": p.recent,
        "t": _written(p.templates, lists),
    }
    if user is not None:
        value["u"] = (user.id, user.is_active, user.username, user.email, user.name)
    if lists:
        value["l"] = list(lists)
    return value


def load(value: Mapping[str, Any]) -> Progress:
    """The progress that was dumped; raises `ValueError` for a version that this program does not know."""
    if value["v"] != VERSION:
        return former.load(value)
    user, lists = value.get("u"), value.get("l")
    return Progress(
        value["t"] if lists is None else _read(value["t"], lists),
        value["p"],
        value["i"],
        value["c"].hex(),
        None if user is None else User(*user),
    )


def _written(templates: Mapping[str, Known], lists: _Lists) -> Mapping[str, Known]:
    """With the long lists in `lists`, each once, however many requirements have them."""
    long = {}
    for id, (requirements, badge) in templates.items():
        for stored in requirements.values():
            if _is_long(stored):
                long[id] = [{r: _shortened(stored, lists) for r, stored in requirements.items()}, badge]
                break
    return {**templates, **long} if long else templates


def _is_long(stored: Stored) -> bool:
    if len(stored) > _TIMES and len(stored[_TIMES]) > LONG:
        return True
    counted = stored[_COUNTED]
    return len(counted) > LONG and _has_many(counted)


def _has_many(ids: bytes | Sequence[Any]) -> bool:
    return len(ids) > (LONG * ID if isinstance(ids, bytes) else LONG)


def _shortened(stored: Stored, lists: _Lists) -> Stored:
    fields = list(stored)
    if _has_many(counted := fields[_COUNTED]):
        fields[_COUNTED] = _place(lists, counted)
    if len(fields) > _TIMES and len(times := fields[_TIMES]) > LONG:
        fields[_TIMES] = _place(lists, struct.pack(f"<{len(times)}q", *times))
        fields[_IDS] = _place(lists, joined(fields[_IDS]))
        fields[_KEYS] = _place(lists, b"".join(fields[_KEYS]))
    return fields


def _place(lists: _Lists, long: bytes | Sequence[Any]) -> int:
    return lists.setdefault(long if isinstance(long, bytes) else tuple(long), len(lists))


def _read(templates: Mapping[str, Known], lists: Sequence[Any]) -> dict[str, Known]:
    return {
        id: [{r: _whole(stored, lists) for r, stored in requirements.items()}, badge]
        for id, (requirements, badge) in templates.items()
    }


def _whole(stored: Stored, lists: Sequence[Any]) -> Stored:
    fields = list(stored)
    if isinstance(fields[_COUNTED], int):
        fields[_COUNTED] = lists[fields[_COUNTED]]
    if len(fields) > _TIMES and isinstance(fields[_TIMES], int):
        times, ids, keys = (lists[fields[place]] for place in (_TIMES, _IDS, _KEYS))
        fields[_TIMES] = list(struct.unpack(f"<{len(times) // 8}q", times))
        fields[_IDS] = list(ids_in(ids))
        fields[_KEYS] = [keys[i : i + _KEY_BYTES] for i in range(0, len(keys), _KEY_BYTES)]
    return fields

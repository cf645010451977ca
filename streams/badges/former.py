"""Progress as the first edition of the engine wrote it, in JSON: versions 1 and 2.

It kept one match of each value: of a count in a window the newest, else the earliest. When a fulfilled
requirement was matched last is not known: it is taken to be the moment when it was fulfilled.
"""

import re
import struct
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from streams.badges.counting import State
from streams.badges.model import User
from streams.badges.packing import LONG, Id, Key, ends, hashed, ids_in, joined, key_of, pack_id
from streams.badges.progress import FINGERPRINT, Badge, Place, Progress, Stored, stored, stored_badge
from streams.badges.rules import Scalar

VERSIONS = (1, 2)

_SHORT = re.compile("\1[0-9a-f]{16}")
"""How version 2 wrote a value that only was told apart."""

_Long = tuple[Sequence[Id], Sequence[int], Sequence[Key]]


def load(value: Mapping[str, Any]) -> Progress:
    """The progress; raises `ValueError` for another version."""
    if value["v"] not in VERSIONS:
        raise ValueError(f"progress of version {value['v']}, which this program does not know")
    user, badges, requirements = value.get("u"), value.get("b", {}), value["r"]
    lists = [_unpacked(*written) for written in value.get("l", ())]
    places: dict[str, dict[str, Place]] = {}
    for place, (epoch, offset) in value["p"].items():
        topic, _, partition = place.rpartition("/")
        places.setdefault(topic, {})[partition] = [epoch, offset]
    return Progress(
        {
            id: [
                {r: stored(_state(lists, *state)) for r, state in requirements.get(id, {}).items()},
                _badge(*badges[id]) if id in badges else None,
            ]
            for id in {**requirements, **badges}
        },
        places,
        b"".join(each.to_bytes(FINGERPRINT, "big") for each in value["i"]),
        value["c"],
        None if user is None else User(*user),
    )


def _state(
    lists: Sequence[_Long],
    ids: list[str] | int,
    times: int | list[int] | None,
    distinct: str | None = None,
    values: Sequence[Scalar] = (),
) -> State:
    found: _Long = lists[ids] if isinstance(ids, int) else (list(map(pack_id, ids)), (), _keys(values))
    if isinstance(times, int):
        return State(times, times, joined(found[0]))
    return State(
        distinct=distinct,
        times=list(found[1] if times is None else times),
        ids=found[0],
        keys=[] if distinct is None else found[2],
    )


def _keys(values: Sequence[Scalar]) -> list[Key]:
    keys = [bytes.fromhex(v[1:]) if isinstance(v, str) and _SHORT.fullmatch(v) else key_of(v) for v in values]
    return hashed(keys) if len(keys) > LONG else keys


def _unpacked(ids: list[str] | str, times: list[int] | str, values: list[Scalar] | str) -> _Long:
    return (
        # Joined ids are all UUIDs: none says how many are left out.
        list(ids_in(b64decode(ids))) if isinstance(ids, str) else list(map(pack_id, ids)),  # type: ignore[arg-type]
        _times(b64decode(times)) if isinstance(times, str) else times,
        _eights(b64decode(values)) if isinstance(values, str) else _keys(values),
    )


def _times(raw: bytes) -> list[int]:
    return list(struct.unpack(f">{len(raw) // 8}q", raw))


def _eights(raw: bytes) -> list[bytes]:
    return [raw[i : i + 8] for i in range(0, len(raw), 8)]


def _badge(
    generation: int,
    awarded: int,
    activity: str,
    because: Sequence[str | int],
    revoked: int | None = None,
    revoked_by: str | None = None,
    catalog: str = "",
    revoked_catalog: str = "",
) -> Stored:
    reasons = [pack_id(id) if isinstance(id, str) else id for id in because]
    return stored_badge(
        Badge(
            generation,
            awarded,
            # Version 1 kept all reasons; mypy does not narrow by `any`.
            joined(reasons) if any(isinstance(id, int) for id in reasons) else ends(reasons),  # type: ignore[arg-type]
            None if reasons and reasons[-1] == pack_id(activity) else pack_id(activity),
            catalog,
            False,
            revoked,
            None if revoked_by is None else pack_id(revoked_by),
            revoked_catalog,
        )
    )

"""An issuance as its row of the table: a JSON-able value, and back (docs/formats.md)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from streams.issuers.outcomes import Recipient
from streams.relay.doubt import Doubt
from streams.relay.failing import Failing
from streams.relay.issuance import Issuance, KeptRecord
from streams.relay.seen import Seen

VERSION = 1
KEPT = b"kept:"
"""Begins the key of what an issuer has written down: neither a badge's UUID nor a learner's number."""


def is_issuance(key: bytes) -> bool:
    """Whether a row of the table is an issuance: of a badge, or of a forgotten learner."""
    return not key.startswith(KEPT)


def issuances(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, Issuance]]:
    """The issuances among rows of the table, by their keys."""
    return ((key, load(orjson.loads(raw))) for key, raw in rows if is_issuance(key))


def held_in(raw: bytes) -> bytes:
    """The issuer's id of the badge that a dumped row holds, empty if it holds none; no more of it is read."""
    _, found, rest = raw.partition(_HELD)
    return rest.partition(b'"')[0] if found else b""


def dump(issuance: Issuance) -> dict[str, Any]:
    """A value for JSON; fields with their default are left out."""
    value: dict[str, Any] = {
        "v": VERSION,
        "kind": issuance.kind,
        "template": issuance.template,
        "learner": issuance.learner,
        "rank": issuance.rank,
        "decision": issuance.decision,
        "time": issuance.time.isoformat(),
    }
    if (who := issuance.recipient) is not None:
        value["recipient"] = [who.username, who.email, who.name]
    if (kept := issuance.original) is not None:
        headers = [[name, _encode(raw)] for name, raw in kept.headers]
        value["original"] = [_encode(kept.value), headers]
    for name in ("doubt", "loose"):
        if (doubt := getattr(issuance, name)) is not None:
            value[name] = [doubt.about, doubt.at.isoformat(), *([doubt.address] if doubt.address else [])]
    if (failing := issuance.failing) is not None:
        value["failing"] = [at.isoformat() for at in (failing.since, failing.alone) if at]
    if (seen := issuance.seen) is not None:
        value["seen"] = [seen.badge, seen.state, seen.at.isoformat()]
    if issuance.answered_at is not None:
        value["answered_at"] = issuance.answered_at.isoformat()
    rest = {name: getattr(issuance, name) for name in (*_PLAIN, "past")}
    return value | {name: held for name, held in rest.items() if held}


def load(value: Mapping[str, Any]) -> Issuance:
    """The issuance of a dumped value; raise `ValueError` for an unknown version."""
    if value.get("v") != VERSION:
        raise ValueError(f"an issuance of version {value.get('v')!r}")
    who, kept = value.get("recipient"), value.get("original")
    at = value.get("answered_at")
    return Issuance(
        kind=value["kind"],
        template=value["template"],
        learner=value["learner"],
        rank=value["rank"],
        decision=value["decision"],
        time=datetime.fromisoformat(value["time"]),
        recipient=Recipient(*who) if who else None,
        original=_load_kept(kept) if kept else None,
        doubt=_load_doubt(value.get("doubt")),
        loose=_load_doubt(value.get("loose")),
        answered_at=datetime.fromisoformat(at) if at else None,
        failing=Failing(*map(datetime.fromisoformat, value["failing"])) if "failing" in value else None,
        seen=_load_seen(value.get("seen")),
        past=tuple(value.get("past", ())),
        **{name: value[name] for name in _PLAIN if name in value},
    )


_HELD = b',"held":"'
"""Before the id in a row: within a text each quotation mark has a backslash before it."""
_PLAIN = (
    "held",
    "state",
    "sure",
    "adopted",
    "found",
    "renews",
    "refused",
    "attempts",
    "forbidden",
    "answer",
    "reason",
)


def _encode(raw: bytes | None) -> str | None:
    # Latin 1 keeps every byte, and most of a badge event stays readable. A header may have no value.
    return None if raw is None else raw.decode("latin-1")


def _decode(text: str | None) -> Any:
    return None if text is None else text.encode("latin-1")


def _load_doubt(value: list[Any] | None) -> Doubt | None:
    return Doubt(value[0], datetime.fromisoformat(value[1]), *value[2:]) if value else None


def _load_seen(value: list[str] | None) -> Seen | None:
    return Seen(value[0], value[1], datetime.fromisoformat(value[2])) if value else None


def _load_kept(value: list[Any]) -> KeptRecord:
    body, headers = value
    return KeptRecord(
        _decode(body),
        tuple((name, _decode(text)) for name, text in headers),
    )

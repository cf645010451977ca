"""Badge events as the bus carries them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import orjson
from aiokafka.structs import ConsumerRecord

from streams.badges import badge_id, decision_id
from streams.bus import schemas
from streams.bus.activities import NOTE_CHARACTERS
from streams.bus.emitter import EVIDENCE, GENERATION, REASON, REISSUED
from streams.bus.reader import Event
from streams.errors import UnreadableError
from streams.headers import Headers, header
from streams.issuers.issuer import Evidence
from streams.issuers.outcomes import Recipient
from streams.relay.issuance import KeptRecord, Kind, Word

GENERATION_DIGITS = 18
"""A rank, twice a generation, must be a 64-bit number for the table's JSON."""
KINDS: Mapping[str, Kind] = {schemas.BADGE_AWARDED: "awarded", schemas.BADGE_REVOKED: "revoked"}


def word_of(event: Event, record: ConsumerRecord) -> Word:
    """What a decoded record says; raise `UnreadableError` if our tracker cannot have written it.

    The ids of a badge and of a decision are computed (decision 0017), so they are computed again here.
    """
    kind, learner = KINDS[event.type], event.learner
    template = event.data["template"]["uuid"].lower()
    generation = _generation(header(record.headers, GENERATION))
    try:
        given = UUID(event.data["uuid"])
        badge = badge_id(template, learner)
    except ValueError:
        raise UnreadableError("bad_badge", "its id, or its template's, is no UUID") from None
    if given != badge:
        raise UnreadableError("bad_badge", "its id is not that of its template and learner")
    decision = decision_id(badge, kind, generation)
    if UUID(event.id) != decision:
        raise UnreadableError("bad_badge", "its ce_id is not that of its badge, kind and generation")
    who = event.data["user"]["pii"]
    return Word(
        kind=kind,
        badge=str(badge),
        template=template,
        learner=learner,
        generation=generation,
        decision=str(decision),
        time=event.time,
        recipient=Recipient(who["username"], who["email"], who["name"]),
        original=KeptRecord(record.value, tuple(record.headers)),
        ordered=header(record.headers, REISSUED) is not None,
        reason=_reason(header(record.headers, REASON)),
    )


def evidence_in(headers: Headers) -> tuple[Evidence, ...]:
    """What counted for an award, as its event says; nothing where that cannot be read: the badge is due."""
    try:
        items = orjson.loads(header(headers, EVIDENCE) or b"[]")
        return tuple(
            Evidence(
                str(item["name"]), datetime.fromisoformat(item["at"]), tuple(map(str, item.get("values", ())))
            )
            for item in items
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()


def _reason(given: bytes | None) -> str:
    return (given or b"").decode(errors="replace")[:NOTE_CHARACTERS]


def _generation(given: bytes | None) -> int:
    if given is None or not given.isdigit() or len(given) > GENERATION_DIGITS:
        raise UnreadableError("bad_badge", "its generation is missing or no number")
    return int(given)

"""The messages by which a service is told of a badge: Standard Webhooks' `type`, `timestamp` and `data`."""

from typing import Any
from uuid import UUID, uuid5

import orjson

from streams.clock import zulu
from streams.issuers.http import Request
from streams.issuers.issuer import Award, Cause, Revocation, Wanted

AWARDED = "badge.awarded"
REVOKED = "badge.revoked"
FORGOTTEN = "badge.forgotten"


def awarded(award: Award) -> Request:
    """A badge is awarded."""
    who = award.recipient
    more: dict[str, Any] = {
        "recipient": {"email": who.email, "name": who.name, "username": who.username},
        "notify": award.notify,
    }
    if award.expires_at:
        more["expires_at"] = zulu(award.expires_at)
    if award.evidence:
        more["evidence"] = [
            {"name": one.name, "at": zulu(one.at), "values": one.values} for one in award.evidence
        ]
    return _message(AWARDED, award.cause.decision, award.wanted, award.cause, more)


def revoked(revocation: Revocation) -> Request:
    """A badge is revoked."""
    more: dict[str, Any] = {"notify": revocation.notify}
    if revocation.reason:
        more["reason"] = revocation.reason
    return _message(REVOKED, revocation.cause.decision, revocation.wanted, revocation.cause, more)


def forgotten(wanted: Wanted, cause: Cause) -> Request:
    """A learner is to be forgotten: of the badge, and of whom it was, nothing may stay."""
    id = uuid5(UUID(wanted.own), f"forgotten:{cause.time.isoformat()}")
    return _message(FORGOTTEN, str(id), wanted, Cause(cause.time, rank=cause.rank + 1), {})


def _message(type: str, id: str, wanted: Wanted, cause: Cause, more: dict[str, Any]) -> Request:
    data: dict[str, Any] = {
        "badge": wanted.own,
        "template": wanted.template,
        "earner": wanted.earner,
        "sequence": cause.rank,
    }
    if wanted.badge and wanted.badge != wanted.own:
        data["id"] = wanted.badge
    body = orjson.dumps({"type": type, "timestamp": zulu(cause.time), "data": data | more})
    return Request("POST", "", body, key=id)

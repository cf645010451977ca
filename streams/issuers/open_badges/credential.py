"""An Open Badges 3.0 credential out of a badge: a pure function; what comes of it is signed afterwards."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from streams.clock import zulu
from streams.issuers.issuer import Evidence
from streams.issuers.open_badges.achievement import Achievement
from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT
from streams.issuers.open_badges.status import entry


@dataclass(frozen=True, slots=True)
class Profile:
    """Who issues: a `did:web` and what people know it by."""

    id: str
    name: str
    url: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What nobody can guess of a badge: the last part of its credential's address, and the hash's salt."""

    address: str
    salt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge to be signed: whose, since when, until when, and its place in a status list."""

    salt: str = field(repr=False)
    email: str = field(repr=False)
    time: datetime
    expires_at: datetime | None
    list_url: str
    place: int
    evidence: tuple[Evidence, ...] = ()


def names(secret: bytes, badge: str, decision: str) -> Names:
    """The names of an award: the same again for the same key's secret, and not to be guessed without it.

    A badge's id follows from template and learner (decision 0017); were it the address, anybody could try
    all learners.
    """
    told = hmac.digest(secret, f"{badge} {decision}".encode(), "sha256").hex()
    return Names(told[:32], told[32:])


def credential(id: str, profile: Profile, achievement: Achievement, badge: Badge) -> dict[str, Any]:
    """The credential without its proof; `id` is its address."""
    issuer = {"id": profile.id, "type": ["Profile"], "name": profile.name}
    if profile.url:
        issuer["url"] = profile.url
    if profile.email:
        issuer["email"] = profile.email
    made: dict[str, Any] = {
        "@context": [CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT],
        "id": id,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": issuer,
        "validFrom": zulu(badge.time),
        "name": achievement.name,
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [_hashed(badge.email, badge.salt)],
            "achievement": achievement.told(),
        },
        "credentialStatus": entry(badge.list_url, badge.place),
    }
    if badge.expires_at is not None:
        made["validUntil"] = zulu(badge.expires_at)
    if badge.evidence:
        made["evidence"] = [
            {"type": ["Evidence"], "name": one.name, "narrative": one.description} for one in badge.evidence
        ]
    return made


def _hashed(email: str, salt: str) -> dict[str, Any]:
    """The learner as an IdentityObject: whoever knows the address can see that it is theirs, nobody else."""
    digest = hashlib.sha256((email.strip().lower() + salt).encode()).hexdigest()
    return {
        "type": "IdentityObject",
        "hashed": True,
        "identityHash": f"sha256${digest}",
        "identityType": "emailAddress",
        "salt": salt,
    }

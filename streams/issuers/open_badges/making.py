"""What is signed, published and kept when a badge is issued, revoked or deleted.

Published, by key, as JSON for everybody:

- `credentials/{id}`: a credential, and the same as a JWT, if it is wanted
- `status/{list}`: a status list, likewise
- `keys/{organization}/{key}`: a public key that has signed, with its issuer's name

A badge's id names its place: `{list}-{place}-{secret}`, and a list's the desk: `{organization}-{number}-{n}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from streams.clock import zulu
from streams.issuers.issuer import About, Award, Desk, Made, Signed
from streams.issuers.open_badges import HELD, did, is_of, proof, status
from streams.issuers.open_badges.achievement import Achievement
from streams.issuers.open_badges.credential import Badge, Profile, credential, names
from streams.issuers.open_badges.status import BITS, StatusList, unpacked
from streams.issuers.outcomes import Erased, Issued, Revoked

VERSION = 1

Published = dict[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Pen:
    """What signs for an organization."""

    desk: Desk
    issuer: str

    @property
    def method(self) -> str:
        """The verification method of the key."""
        return did.method(self.issuer, self.desk.key.name)

    def signed(self, document: Mapping[str, Any], at: datetime) -> Signed[bytes]:
        """A document as it is published: with its proof, and as a JWT where that is wanted."""
        options, claimed = proof.options(self.method, at), proof.claimed(document, self.method)
        tokens = (claimed.encode(),) if self.desk.jwt else ()
        proven, *signed = yield proof.hashes(document, options), *tokens
        value = {
            "v": VERSION,
            "organization": self.desk.organization,
            "document": proof.proven(document, options, proven),
        }
        if signed:
            value["jwt"] = proof.as_jwt(claimed, signed[0])
        return orjson.dumps(value)


def issue(desk: Desk, award: Award, about: About) -> Signed[Made]:
    """Sign a badge, in the next place of the desk's newest list."""
    pen, at = _pen(desk), award.cause.time
    list, place = _next(desk)
    told = names(desk.secret, award.wanted.own, award.cause.decision)
    id = f"{list}-{place}-{told.address}"
    document = credential(
        did.credential_url(desk.url, id),
        Profile(pen.issuer, desk.name or desk.url, desk.url),
        Achievement(
            f"{desk.url}/badges/achievements/{award.wanted.template}",
            about.name,
            about.description,
            about.criteria,
            about.image,
        ),
        Badge(
            told.salt,
            award.recipient.email,
            at,
            award.expires_at or None,
            _list_url(desk, list),
            place,
            award.evidence,
        ),
    )
    kept = {f"next/{desk.organization}": orjson.dumps([list, place + 1])}
    published: Published = {f"credentials/{id}": (yield from pen.signed(document, at))}
    if place == 0:
        published |= yield from _published_list(pen, list, StatusList(), at)
    published |= _introduced(pen, at, kept)
    return Made(Issued(id, HELD), published, kept)


def revoke(desk: Desk, badge: str, at: datetime) -> Signed[Made]:
    """Set the badge's bit in its list, if it has one."""
    if not is_of(desk.organization, badge):
        return Made(Revoked())
    published, kept = yield from _marked(desk, badge, at)
    return Made(Revoked(), published, kept)


def erase(desk: Desk, badge: str, at: datetime) -> Signed[Made]:
    """Delete the credential; its bit is set, since a copy of it may be anywhere."""
    if not is_of(desk.organization, badge):
        return Made(Erased())
    published, kept = yield from _marked(desk, badge, at)
    return Made(Erased(), {f"credentials/{badge}": None, **published}, kept)


def _marked(desk: Desk, badge: str, at: datetime) -> Signed[tuple[Published, dict[str, bytes]]]:
    pen = _pen(desk)
    list, place, _ = badge.rsplit("-", 2)
    packed = desk.kept.get(f"bits/{list}")
    before = unpacked(packed) if packed is not None else StatusList()
    after = before.revoke(int(place))
    kept = {f"bits/{list}": after.packed()}
    published = yield from _published_list(pen, list, after, at)
    return published | _introduced(pen, at, kept), kept


def _pen(desk: Desk) -> Pen:
    return Pen(desk, did.did(desk.url))


def _next(desk: Desk) -> tuple[str, int]:
    """The list and the place of the next badge."""
    row = desk.kept.get(f"next/{desk.organization}")
    if row is None:
        return f"{desk.organization}-{desk.number}-0", 0
    list, place = orjson.loads(row)
    if place < BITS:
        return list, place
    begin, _, number = list.rpartition("-")
    return f"{begin}-{int(number) + 1}", 0


def _list_url(desk: Desk, list: str) -> str:
    return f"{desk.url}/badges/status/{list}"


def _published_list(pen: Pen, list: str, bits: StatusList, at: datetime) -> Signed[Published]:
    document = status.credential(_list_url(pen.desk, list), pen.issuer, bits, zulu(at))
    return {f"status/{list}": (yield from pen.signed(document, at))}


def _introduced(pen: Pen, at: datetime, kept: dict[str, bytes]) -> Published:
    """The key, where this desk has not signed with it yet: what it signs must be verifiable at once."""
    name = f"keys/{pen.desk.organization}/{pen.desk.key.name}"
    if name in pen.desk.kept:
        return {}
    kept[name] = b"1"
    value = {
        "v": VERSION,
        "organization": pen.desk.organization,
        "issuer": pen.issuer,
        "name": pen.desk.name,
        "url": pen.desk.url,
        "since": zulu(at),
    }
    return {name: orjson.dumps(value)}

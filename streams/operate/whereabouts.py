"""Where a badge is on the issuer's side, by the relay's table."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import orjson
from aiokafka.structs import TopicPartition

from streams.catalog import CatalogDocument
from streams.issuers.outcomes import TAKEN_BACK
from streams.kafka.changelog import read
from streams.kafka.client import partition_of
from streams.operate.site import Site
from streams.relay.issuance import WITHHELD, Issuance, done
from streams.relay.rows import load


@dataclass(frozen=True, slots=True)
class Issuances:
    """What the relay's table has of some badges; `relay` is false where there is none to have a table."""

    rows: Mapping[str, Issuance]
    relay: bool

    def where(self, badge: str, document: CatalogDocument, decision: str = "") -> str:
        """Where a badge is, in words; `decision` is the id of what the tracker decided last of it."""
        if not self.relay:
            return "there is no relay here"
        issuance = self.rows.get(badge)
        if issuance is None:
            return "the relay has not heard of it: not yet, or its badge event is a dead letter"
        said = _where(issuance, document)
        if decision and decision != issuance.decision and issuance.kind != "forgotten":
            return f"the relay has not heard of the last decision yet; of the one before: {said}"
        return said


async def issuances(here: Site, badges: Collection[str]) -> Issuances:
    """What the relay's table has of these badges; each partition is read once."""
    tps = await here.partitions(here.topics.issuances.name)
    wanted: dict[TopicPartition, list[bytes]] = defaultdict(list)
    for badge in badges if tps else ():
        key = badge.encode()
        wanted[tps[partition_of(key, len(tps))]].append(key)
    rows: dict[str, Issuance] = {}
    for tp, keys in wanted.items():
        table = (await read(await here.consumer(), tp)).rows
        rows |= {key.decode(): load(orjson.loads(table[key])) for key in keys if key in table}
    return Issuances(rows, bool(tps))


def lacking(issuance: Issuance, document: CatalogDocument) -> str:
    """What its issuer must know of the learner first; empty if nothing, or the template is unknown."""
    template = document.templates.get(issuance.template)
    if template is None or issuance.kind != "awarded" or done(issuance) or issuance.held:
        return ""
    from streams.issuers.known import ISSUERS  # dear, and few badges wait for a learner's data

    issuer = ISSUERS[document.organizations[template.organization].provider]
    return issuer.lacks(issuance.recipient)


def _where(issuance: Issuance, document: CatalogDocument) -> str:
    at = f" {issuance.answered_at.isoformat(timespec='seconds')}" if issuance.answered_at else ""
    if issuance.refused:
        return f"refused{at}: {issuance.refused} (when that is mended: badge-streams reissue)"
    if done(issuance):
        held = f"issued as {issuance.held}, {issuance.state}" if issuance.held else "revoked"
        if issuance.held and issuance.state in TAKEN_BACK:
            held = f"{held} there by others (to issue it again: badge-streams reissue)"
        return f"{held}, as the issuer said{at}" if at else f"{held}: never issued"
    doing = _DOING[issuance.kind]
    if issuance.state == WITHHELD and issuance.kind == "awarded":
        return (
            f"{doing}; made as {issuance.held}, and not published, as the issuer said{at}: {issuance.answer}"
        )
    if issuance.template not in document.templates:
        return f"{doing}; waits for a catalog that has its template"
    if why := lacking(issuance, document):
        return f"{doing}; waits: {why}"
    tried = f"; tried {issuance.attempts} times" if issuance.attempts else ""
    answer = f"; the issuer said{at}: {issuance.answer}" if issuance.answer else ""
    alone = issuance.failing and issuance.failing.alone
    if alone:
        since = f"it alone fails, at least since {alone.isoformat(timespec='seconds')}"
        return f"{doing}; {since}; a dead letter after BADGES_ISSUER_GIVE_UP_HOURS{tried}{answer}"
    return f"{doing}; waits for its organization's turn, key, or an active template{tried}{answer}"


_DOING = {"awarded": "to be issued", "revoked": "to be revoked", "forgotten": "to be deleted"}

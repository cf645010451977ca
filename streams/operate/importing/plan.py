"""What is taken along of a learner: an order for the tracker, and one for the relay of each badge."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal
from uuid import UUID, uuid5

import orjson

from streams.badges import Brought, Import, User, badge_id, parse_time
from streams.bus.activities import brought_line
from streams.bus.schemas import BADGE_AWARDED
from streams.catalog import CatalogDocument
from streams.issuers.outcomes import Recipient
from streams.operate.importing.conditions import requirement_id
from streams.operate.importing.learners import Badge, Learner, OfTemplate
from streams.relay import importing

IMPORTS = UUID("6f2d1c58-6f0e-4a43-9d38-5a8f3c1c7b90")
"""The namespace of the ids of imports; drawn once."""


@dataclass(frozen=True, slots=True)
class Words:
    """An issuer's words for a badge's state: what it calls one that it has, by what the service calls it.

    The others are about the service's calls; `revoked` is there where the issuer has revoked it.
    """

    held: Mapping[str, str]
    revoked: str


WORDS: Mapping[str, Words] = {
    "credly": Words({word: word for word in ("pending", "accepted", "rejected", "expired")}, "revoked"),
    # Accredible's revocation is an expiry.
    "accredible": Words({"accepted": "published"}, "expired"),
}

What = Literal["fulfilled", "held", "to issue", "revoked", "to revoke"]
"""What is counted of a template: requirements; badges by what becomes of them."""
WHATS: tuple[What, ...] = ("fulfilled", "held", "to issue", "revoked", "to revoke")


@dataclass(frozen=True, slots=True)
class OfBadge:
    """What is taken along of a badge: its `line` for the relay, and what the service called it."""

    template: str
    badge: UUID
    line: bytes
    there: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken along of one learner."""

    order: Import
    badges: Sequence[OfBadge]


@dataclass(slots=True)
class Told:
    """How much is taken along of each template, and what is not, by why."""

    totals: dict[str, Counter[What]] = field(default_factory=lambda: defaultdict(Counter))
    learners: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Plan:
    """Says what is taken along under a catalog, at a time; `app_id` is that of the site."""

    document: CatalogDocument
    app_id: str
    now: datetime
    told: Told

    def taken(self, learner: Learner) -> Taken | None:
        """What is taken along of the learner; None if that is nothing."""
        templates: dict[str, Brought] = {}
        badges: list[OfBadge] = []
        for uuid, known in sorted(learner.templates.items()):
            id = _canonical(uuid)
            if id not in self.document.templates:
                what = f"learners' state of template {id}, which the catalog does not have"
                self.told.left_out[what] += 1
                continue
            badge = max(known.badges, key=_best, default=None)
            brought = self._brought(id, known, badge)
            if badge is not None:
                badges.append(self._badge(id, learner, badge, brought))
            if brought != Brought():
                templates[id] = brought
                self.told.totals[id]["fulfilled"] += len(brought.fulfilled)
        if not templates:
            return None
        self.told.learners += 1
        content = orjson.dumps({id: brought_line(brought) for id, brought in templates.items()})
        name = f"{self.app_id}:{learner.id}:{sha256(content).hexdigest()}"
        user = User(learner.id, True, learner.username, learner.email, learner.name)
        return Taken(Import(learner.id, str(uuid5(IMPORTS, name)), self.now, templates, user), badges)

    def _brought(self, template: str, known: OfTemplate, badge: Badge | None) -> Brought:
        fulfilled = tuple(sorted(set(self._fulfilled(template, known))))
        if badge is None:
            return Brought(fulfilled)
        awarded = self._time(badge.created)
        if badge.status == "awarded" and badge.state != self._words(template).revoked:
            return Brought(fulfilled, awarded)
        own = (r for r in self.document.templates[template].requirements if r.types != (BADGE_AWARDED,))
        reset = tuple(sorted({r.id for r in own} - set(fulfilled)))
        return Brought(fulfilled, awarded, max(awarded, self._time(badge.modified)), reset)

    def _fulfilled(self, template: str, known: OfTemplate) -> Iterator[str]:
        there = {requirement.id for requirement in self.document.templates[template].requirements}
        for id in known.fulfilled:
            if id is None:
                self.told.left_out["fulfilments of requirements that are there no more"] += 1
            elif (name := requirement_id(id)) in there:
                yield name
            else:
                what = f"fulfilments of {name} of template {template}, which the catalog does not have"
                self.told.left_out[what] += 1

    def _badge(self, template: str, learner: Learner, badge: Badge, brought: Brought) -> OfBadge:
        assert brought.awarded is not None
        external = _canonical(badge.external) if badge.external else ""
        words = self._words(template)
        state = words.held.get(badge.state, "")
        at, who = brought.awarded, None
        held, past = external, ""
        if brought.held:
            what: What = "held" if external else "to issue"
            if not external:
                who = Recipient(learner.username, learner.email, learner.name)
        else:
            at = brought.revoked or at
            what = "revoked"
            if external and badge.state == words.revoked:
                held, past, state = "", external, "revoked"
            elif external:
                what = "to revoke"
        self.told.totals[template][what] += 1
        kind: Literal["awarded", "revoked"] = "awarded" if brought.held else "revoked"
        line = importing.line(
            kind, template, learner.id, at, held=held, past=past, state=state, recipient=who
        )
        return OfBadge(template, badge_id(template, learner.id), line, _canonical(badge.uuid))

    def _words(self, template: str) -> Words:
        organization = self.document.templates[template].organization
        return WORDS.get(self.document.organizations[organization].provider, WORDS["credly"])

    def _time(self, text: str) -> datetime:
        """A time as the database or a dump writes it; none is after now."""
        found = parse_time(str(text).replace(" ", "T", 1))
        return self.now if found is None else min(found.astimezone(UTC), self.now)


def _best(badge: Badge) -> tuple[bool, bool, str]:
    """Of several rows of one badge (two names of a learner) the one that stands."""
    return badge.status == "awarded", bool(badge.external), str(badge.created)


def _canonical(uuid: str | int) -> str:
    try:
        return str(UUID(str(uuid)))
    except ValueError:
        return str(uuid)


def lines(told: Told, names: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """A row for each template, with how much of it is taken along."""
    for id, counts in sorted(told.totals.items()):
        yield [f"{names[id]} ({id})", *(str(counts[what]) for what in WHATS)]

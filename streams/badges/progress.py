"""One learner's progress: what is counted, fulfilled and held, and how a judgement changes it.

What is kept of a requirement and of a badge stays in its stored form until it is asked for: an activity
touches few of a learner's many.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any, Protocol

from streams.badges.counting import State
from streams.badges.model import Decision, Note, Source, User, value
from streams.badges.packing import Id, Ids, ends, pack_id
from streams.badges.times import stamp

REMEMBERED = 16
"""Ids of relevant activities kept per learner, to recognize one that a producer wrote twice: the second copy
comes soon after the first."""
FINGERPRINT = 8
"""Bytes of each: enough that no two of a learner's few remembered ids share it."""

IMPORTED = "imported"
"""In place of the revision of the rules, of a badge that was awarded elsewhere (decision 0027)."""

_FINGERPRINTS = blake2b(digest_size=FINGERPRINT)

Stored = Sequence[Any]
"""A state's or badge's fields in their order, without the last ones that have their defaults."""
Known = list[Any]
"""What is kept of one template: by id each requirement's `Stored`, and that of the badge, or None."""
Place = Sequence[int]
"""An epoch and an offset."""


class View(Protocol):
    """What completeness depends on: a progress, or one that is being judged."""

    def badge(self, template: str) -> "Badge | None":
        """The badge of a template."""

    def is_fulfilled(self, template: str, requirement: str) -> bool:
        """Whether a requirement is fulfilled that activities fulfil."""


@value
class Badge:
    """A learner's badge: its newest award with its reasons, and what revoked it, if anything did.

    Of many reasons `because` has the first and the last, and between them how many are left out. `awarded`
    and `revoked` are microseconds since 1970; `activity` and `revoked_by` are ids of activities or orders;
    without `activity` the last reason was it. `catalog` and `revoked_catalog` are the revisions under which
    these decisions were made. `ordered` and `revoked_ordered` say that an order made them, `note` and
    `revoked_note` by whom and why (decision 0076).
    """

    generation: int
    awarded: int
    because: Ids
    activity: Id | None = None
    catalog: str = ""
    ordered: bool = False
    revoked: int | None = None
    revoked_by: Id | None = None
    revoked_catalog: str = ""
    revoked_ordered: bool = False
    note: Note | None = None
    revoked_note: Note | None = None

    @property
    def imported(self) -> bool:
        """Whether another service awarded it, perhaps by other rules."""
        return self.catalog == IMPORTED

    @property
    def held(self) -> bool:
        """Whether the learner holds it, if it has not expired."""
        return self.revoked is None


@dataclass(slots=True)
class Progress:
    """Everything that the engine knows of one learner; only `take` changes one.

    `templates`: what is kept of each. `places`: by topic and partition of a source, the epoch and the highest
    offset applied. `recent`: fingerprints of the last relevant activities, newest last. `catalog`: the
    revision under which the last one was judged. `user`: what was last known of the learner.
    """

    templates: dict[str, Known]
    places: dict[str, dict[str, Place]]
    recent: bytes
    catalog: str
    user: User | None

    @staticmethod
    def initial() -> "Progress":
        """The progress of a learner of whom nothing is known."""
        return Progress({}, {}, b"", "", None)

    @property
    def badges(self) -> dict[str, Badge]:
        """All badges by template, also those that were revoked."""
        return {id: Badge(*badge) for id, (_, badge) in self.templates.items() if badge is not None}

    @property
    def states(self) -> Iterator[tuple[str, str, State]]:
        """What is known of each requirement, after its template and its id."""
        for template, (requirements, _) in self.templates.items():
            for requirement, stored in requirements.items():
                yield template, requirement, State(*stored)

    def badge(self, template: str) -> Badge | None:
        """The badge of a template."""
        _, badge = self.templates.get(template, _UNKNOWN)
        return None if badge is None else Badge(*badge)

    def is_held(self, template: str) -> bool:
        """Whether there is a badge of a template that is not revoked."""
        _, badge = self.templates.get(template, _UNKNOWN)
        return badge is not None and (len(badge) <= _REVOKED or badge[_REVOKED] is None)

    def requirement(self, template: str, requirement: str) -> State | None:
        """What is kept for a requirement, whether or not the catalog still has it."""
        requirements, _ = self.templates.get(template, _UNKNOWN)
        stored = requirements.get(requirement)
        return None if stored is None else State(*stored)

    def is_fulfilled(self, template: str, requirement: str) -> bool:
        """Whether a requirement is fulfilled that activities fulfil."""
        requirements, _ = self.templates.get(template, _UNKNOWN)
        stored = requirements.get(requirement)
        return stored is not None and stored[0] is not None

    def has_applied(self, source: Source) -> bool:
        """Whether this record, or a later one of its partition, was already applied."""
        partitions = self.places.get(source.topic)
        place = None if partitions is None else partitions.get(str(source.partition))
        if place is None:
            return False
        epoch, offset = place
        return source.offset <= offset if source.epoch == epoch else source.epoch < epoch

    def remembers(self, fingerprint: bytes) -> bool:
        """Whether the id is one of the last."""
        if fingerprint not in self.recent:
            return False
        at = self.recent.find(fingerprint)
        while at % FINGERPRINT and at >= 0:
            at = self.recent.find(fingerprint, at + 1)
        return at >= 0


_REVOKED = [field.name for field in fields(Badge)].index("revoked")
_UNKNOWN: Known = [{}, None]


@value
class Judgement:
    """What an activity or an order comes to: what is known now, and what was decided.

    `source` and `fingerprint` are by what it is recognized when it comes again; an order has no source, what
    catches up has neither. `states` and `badges` are those that changed, by template; a state that is None is
    dropped.
    """

    source: Source | None
    fingerprint: bytes
    user: User | None
    catalog: str
    states: Mapping[str, Mapping[str, State | None]]
    badges: Mapping[str, Badge]
    decisions: tuple[Decision, ...]


def evolve(progress: Progress, judgement: Judgement) -> Progress:
    """The progress after a judgement; the one before it stays as it was."""
    p, source = progress, judgement.source
    templates, places = {**p.templates}, p.places
    for template in judgement.states.keys() & templates.keys() | judgement.badges.keys() & templates.keys():
        requirements, badge = templates[template]
        templates[template] = [{**requirements}, badge]
    if source is not None:
        places = {**places, source.topic: {**places.get(source.topic, {})}}
    after = Progress(templates, places, p.recent, p.catalog, p.user)
    take(after, judgement)
    return after


def take(progress: Progress, judgement: Judgement) -> None:
    """Change a progress of one's own to that after a judgement: the only way from one state to the next.

    A unit of work has its learners' to itself: it need not copy for each activity what stays as it was
    (decision 0104).
    """
    p, j = progress, judgement
    for template, states in j.states.items():
        known = p.templates.setdefault(template, [{}, None])
        _change(known[0], states)
        if not known[0] and known[1] is None:
            del p.templates[template]
    for template, badge in j.badges.items():
        p.templates.setdefault(template, [{}, None])[1] = stored_badge(badge)
    if (source := j.source) is not None:
        places = p.places.setdefault(source.topic, {})
        places[str(source.partition)] = [source.epoch, source.offset]
    p.recent = (p.recent + j.fingerprint)[-REMEMBERED * FINGERPRINT :]
    p.catalog = j.catalog
    p.user = j.user


def fingerprint(activity_id: str) -> bytes:
    """64 bits of a hash of the id."""
    digest = _FINGERPRINTS.copy()  # costs less than a new one
    digest.update(activity_id.encode())
    return digest.digest()


def _change(requirements: dict[str, Stored], states: Mapping[str, State | None]) -> None:
    for id, state in states.items():
        if state is None:
            del requirements[id]
        else:
            requirements[id] = stored(state)


def stored(state: State) -> Stored:
    """The state as it is stored."""
    s = state
    if s.live:
        return [s.moment, s.newest, s.counted, s.floor, s.distinct, [*s.times], [*s.ids], [*s.keys], True]
    if s.times:
        return [s.moment, s.newest, s.counted, s.floor, s.distinct, s.times, s.ids, s.keys]
    return [s.moment, s.newest, s.counted] if s.floor is None else [s.moment, s.newest, s.counted, s.floor]


def stored_badge(badge: Badge) -> Stored:
    b = badge
    award = [b.generation, b.awarded, b.because, b.activity, b.catalog]
    if b.note is not None or b.revoked_note is not None:
        whole = [getattr(b, field.name) for field in fields(b)]
        return whole if b.revoked_note is not None else whole[:-1]
    if b.revoked is not None:
        return [*award, b.ordered, b.revoked, b.revoked_by, b.revoked_catalog, b.revoked_ordered]
    return [*award, True] if b.ordered else award


def awarded(decision: Decision, because: Sequence[Id], *, ordered: bool) -> Badge:
    """The badge of an award; `because` are the decision's reasons, packed."""
    activity = pack_id(decision.activity)
    return Badge(
        decision.generation,
        stamp(decision.time),
        ends(because),
        None if because and because[-1] == activity else activity,
        decision.catalog,
        ordered,
        note=decision.note,
    )


def revoked(badge: Badge, decision: Decision, *, ordered: bool) -> Badge:
    """The badge after its revocation."""
    return replace(
        badge,
        revoked=stamp(decision.time),
        revoked_by=pack_id(decision.activity),
        revoked_catalog=decision.catalog,
        revoked_ordered=ordered,
        revoked_note=decision.note,
    )

"""The step of `track`: one activity judged, and its learner's progress."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from streams import metrics
from streams.badges import (
    Activity,
    Badge,
    Catalog,
    Decision,
    Import,
    Judgement,
    Order,
    Progress,
    User,
    decide,
    evolve,
    latest,
    pruned,
    take,
)
from streams.bus.activities import (
    Line,
    activity_of,
    import_of,
    is_import,
    order_of,
    parsed,
    timestamp_of,
)
from streams.bus.emitter import BadgeEvent
from streams.errors import UnreadableError
from streams.headers import header
from streams.kafka import orders
from streams.kafka.dead_letters import set_aside
from streams.kafka.forgotten import is_past, of_order
from streams.kafka.origin import on_the_bus
from streams.runtime.fetched import Record
from streams.runtime.unit import Unit
from streams.tracker.evidence import evidence_of
from streams.tracker.rows import pack, unpack
from streams.tracker.tracker import Tracker

log = logging.getLogger(__name__)

PROGRESS_BYTES = 512 * 1024
"""Half of what a broker takes in a batch by default (1 MB); a progress is written whole at each change."""
PRUNED = 0.75
"""The part of the bound that a progress has after pruning, so that the next activity need not do it again."""
GROWTH_BYTES = 8 * 1024
"""What one activity adds to a progress in addition to its own data, by a generous estimate."""


class _Learner:
    """A learner in one unit. `size` is at least that of the row, in bytes."""

    __slots__ = ("changed", "forgotten", "progress", "size")

    def __init__(self, progress: Progress, forgotten: int | None, size: int) -> None:
        self.progress = progress
        self.forgotten = forgotten
        self.size = size
        self.changed = False


class Tracking:
    """One unit's tracking: each learner's progress is loaded once, judged per activity, stored once.

    `held` is by how much it changes the number of learners who hold each template's badge.
    """

    def __init__(self, tracker: Tracker, unit: Unit) -> None:
        self._tracker = tracker
        self._unit = unit
        self._document = tracker.catalogs.document
        self._catalog = self._document.compiled
        self._learners: dict[bytes, _Learner] = {}
        self._most = min(PROGRESS_BYTES, unit.value_bytes)
        self._judgements = 0
        self._past = 0
        self._decisions: list[Decision] = []
        self.held: Counter[str] = Counter()

    def step(self, record: Record) -> None:
        """Judge one activity or follow an order, or set it aside: then the progress is as it was."""
        try:
            if not record.value and self._followed(record):
                return
            line = parsed(record.value or b"")
            happened = self._happened(line)
            if happened is None:
                return
            if record.key != b"%d" % happened.learner:
                raise UnreadableError("wrong_key", f"it concerns learner {happened.learner}")
            self._judge(self._learner(record.key), happened, line, len(record.value))
            if isinstance(happened, Activity) and not happened.catch_up:
                source = happened.source
                self._unit.read[source.topic, source.partition] = (source.epoch, source.offset)
        except UnreadableError as error:
            self.set_aside(record, error)

    def set_aside(self, record: Record, error: UnreadableError) -> None:
        """Send an activity to the dead letters."""
        set_aside(self._unit, self._tracker.names.dead_letters.name, "track", on_the_bus(record), error)

    def store(self) -> None:
        """Write the progress of every learner whom an activity changed, and let go of it."""
        learners, self._learners = self._learners, {}
        for key, learner in learners.items():
            if learner.changed:
                self._unit.put(key, pack(learner.progress, learner.forgotten))

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        now = time.time()
        metrics.ACTIVITIES_JUDGED.inc(self._judgements)
        metrics.RECORDS_DROPPED.labels("track", "forgotten").inc(self._past)
        for (kind, template), count in Counter((d.kind, d.template) for d in self._decisions).items():
            metrics.DECISIONS.labels(kind, template).inc(count)
        for decision in self._decisions:
            metrics.DECISION_LATENCY.observe(max(0.0, now - decision.time.timestamp()))

    def _happened(self, line: Line) -> Activity | Order | Import | None:
        """What a line tells; None for an activity whose type is not wanted."""
        if "order" not in line:
            return activity_of(line, self._catalog.event_types)
        if is_import(line):
            return import_of(line)
        order = order_of(line)
        if order.template not in self._catalog.turns:
            raise UnreadableError("no_template", f"template {order.template} is not active")
        return order

    def _followed(self, record: Record) -> bool:
        """Follow the order in a record; False if there is none."""
        key = record.key
        if key is None or not key.isdigit():
            return False
        match orders.order_of(record.value, record.headers):
            case orders.FORGET:
                self._forget(key, of_order(record.timestamp))
            case orders.REISSUE:
                self._reissue(key, header(record.headers, orders.TEMPLATE))
            case _:
                return False
        return True

    def _reissue(self, key: bytes, template: bytes | None) -> None:
        """Say again what was decided last of the learner's badges, by what is known of the learner now."""
        progress = self._learner(key).progress
        wanted = {id: badge for id, badge in progress.badges.items() if template in (None, id.encode())}
        if wanted:
            self._say(self._again(wanted, int(key), progress, ordered=True))

    def _again(
        self, badges: Mapping[str, Badge], learner: int, progress: Progress, *, ordered: bool
    ) -> list[BadgeEvent]:
        return [
            self._encode(latest(badge, id, learner), progress, progress, ordered=ordered)
            for id, badge in badges.items()
            if id in self._document.templates
        ]

    def _forget(self, key: bytes, at: int) -> None:
        learner = self._learner(key)
        self.held.subtract(id for id, badge in learner.progress.badges.items() if badge.held)
        learner.forgotten = max(at, learner.forgotten or 0)
        learner.progress, learner.changed = Progress.initial(), True
        log.info("a learner is forgotten")

    def _judge(self, learner: _Learner, happened: Activity | Order | Import, line: Line, size: int) -> None:
        forgotten = learner.forgotten
        if forgotten is not None and _is_past(forgotten, happened, line):
            self._past += 1
            return
        self._judgements += 1
        before = learner.progress
        judgement = _decided(self._catalog, before, happened)
        if judgement is None:
            return
        after = self._bounded(learner, judgement, size)
        if judgement.decisions or _becomes_known(before.user, judgement.user):
            after = after or evolve(before, judgement)
            self._announce(happened, before, after, judgement.decisions)
        if isinstance(happened, Import):
            known = before.badges
            self.held.update(id for id, badge in judgement.badges.items() if badge.held and id not in known)
        if after is None:
            take(before, judgement)
        else:
            learner.progress = after
        learner.changed = True

    def _announce(
        self,
        happened: Activity | Order | Import,
        before: Progress,
        after: Progress,
        decisions: Sequence[Decision],
    ) -> None:
        """Say what was decided, and again what an issuer can do something about only now."""
        activity = happened if isinstance(happened, Activity) else None
        events = [self._encode(decision, before, after, activity) for decision in decisions]
        if _becomes_known(before.user, after.user):
            events += self._again(_kept(before, after), happened.learner, after, ordered=False)
        self._say(events)
        self._decisions.extend(decisions)
        for decision in decisions:
            self.held[decision.template] += 1 if decision.kind == "awarded" else -1

    def _say(self, events: Sequence[BadgeEvent]) -> None:
        badges = self._tracker.names.badges.name
        for event in events[1:]:
            # Before the first is sent: the events of a record are all sent, or it is set aside.
            self._unit.check_size(badges, event.key, event.value, event.headers)
        for event in events:
            self._unit.send(badges, key=event.key, value=event.value, headers=event.headers)

    def _encode(
        self,
        decision: Decision,
        before: Progress,
        after: Progress,
        activity: Activity | None = None,
        *,
        ordered: bool = False,
    ) -> BadgeEvent:
        template = self._document.templates[decision.template]
        provider = self._document.organizations[template.organization].provider
        tells = template.evidence and decision.kind == "awarded"
        evidence = evidence_of(self._document, template, before, after, activity) if tells else b""
        return self._tracker.emitter.encode(
            decision, after.user, template, provider, ordered=ordered, evidence=evidence
        )

    def _learner(self, key: bytes) -> _Learner:
        known = self._learners.get(key)
        if known is None:
            raw = self._unit.get(key)
            known = _Learner(Progress.initial(), None, 0) if raw is None else _Learner(*unpack(raw), len(raw))
            self._learners[key] = known
        return known

    def _bounded(self, learner: _Learner, judgement: Judgement, more: int) -> Progress | None:
        """The progress after the judgement, pruned where it grew too large; None where it cannot have.

        It is measured only where it may come near the bound; `more` is the size of what happened. Raises
        `UnreadableError` for one that is too large even so.
        """
        learner.size += more + GROWTH_BYTES
        if learner.size <= self._most // 2:
            return None
        after = evolve(learner.progress, judgement)
        size = self._bytes(learner, after)
        if size > self._most:
            after = pruned(
                after,
                self._known(),
                lambda progress: self._bytes(learner, progress) <= self._most * PRUNED,
            )
            size = self._bytes(learner, after)
            if size > self._most:
                raise UnreadableError("progress_too_large", f"more than {self._most} bytes")
            log.warning("a progress of more than %d bytes is pruned to %d", self._most, size)
        learner.size = size
        return after

    def _bytes(self, learner: _Learner, progress: Progress) -> int:
        return len(pack(progress, learner.forgotten))

    def _known(self) -> dict[str, frozenset[str]]:
        """By template the ids of its requirements, those of inactive ones too."""
        templates = self._document.templates.values()
        return {template.id: frozenset(r.id for r in template.requirements) for template in templates}


def _is_past(forgotten: int, happened: Activity | Order | Import, line: Line) -> bool:
    # What is imported is old, whenever that is done.
    return isinstance(happened, Import) or is_past(forgotten, happened.time, timestamp_of(line))


def _becomes_known(before: User | None, now: User | None) -> bool:
    """Whether an issuer may have lacked what is known of the learner now."""
    if now is None or (before is not None and before.email and before.name):
        return False
    return before is None or bool((now.email and not before.email) or (now.name and not before.name))


def _kept(before: Progress, after: Progress) -> Mapping[str, Badge]:
    """The badges that the learner held before and holds still."""
    return {id: badge for id, badge in before.badges.items() if badge.held and after.badges[id] == badge}


def _decided(catalog: Catalog, progress: Progress, happened: Activity | Order | Import) -> Judgement | None:
    try:
        return decide(catalog, progress, happened)
    except UnreadableError:
        raise
    except Exception as error:
        # Judging is pure, so whatever it raises concerns this one record: the stream goes on without it.
        log.exception("%s cannot be judged", happened.id)
        raise UnreadableError("judging_failed", type(error).__name__) from error

"""The step of `relay`: what is desired of a badge, written down."""

from datetime import datetime

import orjson

from streams import metrics
from streams.badges import moment, stamp
from streams.errors import UnreadableError
from streams.headers import header
from streams.kafka.dead_letters import set_aside
from streams.kafka.forgotten import is_past, of_order
from streams.kafka.orders import FORGET, IMPORT, LOOK, ORDER, SEEN, order_of
from streams.kafka.origin import forwarded, original_of
from streams.relay.importing import imported, taken_along
from streams.relay.issuance import Issuance, Word, desire, forget, observe
from streams.relay.relay import Relay
from streams.relay.rows import dump, held_in, is_issuance, load
from streams.relay.seen import Seen, said_in
from streams.relay.table import AGENT, forgotten_row
from streams.runtime.fetched import Record
from streams.runtime.unit import Batch, Unit

ISSUANCE_BYTES = 512 * 1024
"""Half of what a broker takes by default: what the issuer answers is added later."""


class Desiring:
    """One unit's relaying: writes down what is desired of each badge."""

    def __init__(self, relay: Relay, unit: Unit, batch: Batch) -> None:
        self._relay = relay
        self._unit = unit
        self._partition = batch.partition
        self._changed: dict[bytes, None] = {}
        self._past = 0
        self._sought: list[Seen] = []
        self._corrected: list[tuple[str, str]] = []
        self._templates: set[str] = set()
        self._hints: set[str] = set()
        reconciler = relay.reconcilers.get(batch.partition.tp.partition)
        self._history = reconciler is not None and reconciler.history

    def step(self, record: Record) -> None:
        """Follow one badge event or order, or set it aside."""
        order = order_of(record.value, record.headers)
        if order == FORGET and record.key is not None and record.key.isdigit():
            self._forget(record.key, moment(of_order(record.timestamp)))
            return
        if order == LOOK and record.key is not None:
            self._hints.add(record.key.decode(errors="replace"))
            return
        names = self._relay.names
        try:
            if record.value and header(record.headers, ORDER) == IMPORT:
                self._import(record)
                return
            if record.value and header(record.headers, ORDER) == SEEN:
                self._see(record)
                return
            original = forwarded(record)
            word = self._relay.read(record, original.timestamp)
            if word is None:
                return
            badge = word.badge.encode()
            if self._is_past(word, original.timestamp):
                self._past += 1
            elif record.key == badge:
                self._desire(badge, word, redriven=original.source.topic == names.relay_dead_letters.name)
            else:
                # Redriven under another key: it belongs where the badge's issuance is.
                self._unit.send(names.decisions.name, key=badge, value=record.value, headers=record.headers)
        except UnreadableError as error:
            self.set_aside(record, error)

    def set_aside(self, record: Record, error: UnreadableError) -> None:
        """Send the original of a badge event to the dead letters."""
        set_aside(self._unit, self._relay.names.relay_dead_letters.name, AGENT, original_of(record), error)

    def find(self) -> None:
        """Follow what was said of badges of which only the issuer's id is known: one look at all rows."""
        if not self._sought:
            return
        rows = {**self._partition.rows, **self._unit.table}
        held = {held_in(raw): badge for badge, raw in rows.items() if raw and is_issuance(badge)}
        for seen in self._sought:
            if badge := held.get(seen.badge.encode()):
                self._observe(badge, seen)

    def follow(self) -> None:
        """Have the reconciler look at what has changed, once it is committed."""
        metrics.RECORDS_DROPPED.labels("relay", "forgotten").inc(self._past)
        organizations = self._relay.organizations
        for template, state in self._corrected:
            known = organizations.of(template)
            if known is not None:
                metrics.CORRECTIONS.labels(*known[0].labels, state).inc()
        number = self._partition.tp.partition
        if feeds := self._relay.feeds.get(number):
            for organization in self._hints:
                feeds.hint(organization)
        reconciler = self._relay.reconcilers.get(number)
        if reconciler is not None:
            reconciler.follow(self._changed)
            for template in self._templates:
                reconciler.template_changed(template)

    def _forget(self, learner: bytes, at: datetime) -> None:
        """Have all the learner's badges of this partition deleted; the learner's id is in each row."""
        rows = {**self._partition.rows, **self._unit.table}
        for badge, raw in rows.items():
            if raw is None or learner not in raw or badge == learner or not is_issuance(badge):
                continue
            issuance = load(orjson.loads(raw))
            if b"%d" % issuance.learner == learner:
                self._unit.put(badge, orjson.dumps(dump(forget(issuance, at))))
                self._changed[badge] = None
        self._unit.put(learner, forgotten_row(learner, at))

    def _is_past(self, word: Word, timestamp_ms: int) -> bool:
        """Whether a word is of before its learner was forgotten."""
        raw = self._unit.get(b"%d" % word.learner)
        return raw is not None and is_past(stamp(load(orjson.loads(raw)).time), word.time, timestamp_ms)

    def _import(self, record: Record) -> None:
        """Take along a badge of another service, but not of a learner who was forgotten since."""
        badge, brought = imported(record)
        if record.key != badge:
            raise UnreadableError("bad_badge", "an import under another badge's key")
        before = self._known(badge)
        if self._unit.get(b"%d" % brought.learner) or (before is not None and before.kind == "forgotten"):
            self._past += 1
            return
        after = taken_along(before, brought)
        if after is not before:
            self._write(badge, after)

    def _see(self, record: Record) -> None:
        """Follow what an issuer says has happened to a badge or a template."""
        assert record.value is not None
        said = said_in(record.value)
        if isinstance(said, str):
            self._templates.add(said)
        elif record.key is None:
            self._sought.append(said)
        else:
            self._observe(record.key, said)

    def _observe(self, badge: bytes, seen: Seen) -> None:
        before = self._known(badge)
        if before is None:
            return
        after = observe(before, seen)
        if after is not before:
            self._write(badge, after)
            if after.state != before.state:
                self._corrected.append((after.template, after.state))

    def _desire(self, badge: bytes, word: Word, *, redriven: bool) -> None:
        before = self._known(badge)
        if before is not None and before.kind == "forgotten":
            raise UnreadableError("forgotten", "the learner is forgotten, and the badge being deleted")
        if before is not None and redriven and word.decision == before.decision and not before.refused:
            # What the bus has said since may know the learner better than an old letter.
            return
        after = desire(before, word, history=self._history)
        if word.ordered:
            # Also one that waits for its next try: an operator wants it now.
            self._changed[badge] = None
        if after is not before:
            self._write(badge, after)

    def _known(self, badge: bytes) -> Issuance | None:
        raw = self._unit.get(badge)
        return None if raw is None else load(orjson.loads(raw))

    def _write(self, badge: bytes, after: Issuance) -> None:
        dumped = orjson.dumps(dump(after))
        if len(dumped) > min(ISSUANCE_BYTES, self._unit.value_bytes):
            raise UnreadableError("too_large", f"an issuance of {len(dumped)} bytes")
        self._unit.put(badge, dumped)
        self._changed[badge] = None

"""The step of `receive`: our badge events, keyed by badge."""

from streams import metrics
from streams.errors import UnreadableError
from streams.headers import header
from streams.kafka import origin
from streams.kafka.dead_letters import set_aside
from streams.relay.badge_events import KINDS
from streams.relay.relay import Relay
from streams.runtime.fetched import Record
from streams.runtime.unit import Unit

_TYPES = frozenset(event_type.encode() for event_type in KINDS)


class Receiving:
    """One unit's receiving: takes our badge events and keys them by badge."""

    def __init__(self, relay: Relay, unit: Unit) -> None:
        self._relay = relay
        self._unit = unit
        self._epoch = relay.settings.source_epoch
        self._source = relay.settings.source.encode()
        self._other_types = 0
        self._other_sources = 0

    def step(self, record: Record) -> None:
        """Forward, drop or set aside one record of the bus."""
        if not any(name == "ce_type" and value in _TYPES for name, value in record.headers):
            self._other_types += 1
            return
        if header(record.headers, "ce_source") != self._source:
            self._other_sources += 1
            return
        names = self._relay.names
        try:
            word = self._relay.read(record, record.timestamp)
            if word is None:
                return
            headers = origin.forwarding(record, self._epoch)
            key = word.badge.encode()
            self._unit.send(names.decisions.name, key=key, value=record.value, headers=headers)
        except UnreadableError as error:
            self.set_aside(record, error)

    def set_aside(self, record: Record, error: UnreadableError) -> None:
        """Send one badge event to the dead letters."""
        letters = self._relay.names.relay_dead_letters.name
        set_aside(self._unit, letters, "receive", origin.on_the_bus(record, self._epoch), error)

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        metrics.RECORDS_DROPPED.labels("receive", "other_type").inc(self._other_types)
        metrics.RECORDS_DROPPED.labels("receive", "other_source").inc(self._other_sources)

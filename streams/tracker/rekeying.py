"""The step of `rekey`: one record of the bus, forwarded as an activity, dropped or set aside."""

from streams import metrics
from streams.bus.activities import line
from streams.errors import UnreadableError
from streams.kafka import origin
from streams.kafka.dead_letters import set_aside
from streams.runtime.fetched import Record
from streams.runtime.unit import Unit
from streams.tracker.tracker import Tracker


class Rekeying:
    """One unit's rekeying: reads, drops what no rule matches, forwards the rest by learner."""

    def __init__(self, tracker: Tracker, unit: Unit) -> None:
        self._tracker = tracker
        self._unit = unit
        self._catalog = tracker.catalogs.compiled
        self._epoch = tracker.settings.source_epoch
        self._topic = tracker.names.activities.name
        self._forwarded = 0
        self._irrelevant = 0

    def step(self, record: Record) -> None:
        """Forward, drop or set aside one record of the bus."""
        try:
            event = self._tracker.reader.read(record.value, record.headers, record.timestamp)
            if event is None:
                return
            if not self._catalog.relevant(event):
                self._irrelevant += 1
                return
            self._unit.send(self._topic, key=b"%d" % event.learner, value=line(event, record, self._epoch))
            self._forwarded += 1
        except UnreadableError as error:
            self.set_aside(record, error)

    def set_aside(self, record: Record, error: UnreadableError) -> None:
        """Send one record of the bus to the dead letters."""
        letters = self._tracker.names.dead_letters.name
        set_aside(self._unit, letters, "rekey", origin.on_the_bus(record, self._epoch), error)

    def count(self) -> None:
        """Count what the unit did, once it is committed."""
        metrics.ACTIVITIES_MATCHED.inc(self._forwarded)
        metrics.RECORDS_DROPPED.labels("rekey", "no_rule").inc(self._irrelevant)

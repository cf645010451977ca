"""What a site of any size takes, by what was measured: `tests/bench/scale.py` writes it down."""

from dataclasses import dataclass
from math import ceil, log2

from streams.kafka.topics import COMPACTED_WITHIN_MS, SEGMENT_BYTES, Topic, topics
from streams.runtime.consumer import SESSION_MS
from streams.runtime.recovery import METADATA_BYTES
from streams.settings import Settings

MIB, DAY = 2**20, 86_400
DEFAULTS = Settings.model_construct()
TOPICS = topics(DEFAULTS)
RELAYS_RATE = DEFAULTS.issuer_rate * (1 - DEFAULTS.issuer_command_share)
"""Calls a second of all relays together to one organization's issuer (decisions 0083 and 0101)."""
PARTITION_LEARNERS = 250_000
"""What a takeover moves at once, and what `explain` reads: a second of reading."""
WORKER_MIB = 4_096
"""Larger workers are fewer, but each takes longer to replace."""
FILLED, BUSY = 0.8, 0.5
"""Of a worker's memory, as a garbage collector and a busy hour want room; of its processor, as a peak is an
hour's mean."""
UNCOMPACTED = 2
"""A changelog is compacted once half of it is old (`min.cleanable.dirty.ratio` 0.5)."""
WEEK_DAYS = COMPACTED_WITHIN_MS / 1000 / DAY
"""After so long even what is young is compacted."""
BROKERS, BROKER_BYTES = 3, 10**9
"""Bytes a second that a broker can send: most of a network of 10 Gbit/s."""
PLACE_BYTES = len('"123":[0,12345678],')
"""How far a partition of a source was read, beside an offset."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, in the units of `MEASURED`."""

    start_s: float
    worker_mib: float
    busy_mib: float
    learner_bytes: float
    learner_memory: float
    read_rate: float
    event_us: float
    activity_bytes: float
    badge_bytes: float
    issuance_bytes: float
    issuance_memory: float
    waiting_memory: float


MEASURED = {
    "start_s": "seconds until a worker without learners is ready",
    "worker_mib": "MiB that it takes",
    "busy_mib": "MiB that it takes at its greatest speed",
    "learner_bytes": "bytes of a learner's progress, with the key",
    "learner_memory": "bytes that a learner takes in a worker's memory",
    "read_rate": "learners a second that a worker reads of its tables",
    "event_us": "µs of processor time for an event that a rule names",
    "activity_bytes": "bytes on the activities for such an event",
    "badge_bytes": "bytes of a badge event on its topic",
    "issuance_bytes": "bytes of an issuance that the issuer holds, without the key",
    "issuance_memory": "bytes that it takes in a relay's memory",
    "waiting_memory": "bytes of one that waits for its issuer",
}


@dataclass(frozen=True, slots=True)
class Load:
    """What a site's learners do; each is an option of the command."""

    active: float = 0.05
    events: float = 20
    peak: float = 5
    badges: float = 2
    last_day: float = 0.02


ASSUMED = {
    "active": "of the learners in the table learn on a day",
    "events": "events that a rule names, for each of them on that day",
    "peak": "times the mean is the busiest hour",
    "badges": "badges that a learner has in the end",
    "last_day": "of the learners earn a badge on the busiest day: the end of a term",
}


@dataclass(frozen=True, slots=True)
class Site:
    """A site of so many learners, and what it takes by `costs` under `load`."""

    learners: int
    costs: Costs
    load: Load

    @property
    def partitions(self) -> int:
        """The default, or a power of two for which no partition has more than its share of learners."""
        wanted: int = 2 ** ceil(log2(max(1, self.learners / PARTITION_LEARNERS)))
        return max(DEFAULTS.partitions, wanted)

    @property
    def events_a_day(self) -> float:
        """Events that a rule names."""
        return self.learners * self.load.active * self.load.events

    @property
    def peak(self) -> float:
        """Events a second in the busiest hour."""
        return self.events_a_day / DAY * self.load.peak

    @property
    def trackers(self) -> int:
        """As many as memory and processor ask for, and one more: any may be missing."""
        by_memory = self.learners / memory_learners(self.costs)
        by_processor = self.learners / processor_learners(self.costs, self.load)
        return 1 + max(1, ceil(by_memory), ceil(by_processor))

    @property
    def tracker_mib(self) -> float:
        """A tracker's memory while one of them is missing."""
        share = self.learners / (self.trackers - 1)
        return (self.costs.busy_mib + share * self.costs.learner_memory / MIB) / FILLED

    @property
    def changelog(self) -> float:
        """Bytes of the progress changelog at most: what is not compacted yet, and what never is."""
        week = self.events_a_day * WEEK_DAYS * self.costs.learner_bytes
        whole = self.learners * self.costs.learner_bytes
        return UNCOMPACTED * whole + min(SEGMENT_BYTES * self.partitions, week)

    @property
    def takeover_s(self) -> float:
        """Until a dead tracker's partitions are all at work again, by the others together."""
        return SESSION_MS / 1000 + self._read_s(self.changelog / self.trackers, self.trackers - 1)

    @property
    def cold_start_s(self) -> float:
        """Until all partitions are ready where no tracker was running."""
        return self.costs.start_s + self._read_s(self.changelog, self.trackers)

    def _read_s(self, size: float, readers: int) -> float:
        alone = self.costs.read_rate * self.costs.learner_bytes
        return size / min(readers * alone, BROKERS * BROKER_BYTES)

    @property
    def borne(self) -> float:
        """Events a second that the trackers work off, each with a processor, while one is missing."""
        return (self.trackers - 1) * 1e6 / self.costs.event_us

    @property
    def catch_up_hours(self) -> float:
        """Until a day's events are worked off after an outage of a day."""
        return self.events_a_day / self.borne / 3600

    @property
    def busiest_day(self) -> float:
        """Badges that are earned on it."""
        return self.learners * self.load.last_day

    @property
    def relays(self) -> int:
        """As many as memory asks for where all badges of the busiest day wait at once, and one more."""
        room = WORKER_MIB * FILLED - self.costs.worker_mib
        held = self.learners * self.load.badges * self.costs.issuance_memory
        return 1 + max(1, ceil((held + self.busiest_day * self.costs.waiting_memory) / MIB / room))

    @property
    def relay_hours(self) -> float:
        """Until the busiest day's badges are issued, all of one organization, at the default pace."""
        return self.busiest_day / RELAYS_RATE / 3600

    @property
    def disk(self) -> float:
        """Bytes of our topics and the badge topic, with their replicas."""
        activities = self.events_a_day * self.costs.activity_bytes * kept_days(TOPICS.activities)
        days = kept_days(TOPICS.badges) + kept_days(TOPICS.decisions)
        badges = self.busiest_day * self.costs.badge_bytes * days
        issuances = UNCOMPACTED * self.learners * self.load.badges * self.costs.issuance_bytes
        return DEFAULTS.replication * (activities + self.changelog + badges + issuances)

    @property
    def written(self) -> float:
        """Bytes a second that the trackers write in the busiest hour, without the replicas.

        Each event writes its learner's progress: a unit seldom has two of one learner among so many.
        """
        return self.peak * (self.costs.activity_bytes + self.costs.learner_bytes)


def kept_days(topic: Topic) -> float:
    """How long the topic keeps a record."""
    return (topic.retention_ms or 0) / 1000 / DAY


def memory_learners(costs: Costs) -> float:
    """Learners whose table one tracker has room for."""
    return (WORKER_MIB * FILLED - costs.busy_mib) * MIB / costs.learner_memory


def processor_learners(costs: Costs, load: Load) -> float:
    """Learners whose events one tracker bears in the busiest hour."""
    return BUSY * 1e6 / costs.event_us * DAY / load.peak / load.events / load.active


def pace_learners(load: Load) -> float:
    """Learners whose badges are issued for one organization on the busiest day, at the default pace."""
    return RELAYS_RATE * DAY / load.last_day


def network_trackers(costs: Costs) -> float:
    """Trackers that read as fast as the brokers send."""
    return BROKERS * BROKER_BYTES / (costs.read_rate * costs.learner_bytes)


def source_partitions() -> float:
    """Partitions of sources whose places there is room for next to an offset."""
    return METADATA_BYTES / PLACE_BYTES


@dataclass(frozen=True, slots=True)
class Checked:
    """A worker that was started on the tables of so many learners."""

    learners: int
    ready_s: float
    memory_mib: float

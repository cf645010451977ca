"""Every topic, declared once: its name, its key and value, how long it keeps what it holds."""

from dataclasses import dataclass
from typing import Literal

from streams.errors import ConfigurationError
from streams.settings import Settings

DAY_MS = 86_400_000
COMPACTED_WITHIN_MS = 7 * DAY_MS
"""At most so long a deleted or replaced value stays in a compacted topic. Kafka sets no limit by default, and
what a learner is forgotten by must have one; a week is as long as the streams keep a record."""

SEGMENT_BYTES = 64 * 1024 * 1024
"""A compacted topic's newest segment is never compacted, and whoever takes over a table reads all of it.
Kafka's default is 1 GiB; a sixteenth of it is still few files for a broker. A partition with 770 MiB of
changes to 20,000 rows was read in 0.5 s with these, in 20 s with 1 GiB."""
RECORD_OVERHEAD = 128
"""Bytes of a record batch that are neither key, value nor header (framing, lengths), at the most."""

Readers = Literal["anyone", "operators", "ours"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the product.

    `retention_ms` is None where records stay until a newer one of their key; `ours` is false for the
    topics that belong to the operator of the bus. `readers` are those who may rely on what it holds: anyone
    by the contract, operators and their tools for one release, or only this product (decision 0088).
    """

    name: str
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_ms: int | None
    ours: bool
    holds: str
    readers: Readers = "ours"

    def configs(self, max_message_bytes: int) -> dict[str, str]:
        """The topic's configuration at the broker; `max_message_bytes` bounds one record batch."""
        configs = {"cleanup.policy": self.cleanup, "max.message.bytes": str(max_message_bytes)}
        if self.cleanup == "compact":
            configs["max.compaction.lag.ms"] = str(COMPACTED_WITHIN_MS)
            configs["segment.bytes"] = str(max(SEGMENT_BYTES, max_message_bytes))
        if self.retention_ms is not None:
            configs["retention.ms"] = str(self.retention_ms)
        return configs


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of all workers under one configuration.

    Of the bus it has either Kafka's topics, `sources`, or the keys of Redis' `streams`.
    """

    sources: tuple[Topic, ...]
    streams: tuple[str, ...]
    badges: Topic
    shares: Topic
    cursors: Topic
    activities: Topic
    progress: Topic
    dead_letters: Topic
    catalog: Topic
    decisions: Topic
    issuances: Topic
    relay_dead_letters: Topic
    credentials: Topic
    consents: Topic

    @property
    def read(self) -> tuple[str, ...]:
        """What is read of the bus, by name: topics, or streams."""
        return self.streams or tuple(topic.name for topic in self.sources)

    @property
    def bridge(self) -> tuple[Topic, ...]:
        """The topics that a bridge makes for itself: none where the bus is Kafka."""
        return (self.shares, self.cursors) if self.streams else ()

    @property
    def tracker(self) -> tuple[Topic, ...]:
        """The topics that the tracker makes for itself."""
        return (self.activities, self.progress, self.dead_letters, self.catalog)

    @property
    def relay(self) -> tuple[Topic, ...]:
        """The topics that the relay makes for itself."""
        return (self.decisions, self.issuances, self.relay_dead_letters, self.credentials)

    @property
    def api(self) -> tuple[Topic, ...]:
        """The topics that a worker that answers writes to."""
        return (self.consents,)

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every topic once, in the order of an event's way."""
        ours = (self.badges, *self.bridge, *self.tracker, *self.relay, *self.api)
        return (*(t for t in self.sources if t.name != self.badges.name), *ours)


def topics(settings: Settings) -> Topics:
    """The topics that `settings` name; `ConfigurationError` where a topic of the bus is one of ours."""
    app, relay, n = settings.app_id, settings.relay_id, settings.partitions
    badges = settings.badge_topic or settings.lifecycle_topic
    read = tuple(dict.fromkeys(settings.source_topics)) or (settings.lifecycle_topic,)
    redis = settings.bus == "redis"
    sources = () if redis else read
    bus, letters = "framed Avro of the Open edX event bus", "original records and the reason"
    tools: Readers = "operators"
    names = Topics(
        sources=tuple(Topic(name, n, "delete", 14 * DAY_MS, False, bus) for name in sources),
        streams=read if redis else (),
        # Where the bus is Redis, nobody else has a use for this topic.
        badges=Topic(badges, n, "delete", 14 * DAY_MS, redis, f"{bus}; key: badge uuid", "anyone"),
        shares=Topic(f"{app}-shares", n, "delete", DAY_MS, True, "nothing: its partitions share streams out"),
        cursors=Topic(
            f"{app}-cursors-changelog",
            n,
            "compact",
            None,
            True,
            "how far streams are read, JSON; key: stream",
        ),
        activities=Topic(
            f"{app}-activities", n, "delete", 7 * DAY_MS, True, "activities, JSON; key: learner id", tools
        ),
        progress=Topic(
            f"{app}-progress-changelog", n, "compact", None, True, "progress, MessagePack; key: learner id"
        ),
        dead_letters=Topic(f"{app}-dead-letters", n, "delete", 28 * DAY_MS, True, letters, tools),
        catalog=Topic(
            f"{app}-catalog", 1, "compact", None, True, "catalogs, gzip JSON; key: revision", tools
        ),
        decisions=Topic(f"{relay}-decisions", n, "delete", 7 * DAY_MS, True, "badge events; key: badge uuid"),
        issuances=Topic(
            f"{relay}-issuances-changelog", n, "compact", None, True, "issuances, JSON; key: badge uuid"
        ),
        relay_dead_letters=Topic(f"{relay}-dead-letters", n, "delete", 28 * DAY_MS, True, letters, tools),
        credentials=Topic(
            f"{relay}-credentials",
            n,
            "compact",
            None,
            True,
            "Open Badges, JSON; key: what it is",
            "operators",
        ),
        consents=Topic(
            f"{app}-consents", n, "compact", None, True, "learners' consents, JSON; key: badge uuid"
        ),
    )
    ours = {topic.name for topic in (*names.bridge, *names.tracker, *names.relay, *names.api)}
    if circle := sorted(ours.intersection((badges, *sources))):
        raise ConfigurationError(f"{', '.join(circle)}: our own topic is none of the bus")
    return names

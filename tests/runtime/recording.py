"""A unit of work that is looked at in place of being committed: for tests of the agents' steps."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from aiokafka.structs import TopicPartition

from streams.kafka.topics import Topic
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit
from streams.runtime.work import Outbox
from tests.runtime.world import Broker, Sent, Table, Worker

LARGEST = 20_000


class RecordingUnit(Unit):
    """A unit on partition 0 of a table's input; `sent` is what it would send. Records may be `LARGEST`."""

    def __init__(self, source: Topic, changelog: Topic, rows: Mapping[bytes, bytes] | None = None) -> None:
        worker = Worker(Broker())
        worker.max_message_bytes = defaultdict(lambda: LARGEST)
        worker.partitions = defaultdict(lambda: 1)
        table = Table(input_topic=source.name, changelog=changelog.name)
        self.partition = Partition(worker, TopicPartition(source.name, 0), table)
        self.partition.rows.update(rows or {})
        super().__init__(self.partition, None)
        self._outbox = RecordingOutbox()
        self.sent = self._outbox.sent


class RecordingOutbox(Outbox):
    """Keeps records as they were added."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Sent] = []

    def add(self, *record: Any, **_: Any) -> None:
        """Keep one."""
        sent = Sent(*record)
        self.sent.append(sent._replace(headers=tuple(sent.headers)))

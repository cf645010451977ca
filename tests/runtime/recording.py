"""A unit of work that is looked at in place of being committed: for tests of the agents' steps."""

from collections import defaultdict
from collections.abc import Mapping

from aiokafka.structs import TopicPartition

from streams.headers import Headers
from streams.kafka.topics import Topic
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit
from tests.runtime.world import Broker, Sent, Table, Worker

LARGEST = 20_000


class RecordingUnit(Unit):
    """A unit on partition 0 of a table's input; `sent` is what it would send. Records may be `LARGEST`."""

    def __init__(self, source: Topic, changelog: Topic, rows: Mapping[bytes, bytes] | None = None) -> None:
        worker = Worker(Broker())
        worker.max_message_bytes = defaultdict(lambda: LARGEST)
        table = Table(input_topic=source.name, changelog=changelog.name)
        self.partition = Partition(worker, TopicPartition(source.name, 0), table)
        self.partition.rows.update(rows or {})
        self.sent: list[Sent] = []
        super().__init__(self.partition, None)

    def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        self.check_size(topic, key, value, headers)
        self.sent.append(Sent(topic, partition or 0, key, value, tuple(headers)))

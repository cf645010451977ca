"""A small host and a broker of dictionaries: what is around a partition, without Faust and without Kafka."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.runtime import recovery
from streams.runtime.fetched import Fetched
from streams.runtime.host import Host
from streams.runtime.partition import Partition
from streams.runtime.transaction import Committer
from streams.runtime.unit import Batch, Unit
from streams.settings import Settings
from tests.runtime import fetches

SOURCE = "source"
INPUT = "activities"
CHANGELOG = "progress-changelog"
OUTPUT = "badges"
TP = TopicPartition(INPUT, 0)
SETTINGS = Settings(kafka="nowhere:9092", catalog=Path("nowhere"))


class Sent(NamedTuple):
    """A committed record."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class Table:
    name: str = "progress"
    input_topic: str = INPUT
    changelog: str = CHANGELOG


@dataclass
class Broker:
    """What every worker of a group shares. `did` tells what was asked of it, in order."""

    begin: int = 0
    end: int = 100
    commits: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)
    records: list[Sent] = field(default_factory=list)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    producers: dict[str, "Producer"] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    strike: Callable[[str], None] = lambda step: None
    hold: asyncio.Event | None = None
    fails: Exception | None = None

    async def reach(self, step: str) -> None:
        """A producer has come to `step` of a commit: it may wait there, or fail."""
        self.did.append(step)
        self.strike(step)
        if self.hold is not None and step == "commit":
            await self.hold.wait()
            if self.fails is not None:
                raise self.fails


class Producer:
    """A transactional producer: a later one of the same id fences it."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.stopped = False
        self._broker = broker
        self._name = name
        self._sent: list[Sent] = []
        self._offsets: Mapping[TopicPartition, OffsetAndMetadata] = {}

    async def start(self) -> None:
        self._broker.producers[self._name] = self
        self._broker.did.append(f"init {self._name}")

    async def stop(self) -> None:
        self.stopped = True

    async def begin_transaction(self) -> None:
        await self._reach("begin")
        self._sent, self._offsets = [], {}

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[None]:
        produced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._reach(f"send {topic}")
            produced.set_result(None)
            self._sent += [Sent(topic, partition, *record) for record in _records(batch)]
        except Exception as error:
            produced.set_exception(error)
        return produced

    async def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> None:
        await self._reach("offsets")
        self._offsets = offsets

    async def commit_transaction(self) -> None:
        await self._reach("commit")
        self._broker.records += self._sent
        self._broker.commits.update(self._offsets)
        for record in self._sent:
            if record.topic == CHANGELOG and record.key is not None:
                self._broker.rows.pop(record.key, None)
                if record.value is not None:
                    self._broker.rows[record.key] = record.value

    async def _reach(self, step: str) -> None:
        await self._broker.reach(step)
        if self._broker.producers[self._name] is not self:
            raise ProducerFenced


class Worker:
    """A host: what a partition asks of the worker that it is part of. Its own client of the group, too."""

    def __init__(self, broker: Broker, *, epoch: int = 0) -> None:
        self.settings = SETTINGS
        self.partitions: Mapping[str, int] = {SOURCE: 1, INPUT: 1, OUTPUT: 4}
        self.max_message_bytes: Mapping[str, int] = {INPUT: 10_000, OUTPUT: 10_000, CHANGELOG: 10_000}
        self.tables: Mapping[str, Table] = {"progress": Table()}
        self.group = "tracker"
        self.kafka_consumer = self
        self.failures: list[Exception] = []
        self.woken = 0
        self.is_member = True
        self.retaken: list[TopicPartition] = []
        self._broker = broker
        self._epoch = epoch

    def epoch_of(self, topic: str) -> int:
        return self._epoch if topic == SOURCE else 0

    @contextmanager
    def ends_worker(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failures.append(error)
            raise asyncio.CancelledError from error

    def wake(self) -> None:
        self.woken += 1

    def retake(self, tp: TopicPartition) -> None:
        self.retaken.append(tp)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._broker.did.append(f"seek {offset}")

    def resume(self, *tps: TopicPartition) -> None:
        self._broker.did.append("resume")

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, self._broker.begin)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, self._broker.end)

    async def commits(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        self._broker.did.append("read commits")
        return {tp: self._broker.commits[tp] for tp in tps if tp in self._broker.commits}

    async def commit_as_member(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
        if self.is_member:
            self._broker.did.append("commit as member")
            self._broker.commits.update(offsets)
        return self.is_member


class World:
    """A broker, and a partition of a worker on it."""

    def __init__(self, broker: Broker | None = None, *, table: bool = True, name: str = "one") -> None:
        self.broker = broker or Broker()
        self.worker = Worker(self.broker)
        host: Host = self.worker
        self.committer = self.new_committer(name)
        self.partition = Partition(host, TP, Table() if table else None, read=self._read)

    def new_committer(self, name: str) -> Committer:
        return Committer(self.worker, name, producer=lambda _, name: Producer(self.broker, name))

    async def owner(self) -> "World":
        """This world, once its partition is taken."""
        await self.keep()
        return self

    async def keep(self) -> None:
        """The group has assigned the partition."""
        await self.partition.keep(self.committer)

    async def finish(self) -> None:
        """The group takes the partition away, for a rebalance."""
        self.partition.suspend()
        await self.partition.drained()
        last = self.partition.finished()
        assert last is not None
        await self.worker.commit_as_member({TP: recovery.written(last)})

    def deliver(self, offsets: Sequence[int] = (0, 1, 2)) -> Batch:
        """A batch of these offsets, delivered."""
        return self.deliver_rest(fetches.fetched(fetches.batch(offsets), begin=offsets[0]))

    def deliver_rest(self, fetched: Fetched) -> Batch:
        """The next batch of what was fetched, delivered."""
        self.partition.deliver(fetched, 1)
        return Batch(self.partition, fetched)

    def unit(self, batch: Batch | None) -> Unit:
        return Unit(self.partition, batch)

    async def work(self, batch: Batch | None = None, **rows: bytes | None) -> None:
        """A unit that takes the whole batch and writes rows, committed."""
        async with self.unit(batch) as unit:
            for _ in batch or ():
                pass
            for key, value in rows.items():
                unit.put(key.encode(), value)
        await self.partition.drained()

    @property
    def at(self) -> int | None:
        """The offset that the group has committed."""
        commit = self.broker.commits.get(TP)
        return commit and commit.offset

    async def _read(self, settings: Settings, changelog: str, partition: int) -> dict[bytes, bytes]:
        self.broker.did.append("read table")
        await asyncio.sleep(0)
        return dict(self.broker.rows)


def _records(
    batch: BatchBuilder,
) -> Iterator[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]]:
    batch.close()
    records = MemoryRecords(bytes(batch._build()))
    while records.has_next():
        for record in records.next_batch():
            yield record.key, record.value, tuple(record.headers)

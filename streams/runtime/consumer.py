"""Faust's consumer on aiokafka in the main loop: it delivers one event a partition and batch."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP, ConsumerMessage

from streams.errors import FatalError
from streams.kafka.client import connection, start
from streams.kafka.insides import GroupConsumer
from streams.runtime.assignor import StickyAssignor
from streams.runtime.fetched import Fetched
from streams.runtime.partition import Partition
from streams.runtime.unit import Batch

log = logging.getLogger(__name__)

WAITING_BATCHES = 2
"""Batches of a topic that its agent has not begun: it never waits for one, and no more are in memory."""
SESSION_MS = 8_000
"""A dead worker's partitions stand still for this long. The broker allows no less than 6 s by default, and a
worker that the machine holds up for a moment should not lose its partitions."""
HEARTBEAT_MS = 2_000
"""Kafka recommends no more than a third of the session: one or two may be lost."""
REBALANCE_MS = 30_000
"""Time for the slowest member to finish what it is committing; `DRAIN_SECONDS` is a part of it."""
FETCH_WAIT_MS = 100
"""How long a broker holds back an answer without records. It answers a client in order, so any other request
of the consumer waits for that long at most."""
PARTITION_FETCH_BYTES = 2 * 1024 * 1024
"""One or two units of small records. A partition may hold twice this in memory: what is being worked off, and
what was fetched after it."""
ENDS_SECONDS = 5.0
"""At most how old the lag of a partition is that is not fetched; shorter than a usual scrape interval of
15 to 60 seconds."""
NEVER_MS = 2**31 - 1
"""aiokafka would leave the group where nobody took records for this long; here a stall shows in `/live`."""


class Consumer(FaustConsumer):
    """Reads what is committed, hands each partition's next batch to its agent, commits nothing itself."""

    consumer_stopped_errors = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kafka: GroupConsumer | None = None
        self._wake = asyncio.Event()
        self._delivery: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._ends: Mapping[TopicPartition, int] = {}
        self._turn = 0

    @property
    def kafka(self) -> GroupConsumer:
        """The client; only once the consumer was started."""
        assert self._kafka is not None
        return self._kafka

    async def on_start(self) -> None:
        """Connect; the subscription follows from Faust's conductor."""
        self._kafka = self._new_kafka_consumer()
        await start(self._kafka, self.app.settings)

    async def on_stop(self) -> None:
        """Leave the group."""
        for task in (self._delivery, self._asking):
            if task is not None:
                task.cancel()
        if self._kafka is not None:
            await self._kafka.stop()

    async def leave(self) -> None:
        """Tell the group at once that this worker is gone; for an end without a stop."""
        if self._kafka is not None:
            await self._kafka.leave_now()

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group and begin to deliver."""
        self.kafka.subscribe(list(topics), listener=self.app.listener)
        if self._delivery is None:
            self._delivery = asyncio.ensure_future(self._deliver_all())
            self._asking = asyncio.ensure_future(self._ask_for_ends())

    def wake(self) -> None:
        """Look again for what can be delivered."""
        self._wake.set()

    def lag(self, partition: Partition) -> int | None:
        """Offsets below the last stable one that are not committed yet; None before that is known."""
        ends = (self.kafka.stable_end(partition.tp), self._ends.get(partition.tp))
        begin = partition.unfinished
        if begin is None:
            begin = self.kafka.next_fetch(partition.tp)
        known = [end for end in ends if end is not None]
        return None if begin is None or not known else max(0, max(known) - begin)

    async def _ask_for_ends(self) -> None:
        """Know where partitions end, also of those that are not fetched now: the last fetch says it else."""
        while True:
            await asyncio.sleep(ENDS_SECONDS)
            try:
                async with asyncio.timeout(ENDS_SECONDS):
                    self._ends = await self.kafka.end_offsets(list(self.app.owned))
            except (KafkaError, TimeoutError) as error:
                log.debug("the ends of partitions cannot be asked for: %r", error)

    def assignment(self) -> set[TP]:
        """What the group has assigned to this worker."""
        return {TP(tp.topic, tp.partition) for tp in self._kafka.assignment()} if self._kafka else set()

    async def _deliver_all(self) -> None:
        with self.app.ends_worker(), self.kafka.reading():
            while True:
                if not await self._deliver_once():
                    await self._next_arrival()

    async def _deliver_once(self) -> bool:
        """Deliver to each idle partition what was fetched for it; False where there was nothing."""
        delivered = False
        for partition in self._next_turns():
            if partition.state == "idle" and await self._deliver(partition):
                delivered = True
        return delivered

    def _next_turns(self) -> list[Partition]:
        """Idle partitions with something to read, for each topic as many as may wait for its agent.

        First those whose fetch is partly worked off, so that few fetches are held besides aiokafka's; then
        those that have waited longest.
        """
        ready = self.kafka.ready()
        owned = self.app.owned
        waiting = Counter(tp.topic for tp, partition in owned.items() if partition.state == "delivered")
        turns = []
        for partition in sorted(owned.values(), key=lambda p: (p.fetched is None, p.turn)):
            tp = partition.tp
            there = partition.fetched is not None or tp in ready
            idle = partition.state == "idle" and not partition.waits_for
            if there and idle and waiting[tp.topic] < WAITING_BATCHES:
                waiting[tp.topic] += 1
                turns.append(partition)
        return turns

    async def _take(self, tp: TopicPartition) -> Fetched | None:
        """What was fetched of `tp`; aiokafka then fetches what follows it."""
        try:
            records = self.kafka.take(tp)
        except OffsetOutOfRangeError:
            records = None
            partition = self.app.owned.get(tp)
            if partition is not None:
                await self.app.seek_into_bounds(partition)
        except KafkaError as error:
            raise FatalError(f"{tp.topic}-{tp.partition} cannot be read: {error!r}") from error
        fetched = None if records is None else Fetched(records)
        self.kafka.fetch_on(tp, None if fetched is None else fetched.end)
        return fetched

    async def _deliver(self, partition: Partition) -> bool:
        fetched = partition.fetched or await self._take(partition.tp)
        if fetched is None:
            return False
        self._turn += 1
        partition.deliver(fetched, self._turn)
        await self.callback(self._to_message(Batch(partition, fetched)))
        return True

    async def _next_arrival(self) -> None:
        waiters: list[asyncio.Future[Any]] = [
            self.kafka.arrival(),
            asyncio.ensure_future(self._wake.wait()),
        ]
        try:
            # The timeout is for safety: whatever makes a partition ready also wakes.
            done, _ = await asyncio.wait(waiters, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            for waiter in done:
                waiter.result()
        finally:
            for waiter in waiters:
                waiter.cancel()
            self._wake.clear()

    def _to_message(self, batch: Batch) -> ConsumerMessage:
        tp = TP(batch.partition.tp.topic, batch.partition.tp.partition)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.position,
            0.0,
            0,
            None,
            None,
            batch,
            None,
            None,
            None,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _new_kafka_consumer(self) -> GroupConsumer:
        settings = self.app.settings
        return GroupConsumer(
            **connection(settings),
            client_id=self.app.conf.id,
            group_id=self.app.conf.id,
            group_instance_id=settings.instance_id or None,
            partition_assignment_strategy=[StickyAssignor()],
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            max_poll_interval_ms=NEVER_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
        )

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    # What follows belongs to Faust's own way of acknowledging and is never reached.

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        raise NotImplementedError

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        raise NotImplementedError

    async def _seek(self, partition: TP, offset: int) -> None:
        raise NotImplementedError

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Never reached: the partitions' owners seek."""
        raise NotImplementedError

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Never reached: the partitions' owners seek."""
        raise NotImplementedError

    async def position(self, tp: TP) -> int | None:
        """Where the next fetch of `tp` begins."""
        return int(await self.kafka.position(TopicPartition(tp.topic, tp.partition)))

    async def create_topic(self, *args: Any, **options: Any) -> None:
        """Workers create no topics."""

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offset of each partition."""
        return dict(await self.kafka.beginning_offsets(partitions))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The offset after the last record of each partition."""
        return dict(await self.kafka.end_offsets(partitions))

    def highwater(self, tp: TP) -> int:
        """The offset after the last record, as of the last fetch."""
        return int(self.kafka.highwater(TopicPartition(tp.topic, tp.partition)) or 0)

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions `topic` has."""
        return len(self.kafka.partitions_for_topic(topic) or ()) or None

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        """Never reached: units choose the partition."""
        raise NotImplementedError


class Transport(FaustTransport):
    """Faust's transport with this consumer."""

    Consumer = Consumer

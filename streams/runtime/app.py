"""The app: Faust's, with Kafka Streams' promises."""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import faust
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from faust.app.base import BootStrategy as FaustBootStrategy
from faust.types import TP

from streams import logs, metrics
from streams.errors import BadgeStreamsError, ConfigurationError, FatalError
from streams.kafka import checks
from streams.kafka.insides import GroupConsumer
from streams.kafka.topics import Topic
from streams.runtime import patches, recovery
from streams.runtime.consumer import REBALANCE_MS, SESSION_MS, Consumer, Transport
from streams.runtime.partition import Partition
from streams.runtime.table import Table, TableManager
from streams.runtime.transaction import Committer
from streams.runtime.unit import Batch, Unit
from streams.settings import Settings

log = logging.getLogger(__name__)

DRAIN_SECONDS = REBALANCE_MS / 1000 * 0.6
"""A worker whose commit takes longer ends: it would hold up the group until the rebalance times out."""
LEAVE_SECONDS = 2.0
"""A request to the broker takes milliseconds; a worker that ends because the broker is away must not wait."""
FINISH_SECONDS = 3.0
"""For one small request; without its answer the next owners fence this worker, and it takes another name."""
TAKE_AT_ONCE = 4
"""Partitions recovered side by side: more would only share the same processor and network."""


class BatchSchema(faust.Schema):
    """Passes on what the consumer delivers: batches are decoded by their unit."""

    def loads_key(self, app: Any, message: Any, **options: Any) -> Any:
        """The key of a batch: none."""
        return message.key

    def loads_value(self, app: Any, message: Any, **options: Any) -> Any:
        """The batch."""
        return message.value


class BatchTopic(faust.Topic):
    """A channel that may stand for several topics; Faust's cannot name itself then, and its CLI fails."""

    def get_topic_name(self) -> str:
        """The names, with commas."""
        return ",".join(self.topics)


class Resource(Protocol):
    """Something that a worker opens before it reads and closes after it has stopped."""

    async def start(self) -> None:
        """Open it."""

    async def stop(self) -> None:
        """Close it."""


class BootStrategy(FaustBootStrategy):
    """Without Faust's own producer: units have theirs."""

    enable_kafka_producer = False


class App(faust.App):
    """A Faust app whose agents work in transactional units.

    An agent's stream yields a `Batch` of what was fetched of a partition. Everything that a unit
    sends and stores becomes visible together with the batch's offset, or not at all.
    """

    BootStrategy = BootStrategy

    def __init__(
        self,
        id: str,
        settings: Settings,
        *,
        needs: tuple[Topic, ...],
        sources: frozenset[str] = frozenset(),
        **options: Any,
    ) -> None:
        super().__init__(
            id,
            broker=f"aiokafka://{settings.kafka}",
            store="memory://",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            # Faust commits nothing here; it should not wake up for that either.
            broker_commit_interval=3600.0,
            stream_wait_empty=False,
            # Beyond every number of partitions: no more than one batch of each is delivered at a time.
            stream_buffer_maxsize=65_536,
            worker_redirect_stdouts=False,
            logging_config=logs.configuration(settings.log_format),
            Table=Table,
            Topic=BatchTopic,
            TableManager=TableManager,
            **options,
        )
        self.settings = settings
        self.owned: dict[TopicPartition, Partition] = {}
        self.partitions: Mapping[str, int] = {}
        self.max_message_bytes: Mapping[str, int] = {}
        self.resources: list[Resource] = []
        self.joined = False
        self.waits_for = ""
        self.listener = _Listener(self)
        self.fatal: BaseException | None = None
        self.exit: Callable[[int], object] = os._exit
        self.on_partition_ready: Callable[[Partition], None] | None = None
        self._needs = needs
        self._sources = sources
        self._taking: dict[TopicPartition, asyncio.Task[None]] = {}
        self._take_slots = asyncio.Semaphore(TAKE_AT_ONCE)
        self._generation = 0
        self._committer: Committer | None = None
        self._finished = False
        self._ending: asyncio.Task[None] | None = None

    def batches(self, *names: str) -> Any:
        """The channel of an agent: batches of these topics."""
        return self.topic(*names, schema=BatchSchema(), acks=False)

    def unit(self, batch: Batch) -> Unit:
        """The unit of work for `batch`, to be used with `async with`."""
        return Unit(batch.partition, batch)

    def unit_of(self, partition: Partition) -> Unit:
        """A unit without a batch: what it sends and stores commits no offset."""
        return Unit(partition, None)

    def epoch_of(self, topic: str) -> int:
        """The epoch of a source topic; our own topics have none."""
        return self.settings.source_epoch if topic in self._sources else 0

    @property
    def group(self) -> str:
        """The consumer group."""
        return str(self.conf.id)

    @property
    def kafka_consumer(self) -> GroupConsumer:
        """The group's client."""
        consumer: Consumer = self.consumer
        return consumer.kafka

    @property
    def in_session(self) -> bool:
        """True while the group surely counts this worker as a member, and gives its partitions to nobody."""
        return time.monotonic() < self.kafka_consumer.heard_at + SESSION_MS / 1000

    def lag(self) -> dict[TopicPartition, int]:
        """For each owned partition the records that are committed on the bus and not by this worker."""
        consumer: Consumer = self.consumer
        lags, now = {}, time.monotonic()
        for tp, partition in self.owned.items():
            lag = consumer.lag(partition)
            if lag is not None:
                lags[tp] = lag
                partition.seen_lagging(lag > 0, now)
        return lags

    async def wait_for(self, event: asyncio.Event, what: str) -> None:
        """Start no further until `event`; `/ready` says that `what` is waited for (decision 0056)."""
        if not event.is_set():
            log.warning("The worker waits for %s", what)
            self.waits_for = what
            await event.wait()
            self.waits_for = ""

    def wake(self) -> None:
        """A partition may be able to take a batch now: look for what can be delivered."""
        consumer: Consumer = self.consumer
        consumer.wake()

    def retake(self, tp: TopicPartition) -> None:
        """Take a partition again that was released though the group assigns it."""
        if self._committer is None or self._committer.expired:
            self._renew_committer()
        self._taking[tp] = asyncio.ensure_future(self._take(self.owned[tp]))

    async def seek_into_bounds(self, partition: Partition) -> None:
        """Where retention removed what comes next, say so and go on; where it is another topic, stop."""
        assert partition.committed is not None
        begin, end = await recovery.bounds(self, partition.tp)
        offset = recovery.within(self, partition.tp, partition.committed, begin, end)
        self.kafka_consumer.seek(partition.tp, offset)

    @contextmanager
    def ends_worker(self) -> Iterator[None]:
        """What is raised within, other than a cancellation, ends the worker."""
        try:
            yield
        except Exception as error:
            self.fail(error)
            raise asyncio.CancelledError from error

    def fail(self, error: BaseException) -> None:
        """End the process without acknowledging anything: log one clear line, leave the group, exit code 1.

        A wrong configuration ends it with exit code 2.
        """
        if self.fatal is not None:
            return
        self.fatal = error
        expected = isinstance(error, BadgeStreamsError)
        log.critical(
            "The worker stops: %s", error if expected else repr(error), exc_info=not expected and error
        )
        self._ending = asyncio.ensure_future(self._end())

    async def on_start(self) -> None:
        """Check versions and topics, and open the resources, before anything is read."""
        with self.ends_worker():
            checks.versions(patches.MADE_FOR)
            patches.apply()
            found = await checks.topics(self.settings, self._needs)
            self.partitions, self.max_message_bytes = found.partitions, found.max_message_bytes
            for resource in self.resources:
                await resource.start()
        await super().on_start()

    async def on_stop(self) -> None:
        """Finish what is committing, then close the resources."""
        await super().on_stop()
        for resource in reversed(self.resources):
            await resource.stop()

    async def _on_agent_error(self, agent: Any, error: BaseException) -> None:
        self.fail(error)

    async def partitions_revoked(self) -> None:
        """The group begins a rebalance: nobody may own anything until it has ended."""
        if self.owned and self.settings.instance_id and self.kafka_consumer.generation < 0:
            # It would take its place back, the other would do the same, and neither would get to work.
            raise FatalError(
                f"the group {self.group} no longer knows this worker: another one has joined with its "
                f"BADGES_INSTANCE_ID, {self.settings.instance_id}, or it was cut off for long"
            )
        self.flow_control.suspend()
        self.flow_control.clear()
        await self._suspend()

    async def partitions_assigned(self, assigned: set[TP], generation: int) -> None:
        """The group has assigned these partitions, in its `generation`: take them, or keep them."""
        metrics.REBALANCES.inc()
        wanted = {TopicPartition(tp.topic, tp.partition) for tp in assigned}
        revoked, newly_assigned = self._update_assignment(assigned)
        await self.agents.on_rebalance(revoked, newly_assigned)
        await self.topics.on_partitions_assigned(assigned)
        missed = generation != self._generation + 1
        self._generation = generation
        for tp in [tp for tp in self.owned if missed or tp not in wanted]:
            self.owned.pop(tp).release()
        if missed or not self._finished or self._committer is None or self._committer.expired:
            self._renew_committer()
        tables = {table.input_topic: table for table in self.tables.values()}
        # A table takes long to read: those without one need not wait for it.
        for tp in sorted(wanted, key=lambda tp: (tp.topic in tables, tp)):
            if tp not in self.owned:
                self.owned[tp] = Partition(self, tp, tables.get(tp.topic))
            self._taking[tp] = asyncio.ensure_future(self._take(self.owned[tp]))
        self.joined = True
        self.flow_control.resume()

    async def _take(self, partition: Partition) -> None:
        assert self._committer is not None
        with self.ends_worker():
            await partition.keep(self._committer, self._take_slots)
            if partition.ready and self.on_partition_ready is not None:
                self.on_partition_ready(partition)

    def _renew_committer(self) -> None:
        """Commit under another name from now on: others may have fenced this worker's."""
        if self._committer is not None:
            self.add_future(self._committer.stop())
        self._committer = Committer(self, f"{self.group}-{secrets.token_hex(8)}")

    async def _suspend(self) -> None:
        """Stop delivering, and wait for what is committing; units not yet committing are dropped."""
        for task in self._taking.values():
            task.cancel()
        await asyncio.gather(*self._taking.values(), return_exceptions=True)
        self._taking.clear()
        for partition in self.owned.values():
            partition.suspend()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(partition.drained() for partition in self.owned.values()))
        except TimeoutError:
            raise FatalError(
                f"a unit of work did not end within {DRAIN_SECONDS:.0f} s of a rebalance"
            ) from None
        self._finished = await self._finish()

    async def _finish(self) -> bool:
        """Say in the group's commits that this worker has finished with its partitions."""
        last = {tp: commit for tp, partition in self.owned.items() if (commit := partition.finished())}
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                return not last or await self.kafka_consumer.commit_as_member(
                    {tp: recovery.written(commit) for tp, commit in last.items()}
                )
        except (KafkaError, TimeoutError) as error:
            log.warning("the group could not be told that this worker has finished: %r", error)
            return False

    async def _stop_consumer(self) -> None:
        self.flow_control.suspend()
        self.flow_control.clear()
        await self._suspend()
        self.owned.clear()
        if self._committer is not None:
            await self._committer.stop()

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.consumer.leave()
        except (TimeoutError, Exception):
            log.debug("could not leave the group", exc_info=True)
        logging.shutdown()
        self.exit(2 if isinstance(self.fatal, ConfigurationError) else 1)

    def _create_directories(self) -> None:
        """None: all state is in Kafka."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self, loop=self.loop)


class _Listener(ConsumerRebalanceListener):
    """Both callbacks are quick and let nothing out: aiokafka sends no heartbeats while they run, and ignores
    what they raise."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        with self._app.ends_worker():
            self._app.on_rebalance_start()
            await self._app.partitions_revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        with self._app.ends_worker():
            kafka = self._app.kafka_consumer
            kafka.pause(*assigned)
            self._app.consumer_generation_id = kafka.generation
            await self._app.partitions_assigned(
                {TP(tp.topic, tp.partition) for tp in assigned}, kafka.generation
            )
            self._app.on_rebalance_end()

"""What aiokafka 0.14.0 does not offer and this product needs, each part under a name.

A new aiokafka touches this file and `runtime/patches.py`; nothing else reaches into it.
"""

import asyncio
import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaConsumer, conn
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchError, PartitionRecords
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import (
    CommitFailedError,
    GroupCoordinatorNotAvailableError,
    RebalanceInProgressError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

MEMBERS = (HeartbeatRequest, SyncGroupRequest)
"""The requests that keep a member's session alive."""
HEARD = frozenset((0, RebalanceInProgressError.errno))
"""How the group answers a member; in a rebalance it waits for each to join again."""


class WholeFetches(AIOKafkaConsumer):
    """aiokafka's consumer, of which a partition's fetch can be taken whole."""

    def arrival(self) -> asyncio.Future[Any]:
        """Done when the next fetch has arrived."""
        waiter: asyncio.Future[Any] = self._fetcher._create_fetch_waiter()
        return waiter

    async def wait_for_arrival(self, seconds: float) -> None:
        """Wait until the next fetch has arrived, for as long at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.arrival(), seconds)

    def take(self, tp: TopicPartition) -> PartitionRecords | None:
        """All that was fetched of `tp`; None if nothing was, or the partition was taken away.

        Raises what the fetch failed with. aiokafka fetches no more of `tp` until `fetch_on` is called.
        """
        if self._state(tp) is None:
            return None
        fetch = self._fetcher._records.pop(tp, None)
        if isinstance(fetch, FetchError):
            raise fetch._error
        return fetch._partition_records if fetch is not None and fetch.check_assignment(tp) else None

    def fetch_on(self, tp: TopicPartition, position: int | None = None) -> None:
        """Fetch `tp` again, from `position` if one is given."""
        state = self._state(tp)
        if state is not None and position is not None:
            state.consumed_to(position)
        self._fetcher._notify(self._fetcher._wait_consume_future)

    def _state(self, tp: TopicPartition) -> Any:
        """aiokafka's state of `tp`, if the next fetch has a position."""
        assignment = self._subscription.subscription.assignment
        state = None if assignment is None else assignment.state_value(tp)
        return state if state is not None and state.has_valid_position else None


class GroupConsumer(WholeFetches):
    """The consumer of a group.

    `heard_at`: when the last request was sent (monotonic seconds) that the group answered as a member's. The
    group counts a member's session from no earlier.
    """

    heard_at = -math.inf

    async def start(self) -> None:
        """Connect."""
        await super().start()
        self._note_when_heard()
        read_ahead(self)

    @property
    def generation(self) -> int:
        """The group's generation: it grows by one with each rebalance."""
        return int(self._coordinator.generation)

    def reading(self) -> AbstractContextManager[None]:
        """While this lasts, the member counts as one that polls."""
        context: AbstractContextManager[None] = self._subscription.fetch_context()
        return context

    def ready(self) -> Collection[TopicPartition]:
        """The partitions of which something was fetched and not taken."""
        fetches: Collection[TopicPartition] = self._fetcher._records
        return fetches

    def next_fetch(self, tp: TopicPartition) -> int | None:
        """Where the next fetch of `tp` begins; None where that is not known yet."""
        state = self._state(tp)
        return None if state is None else int(state.position)

    def stable_end(self, tp: TopicPartition) -> int | None:
        """The last stable offset of `tp` as of the last fetch; None before the first."""
        state = self._state(tp)
        return None if state is None or state.lso is None else int(state.lso)

    async def commits(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """The group's commits for `tps` with their metadata, which aiokafka's `committed` leaves out."""
        committed: Mapping[TopicPartition, OffsetAndMetadata]
        committed = await self._coordinator.fetch_committed_offsets(list(tps))
        return committed

    async def commit_as_member(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
        """Commit in the group's present generation; False where this member is no longer in it.

        Unlike aiokafka's `commit` also while a rebalance takes the partitions away.
        """
        if self.generation < 0:
            return False
        try:
            await self._coordinator.commit_offsets(None, offsets)
        except CommitFailedError:
            return False
        return True

    async def leave_now(self) -> None:
        """Tell the group that this member is gone, without stopping."""
        await self._coordinator._maybe_leave_group()

    def _note_when_heard(self) -> None:
        send = self._coordinator._send_req

        async def noted(request: Any) -> Any:
            at = time.monotonic()
            response = await send(request)
            if isinstance(request, MEMBERS) and response.error_code in HEARD:
                self.heard_at = at
            return response

        self._coordinator._send_req = noted


async def high_watermark(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """The offset after the last record of `tp`, committed or not; `consumer` may not be fetching yet."""
    fetcher = consumer._fetcher
    level, fetcher._isolation_level = fetcher._isolation_level, READ_UNCOMMITTED
    try:
        return int((await consumer.end_offsets([tp]))[tp])
    finally:
        fetcher._isolation_level = level


def read_ahead(consumer: AIOKafkaConsumer) -> None:
    """Let a started consumer fetch one partition while records of others lie untaken.

    aiokafka does not fetch from a broker for 0.1 s while one of its partitions has a batch that nobody took;
    with batches waiting for their turn that would hold up all the others.
    """
    consumer._fetcher._prefetch_backoff = 0


class HearingAuthenticator(conn.OAuthAuthenticator):
    """Shows a token, and hears what the broker says of it, which aiokafka's own does not.

    A broker that refuses a token answers with the reason and expects one byte; then it fails the login
    (RFC 7628). aiokafka takes the answer for a success, and all that it asks next comes to nothing.
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """The next message to the broker, whose last was `payload`; None once nothing is left to say."""
        if payload:
            return b"\x01", True
        said: tuple[bytes, bool] | None = await super().step(payload)
        return said


def hear_refused_tokens() -> None:
    """Let a refused token fail the login, for every client of this process that is made from now on."""
    conn.OAuthAuthenticator = HearingAuthenticator


async def brokers_answer(consumer: AIOKafkaConsumer) -> None:
    """Ask one of the brokers that the bootstrap servers name; raise `KafkaError` where none answers."""
    await consumer._client.fetch_all_metadata()


def brokers(consumer: AIOKafkaConsumer) -> list[str]:
    """The addresses of the brokers, as they name themselves."""
    return [f"{broker.host}:{broker.port}" for broker in consumer._client.cluster.brokers()]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a consumer group: the host that it connects from, the partitions that it has."""

    host: str
    assigned: tuple[TopicPartition, ...]


async def members(client: AIOKafkaAdminClient, group: str, patience: float) -> list[Member]:
    """The members of a group; none where nobody is in it, or it is none.

    A new cluster makes the place where groups are known when it is first asked for one: it is waited for.
    """
    import stamina  # dear, and not every command asks for groups

    described: Any = None
    async for attempt in stamina.retry_context(
        on=GroupCoordinatorNotAvailableError, attempts=None, timeout=patience, wait_initial=0.1, wait_max=1.0
    ):
        with attempt:
            (described,) = await client.describe_consumer_groups([group])
    found = []
    for _, _, host, _, assignment in (member[:5] for member in described.groups[0][5]):
        assigned = ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions() if assignment else ()
        found.append(Member(host.removeprefix("/"), tuple(assigned)))
    return found


async def partitions(consumer: AIOKafkaConsumer, topic: str) -> Collection[int]:
    """The partitions that `topic` has now; `consumer` need not read it. Empty where it does not exist."""
    metadata = await consumer._client.fetch_all_metadata()
    return metadata.partitions_for_topic(topic) or ()


Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value, headers."""


class Packed(BatchBuilder):
    """A record batch to be sent; aiokafka's own way to add a record takes twice the time."""

    _relative_offset: int

    def add(self, records: Sequence[Record], begin: int) -> int:
        """Add records from place `begin` on, as far as there is room; returns the place after the last."""
        append, offset = self._builder.append, self._relative_offset
        now = int(time.time() * 1000)
        for key, value, headers in islice(records, begin, None):
            if append(offset, now, key, value, headers) is None:
                self.close()
                break
            offset += 1
        added = offset - self._relative_offset
        self._relative_offset = offset
        return begin + added


def batches(records: PartitionRecords) -> Any:
    """The record batches of a fetch, of which none may have been read yet."""
    return records._records


def put_batches(records: PartitionRecords, ours: object) -> None:
    """Let a fetch have no batches but `ours`."""
    records._records = ours


def drop_left(records: PartitionRecords) -> None:
    """Let a fetch give no records by itself: it and the generator of them hold each other."""
    records._records_iterator = iter(())


def place(records: PartitionRecords) -> tuple[str, int]:
    """The topic and partition of a fetch."""
    return records._tp.topic, records._tp.partition


def is_read(records: PartitionRecords, batch: Any) -> bool:
    """Whether a batch's records are for readers of what is committed; ask for each batch once, in order."""
    if batch.producer_id is not None:
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            # The fetch may say so of a producer that wrote nothing in this partition.
            records._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in records._aborted_producers:
            return False
    return not batch.is_control_batch


def whole_batches(records: PartitionRecords) -> list[Any]:
    """The record batches of a fetch, none unpacked yet; of each one can ask `is_read` and iterate over it."""
    drop_left(records)
    return list(iter(batches(records).next_batch, None))

"""A partition's owner reads up before it calls."""

import asyncio
from collections.abc import Iterable, Mapping

import orjson
import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.issuers.outcomes import Issued
from streams.relay.history import never_called, read_up
from streams.relay.issuance import desire, learned
from streams.relay.rows import dump
from streams.relay.steps import Issue
from streams.runtime.partition import Partition
from tests.relay.virtual import EPOCH, in_virtual_time, virtual_clock
from tests.relay.world import event, recipient
from tests.runtime.world import OUTPUT, TP, Broker, Table, Worker

BADGES = OUTPUT
FOUR = [TopicPartition(BADGES, number) for number in range(4)]


class Bus(Worker):
    """A host whose topics begin and end where the test says; the first `away` questions are not answered."""

    def __init__(self) -> None:
        super().__init__(Broker())
        self.begins: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.received: dict[TopicPartition, int] = {}
        self.away = 0
        self.partition = Partition(self, TP, Table())
        self.partition.committed = 0

    def read_up(self, *, first: bool) -> asyncio.Task[None]:
        return asyncio.ensure_future(read_up(self.partition, BADGES, virtual_clock(), first=first))

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {tp: self.begins.get(tp, 0) for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.away -= 1
        if self.away >= 0:
            raise KafkaError("away")
        return {tp: self.ends.get(tp, 0) for tp in tps}

    async def commits(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        return {tp: OffsetAndMetadata(self.received[tp], "") for tp in tps if tp in self.received}


def test_a_new_relay_waits_for_the_whole_history_and_for_what_came_of_it() -> None:
    async def scenario() -> None:
        bus = Bus()
        bus.ends = {FOUR[1]: 10, FOUR[2]: 20}
        task = bus.read_up(first=True)
        await asyncio.sleep(60)
        bus.received = {FOUR[1]: 10, FOUR[2]: 19}
        await asyncio.sleep(60)
        # what is said now is no history
        bus.ends |= {FOUR[2]: 30, TP: 7}
        bus.received[FOUR[2]] = 20
        await asyncio.sleep(60)
        bus.ends[TP] = 9
        assert not task.done()
        bus.partition.committed = 7
        await asyncio.wait_for(task, 1)

    in_virtual_time(scenario())


def test_a_later_owner_waits_for_its_own_partition_only() -> None:
    async def scenario() -> None:
        bus = Bus()
        bus.ends = {FOUR[0]: 10, TP: 5}
        task = bus.read_up(first=False)
        await asyncio.sleep(60)
        assert not task.done()
        bus.partition.committed = 5
        await asyncio.wait_for(task, 1)

    in_virtual_time(scenario())


@pytest.mark.parametrize("begin", [0, 10])
def test_where_there_is_nothing_to_read_calls_begin_at_once(begin: int) -> None:
    async def scenario() -> None:
        bus = Bus()
        bus.begins = bus.ends = dict.fromkeys(FOUR, begin)
        await asyncio.wait_for(bus.read_up(first=True), 0.1)

    in_virtual_time(scenario())


def test_a_broker_that_is_away_is_asked_again() -> None:
    async def scenario() -> None:
        bus = Bus()
        bus.away = 20
        await asyncio.wait_for(bus.read_up(first=True), 60)

    in_virtual_time(scenario())


def test_a_relay_is_new_until_an_issuer_has_answered() -> None:
    desired = desire(None, event("awarded"))
    answered = learned(desired, Issue(recipient(1), EPOCH), Issued("c-1", "pending"), EPOCH)

    assert never_called({})
    assert never_called({b"1": orjson.dumps(dump(desired))})
    assert not never_called({b"1": orjson.dumps(dump(desired)), b"2": orjson.dumps(dump(answered))})

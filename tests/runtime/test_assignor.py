"""Who gets which partitions when workers come and go, and how often a table is read for that."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import NewTopic
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition

from streams.kafka.client import admin, connection
from streams.runtime.assignor import StickyAssignor
from streams.settings import Settings

TOPICS = {"activities": 12, "certificates": 8, "lifecycle": 12, "single": 1}
Held = Mapping[str, frozenset[TopicPartition]]


class Cluster:
    """The metadata of `TOPICS`."""

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(TOPICS[topic])) if topic in TOPICS else None


class Group:
    """Members that come and go; `moves` counts how often each partition came to another member."""

    def __init__(self, members: int = 0) -> None:
        self.members: dict[str, StickyAssignor] = {}
        self.held: Held = {}
        self.moves: Counter[TopicPartition] = Counter()
        self._numbers = count()
        if members:
            self.change(come=members)
            self.moves.clear()

    def change(self, *leave: str, come: int = 0, topics: Sequence[str] = tuple(TOPICS)) -> None:
        """Members leave, others come, and the group rebalances."""
        for id in leave:
            del self.members[id]
        # Ids are as good as random: a later one may come first.
        for number in (next(self._numbers) for _ in range(come)):
            self.members[f"{number * 7_919 % 1_000:03}-{number}"] = StickyAssignor()
        said = {id: sent(member.metadata(topics)) for id, member in self.members.items()}
        leader = next(iter(self.members.values()))
        self.give(leader.assign(Cluster(), said))

    def give(self, assignments: Mapping[str, ConsumerProtocolMemberAssignment]) -> None:
        held = {}
        for id, assignment in assignments.items():
            self.members[id].on_assignment(ConsumerProtocolMemberAssignment.decode(assignment.encode()))
            held[id] = frozenset(assignment.partitions())
            self.moves.update(held[id] - self.held.get(id, frozenset()))
        self.held = held

    def of(self, topic: str) -> list[int]:
        """How many partitions of the topic each member has."""
        return sorted(sum(tp.topic == topic for tp in held) for held in self.held.values())


def sent(metadata: ConsumerProtocolMemberMetadata) -> ConsumerProtocolMemberMetadata:
    """The metadata as the leader reads it."""
    return ConsumerProtocolMemberMetadata.decode(metadata.encode())


def everything() -> Counter[TopicPartition]:
    return Counter(
        TopicPartition(topic, p) for topic, partitions in TOPICS.items() for p in range(partitions)
    )


def activities(held: Iterable[TopicPartition]) -> set[int]:
    return {tp.partition for tp in held if tp.topic == "activities"}


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 8, 13])
def test_each_topic_is_shared_evenly_and_wholly(workers: int) -> None:
    group = Group(workers)

    assert Counter(tp for held in group.held.values() for tp in held) == everything()
    for topic in TOPICS:
        assert max(group.of(topic)) - min(group.of(topic)) <= 1
    loads = [len(held) for held in group.held.values()]
    assert max(loads) - min(loads) <= 1


@pytest.mark.parametrize("first", ["comes", "goes"])
@pytest.mark.parametrize("workers", [2, 4])
def test_in_a_rolling_update_no_table_is_read_more_than_twice(workers: int, first: str) -> None:
    """By round robin over random ids it is 2.7 times with two workers, 6.7 with four, 10.6 with eight."""
    group = Group(workers)

    for old in list(group.members):
        if first == "comes":
            group.change(come=1)
            group.change(old)
        else:
            group.change(old)
            group.change(come=1)

    reads = {tp: times for tp, times in group.moves.items() if tp.topic == "activities"}
    assert max(reads.values()) <= 2
    assert sum(reads.values()) <= (1.5 if first == "comes" else 2) * TOPICS["activities"]
    assert set(group.of("activities")) == {12 // workers}


@pytest.mark.parametrize("workers", [3, 8, 12])
def test_with_any_number_of_workers_a_table_is_read_no_more_than_twice_on_average(workers: int) -> None:
    group = Group(workers)

    for old in list(group.members):
        group.change(old)
        group.change(come=1)

    reads = sum(times for tp, times in group.moves.items() if tp.topic == "activities")
    assert reads <= 2 * TOPICS["activities"]
    assert Counter(tp for held in group.held.values() for tp in held) == everything()


def test_a_member_gives_up_first_what_it_got_last() -> None:
    group = Group(3)
    gone, *stay = group.members
    before = {id: activities(group.held[id]) for id in stay}

    group.change(gone)
    group.change(come=1)

    assert {id: activities(group.held[id]) for id in stay} == before


def test_a_worker_that_leaves_moves_only_its_own_partitions() -> None:
    group = Group(4)
    gone = next(iter(group.members))
    its = group.held[gone]

    group.change(gone)

    assert group.moves == Counter(its)


def test_a_worker_that_missed_a_rebalance_does_not_take_back_what_others_have_since() -> None:
    group = Group(2)
    late, stays = group.members
    member = group.members[late]
    group.change(late)
    group.change(come=1)
    since = dict(group.held)

    group.members = {late: member, **group.members}
    group.moves.clear()
    group.change()

    # Whatever moved, moved to the one that came back.
    assert group.moves == Counter(group.held[late])
    assert all(group.held[id] <= since[id] for id in since)
    assert stays in since


def test_topics_that_a_member_does_not_read_go_to_the_others() -> None:
    group = Group()
    group.change(come=1, topics=("activities",))
    [first] = group.members
    old = group.members[first].metadata(("activities",))
    new = StickyAssignor()
    said = {first: old, "zz": new.metadata(tuple(TOPICS))}
    group.members["zz"] = new

    group.give(new.assign(Cluster(), said))

    assert {tp.topic for tp in group.held[first]} == {"activities"}
    assert Counter(tp for held in group.held.values() for tp in held) == everything()


def test_it_understands_members_that_only_know_round_robin_and_is_understood_by_them() -> None:
    group = Group(2)
    first, second = group.members
    said = {
        first: group.members[first].metadata(TOPICS),
        second: RoundRobinPartitionAssignor.metadata(list(TOPICS)),
    }

    assert StickyAssignor.name == RoundRobinPartitionAssignor.name
    by_us = group.members[first].assign(Cluster(), said)
    assert set(by_us[first].partitions()) == group.held[first]
    group.give(RoundRobinPartitionAssignor.assign(Cluster(), said))
    assert Counter(tp for held in group.held.values() for tp in held) == everything()
    group.change()


def test_a_topic_that_is_not_there_and_a_member_that_says_nonsense_are_no_fault() -> None:
    group = Group(2)
    first, second = group.members
    said = {id: group.members[id].metadata([*TOPICS, "missing"]) for id in group.members}
    said[second].user_data = b"nonsense"

    group.give(group.members[first].assign(Cluster(), said))

    assert Counter(tp for held in group.held.values() for tp in held) == everything()


async def test_a_group_on_a_broker_keeps_what_it_has_when_a_member_comes_and_when_one_goes(
    kafka: str, app_prefix: str
) -> None:
    settings = Settings(kafka=kafka)
    async with admin(settings) as client:
        await client.create_topics([NewTopic(app_prefix, 6, 1)])
    members: list[AIOKafkaConsumer] = []

    async def shared(count: int) -> list[set[TopicPartition]]:
        async with asyncio.timeout(30):
            while True:
                held = [set(member.assignment()) for member in members]
                if sum(map(len, held)) == 6 and {len(part) for part in held} == {6 // count}:
                    return held
                await asyncio.gather(*(member.getmany(timeout_ms=50) for member in members))

    async def come() -> None:
        members.append(
            AIOKafkaConsumer(
                app_prefix,
                **connection(settings),
                group_id=app_prefix,
                partition_assignment_strategy=[StickyAssignor()],
                heartbeat_interval_ms=100,
            )
        )
        await members[-1].start()

    try:
        await come()
        await come()
        two = await shared(2)
        await come()
        three = await shared(3)
        assert three[0] < two[0]
        assert three[1] < two[1]

        await members.pop(0).stop()
        assert all(now > before for now, before in zip(await shared(2), three[1:], strict=True))
    finally:
        await asyncio.gather(*(member.stop() for member in members))

"""Which worker of a group gets which partitions: each topic's evenly, few of them moved (decision 0053)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.protocol.struct import Struct
from aiokafka.protocol.types import Array, Int32, Int64, Schema, String
from aiokafka.structs import TopicPartition

Shares = Mapping[str, Sequence[int]]
"""Partitions of one topic by the member that reads them, in the order in which it got them."""


class Said(Struct):
    """What a member says of itself: what it has, as of which round, and the round in which it came."""

    SCHEMA = Schema(
        ("held", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("round", Int64),
        ("came", Int64),
    )


@dataclass(frozen=True, slots=True)
class Member:
    """What the leader knows of a member; `round` is 0 before its first."""

    topics: frozenset[str]
    held: tuple[TopicPartition, ...] = ()
    round: int = 0
    came: int = 0


class StickyAssignor(AbstractPartitionAssignor):
    """A member's part: it says what it has; the leader of the group assigns.

    Each assignment carries the number of its round, one higher than any that a member names: of two members
    that say that they have a partition, the one of the later round has it.
    """

    name = "roundrobin"
    """A group takes a member only under a name that all its members offer. Earlier versions of this product,
    which a rolling update mixes with this one, offer aiokafka's round robin, which ignores what members say.
    To offer both is no way out: aiokafka joins once for each."""
    version = 0

    def __init__(self) -> None:
        self._held: list[TopicPartition] = []
        self._round = 0
        self._came = 0

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member reads, and what it has had since its last assignment."""
        held: dict[str, list[int]] = defaultdict(list)
        for tp in self._held:
            held[tp.topic].append(tp.partition)
        said = Said(list(held.items()), self._round, self._came).encode()
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), said)

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member has from now on."""
        self._held = assignment.partitions()
        self._round = int.from_bytes(assignment.user_data, "big")
        self._came = self._came or self._round

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The assignment of every member of the group, of which this one is the leader."""
        found = {id: _member(members[id]) for id in sorted(members)}
        # The newest first: one that has no round yet has come just now.
        said = dict(sorted(found.items(), key=lambda one: (one[1].round > 0, -one[1].came)))
        holders = _holders(said)
        given: dict[str, list[tuple[str, Sequence[int]]]] = {id: [] for id in said}
        for topic in sorted({topic for one in said.values() for topic in one.topics}):
            load = {
                id: sum(len(partitions) for _, partitions in given[id])
                for id, one in said.items()
                if topic in one.topics
            }
            partitions = cluster.partitions_for_topic(topic) or set()
            held = {
                tp.partition: holder
                for tp, holder in holders.items()
                if tp.topic == topic and tp.partition in partitions and holder in load
            }
            for id, share in shares(sorted(partitions), held, load).items():
                if share:
                    given[id].append((topic, share))
        number = (1 + max((one.round for one in said.values()), default=0)).to_bytes(8, "big")
        return {id: ConsumerProtocolMemberAssignment(self.version, of, number) for id, of in given.items()}


def shares(partitions: Sequence[int], held: Mapping[int, str], load: Mapping[str, int]) -> Shares:
    """A topic's partitions, evenly among the members of `load`: as few as possible change their holder.

    `held` is in the order in which each member got what it has, and a member that has too many gives up what
    it got last (decision 0067): in a rolling update that is what came from a member that is gone, and what
    stays is moved once, when its own goes. Where partitions do not come out even, those that hold more keep
    one more, then those of less `load`, then those that come first in it.
    """
    kept: dict[str, list[int]] = {id: [] for id in load}
    for partition, holder in held.items():
        kept[holder].append(partition)
    even, more = divmod(len(partitions), len(load))
    first = sorted(load, key=lambda id: (len(kept[id]) <= even, load[id]))
    seats = {id: even + (place < more) for place, id in enumerate(first)}
    result = {id: kept[id][: seats[id]] for id in load}
    taken = {partition for share in result.values() for partition in share}
    free = (partition for partition in partitions if partition not in taken)
    for id in first:
        result[id] += [next(free) for _ in range(seats[id] - len(result[id]))]
    return result


def _member(metadata: ConsumerProtocolMemberMetadata) -> Member:
    """A member as it says; one of another version may say nothing, or what nobody understands."""
    topics = frozenset(metadata.subscription)
    try:
        said = Said.decode(metadata.user_data or b"")
    except ValueError:
        return Member(topics)
    held = (TopicPartition(topic, p) for topic, partitions in said.held for p in partitions)
    return Member(topics, tuple(held), said.round, said.came)


def _holders(said: Mapping[str, Member]) -> dict[TopicPartition, str]:
    """Who has each partition; of two that say so the one of the later round."""
    holders: dict[TopicPartition, str] = {}
    for id in sorted(said, key=lambda id: said[id].round):
        for tp in said[id].held:
            holders.pop(tp, None)  # its place is that of the later one
            holders[tp] = id
    return holders

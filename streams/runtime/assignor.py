"""Which worker of a group gets which partitions: each topic's evenly, few of them moved (decision 0053)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import (
    StickyAssignorMemberMetadataV1,
    StickyAssignorUserDataV1,
    StickyPartitionAssignor,
)
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.structs import TopicPartition

Shares = Mapping[str, Sequence[int]]
"""Partitions of one topic by the member that reads them."""


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

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member reads, and what it has had since its last assignment."""
        held: dict[str, list[int]] = defaultdict(list)
        for tp in self._held:
            held[tp.topic].append(tp.partition)
        said = StickyAssignorUserDataV1(held.items(), self._round).encode()
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), said)

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remember what this member has from now on."""
        self._held = assignment.partitions()
        self._round = int.from_bytes(assignment.user_data, "big")

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The assignment of every member of the group, of which this one is the leader."""
        said = {id: StickyPartitionAssignor.parse_member_metadata(members[id]) for id in sorted(members)}
        holders = _holders(said)
        given: dict[str, list[tuple[str, list[int]]]] = {id: [] for id in said}
        for topic in sorted({topic for one in said.values() for topic in one.subscription}):
            load = {
                id: sum(len(partitions) for _, partitions in given[id])
                for id, one in said.items()
                if topic in one.subscription
            }
            partitions = sorted(cluster.partitions_for_topic(topic) or ())
            held = {
                p: holder for p in partitions if (holder := holders.get(TopicPartition(topic, p))) in load
            }
            for id, share in shares(partitions, held, load).items():
                if share:
                    given[id].append((topic, sorted(share)))
        number = (1 + max((one.generation for one in said.values()), default=0)).to_bytes(8, "big")
        return {id: ConsumerProtocolMemberAssignment(self.version, of, number) for id, of in given.items()}


def shares(partitions: Sequence[int], held: Mapping[int, str], load: Mapping[str, int]) -> Shares:
    """A topic's partitions, evenly among the members of `load`: as few as possible change their holder.

    Where they do not come out even, those that hold more keep one more, then those of less `load`.
    """
    kept: dict[str, list[int]] = {id: [] for id in load}
    for partition, holder in held.items():
        kept[holder].append(partition)
    even, more = divmod(len(partitions), len(load))
    first = sorted(load, key=lambda id: (len(kept[id]) <= even, load[id], id))
    seats = {id: even + (place < more) for place, id in enumerate(first)}
    result = {id: kept[id][: seats[id]] for id in load}
    taken = {partition for share in result.values() for partition in share}
    free = (partition for partition in partitions if partition not in taken)
    for id in first:
        result[id] += [next(free) for _ in range(seats[id] - len(result[id]))]
    return result


def _holders(said: Mapping[str, StickyAssignorMemberMetadataV1]) -> dict[TopicPartition, str]:
    """Who has each partition; of two that say so the one of the later round."""
    by_round = sorted(said, key=lambda id: said[id].generation)
    return {tp: id for id in by_round for tp in said[id].partitions}

"""Records of several partitions come by time, and each partition's in its own order."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.operate.site import merged

A, B = TopicPartition("a", 0), TopicPartition("b", 1)


class Partitions:
    """A consumer that fetches a few records at a time, and reads over `markers` at the end."""

    def __init__(self, times: Mapping[TopicPartition, list[int]], at_once: int, markers: int = 0) -> None:
        self.left = {tp: [record(tp, n, at) for n, at in enumerate(found)] for tp, found in times.items()}
        self.ends = {tp: len(found) + markers for tp, found in times.items()}
        self.at_once = at_once
        self.asked: list[set[TopicPartition]] = []

    async def getmany(self, *tps: TopicPartition, **_: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
        self.asked.append(set(tps))
        found = {tp: self.left[tp][: self.at_once] for tp in tps}
        for tp, records in found.items():
            del self.left[tp][: len(records)]
        return found

    async def position(self, tp: TopicPartition) -> int:
        return self.left[tp][0].offset if self.left[tp] else self.ends[tp]

    def pause(self, *_: TopicPartition) -> None:
        pass


def record(tp: TopicPartition, offset: int, timestamp: int) -> ConsumerRecord:
    return ConsumerRecord(tp.topic, tp.partition, offset, timestamp, 0, None, b"", None, 0, 0, ())


async def times(there: Partitions, ends: Mapping[TopicPartition, int] | None = None) -> list[int]:
    return [found.timestamp async for found in merged(cast(Any, there), ends or there.ends)]


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_records_come_by_time(at_once: int) -> None:
    there = Partitions({A: [1, 4, 5, 9], B: [2, 3, 6]}, at_once)

    assert await times(there) == [1, 2, 3, 4, 5, 6, 9]


async def test_a_partition_keeps_its_order_where_its_clocks_did_not() -> None:
    assert await times(Partitions({A: [7, 1, 2], B: [3, 8]}, 10)) == [3, 7, 1, 2, 8]


async def test_a_partition_of_which_nothing_is_left_holds_up_no_other() -> None:
    assert await times(Partitions({A: [], B: [2, 3]}, 1, markers=2)) == [2, 3]


async def test_what_arrived_after_the_end_is_left_out() -> None:
    assert await times(Partitions({A: [1, 4, 5], B: [2]}, 10), {A: 2, B: 1}) == [1, 2, 4]


async def test_nothing_is_read_ahead_of_what_is_not_taken() -> None:
    there = Partitions({A: [1, 2, 3], B: [4, 5, 6]}, 1)
    taken = merged(cast(Any, there), there.ends)

    assert (await anext(taken)).timestamp == 1
    assert there.asked == [{A, B}]


async def test_a_partition_is_not_asked_again_at_its_end() -> None:
    there = Partitions({A: [1, 4], B: [2, 3]}, 100)

    await times(there)

    # A question at an end is answered only when its time is over.
    assert there.asked == [{A, B}]

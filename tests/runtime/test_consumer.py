"""What is delivered next, and what lag there is."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.structs import TopicPartition

from streams.runtime.consumer import Consumer
from streams.runtime.partition import Partition
from tests.runtime.world import TP


@pytest.mark.parametrize(
    ("fetched_end", "asked_end", "unfinished", "lag"),
    [
        (8_000, 40_000, 0, 40_000),
        (8_000, None, 0, 8_000),
        (None, 40_000, 30_000, 10_000),
        (8_000, 7_900, 8_000, 0),
        (None, None, 0, None),
        (None, 40_000, None, None),
    ],
)
def test_it_is_counted_to_the_newest_end_that_is_known(
    fetched_end: int | None, asked_end: int | None, unfinished: int | None, lag: int | None
) -> None:
    fetcher = SimpleNamespace(stable_end=lambda _: fetched_end, next_fetch=lambda _: None)
    ends = {} if asked_end is None else {TP: asked_end}
    consumer: Any = SimpleNamespace(kafka=fetcher, _ends=ends)
    partition = cast(Partition, SimpleNamespace(tp=TP, unfinished=unfinished))

    assert Consumer.lag(consumer, partition) == lag


def test_a_partition_that_waits_is_passed_over_and_the_others_have_their_turns() -> None:
    waiting, idle, busy = (
        SimpleNamespace(
            tp=TopicPartition("learning", number), fetched=None, turn=0, state=state, waits_for=what
        )
        for number, state, what in ((0, "idle", "the schema registry"), (1, "idle", ""), (2, "working", ""))
    )
    owned = {partition.tp: partition for partition in (waiting, idle, busy)}
    consumer: Any = SimpleNamespace(
        kafka=SimpleNamespace(ready=lambda: set(owned)), app=SimpleNamespace(owned=owned)
    )

    assert Consumer._next_turns(consumer) == [idle]

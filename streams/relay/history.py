"""A partition's owner reads up before it calls, so that no badge is touched for what is over (decision 0062).

A relay under another id reads the whole history of badges that may be live at their issuers.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.clock import Clock
from streams.runtime.host import Host
from streams.runtime.partition import Partition
from streams.runtime.recovery import bounds

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often to look how far the reading is: little next to a history, and a broker is not pressed."""

T = TypeVar("T")


def never_called(rows: Mapping[bytes, bytes]) -> bool:
    """True if no issuer has answered about any badge of a table yet: the relay may be a new one."""
    return not any(b'"answered_at"' in raw for raw in rows.values())


async def read_up(partition: Partition, badges: str, clock: Clock, *, first: bool) -> None:
    """Return once the partition is read up to where it ends now; `first`: with what `badges` adds to it."""
    if first:
        log.info("%s-%d: reads all badge events before it calls", partition.tp.topic, partition.tp.partition)
        await _received(partition.host, badges, clock)
    _, end = await _asked(lambda: bounds(partition.host, partition.tp), clock)
    while partition.committed is None or partition.committed < end:
        await clock.sleep(LOOK_SECONDS)
    log.info("%s-%d: is read up to offset %d, calls begin", partition.tp.topic, partition.tp.partition, end)


async def _received(host: Host, topic: str, clock: Clock) -> None:
    """Return once the group has received all that the topic of badge events holds now."""
    group = host.kafka_consumer
    tps = [TopicPartition(topic, number) for number in range(host.partitions[topic])]
    begins = await _asked(lambda: group.beginning_offsets(tps), clock)
    ends = await _asked(lambda: group.end_offsets(tps), clock)
    left = {tp: end for tp, end in ends.items() if begins[tp] < end}
    while left:
        # Also after the last: of what is committed, the markers may still be on their way to our topic.
        await clock.sleep(LOOK_SECONDS)
        commits = await _asked(lambda: group.commits(left), clock)  # noqa: B023 - it is awaited at once
        left = {tp: end for tp, end in left.items() if tp not in commits or commits[tp].offset < end}


async def _asked(ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """What a broker answers, however long it is away."""
    while True:
        try:
            return await ask()
        except KafkaError as error:
            log.debug("how far the reading is cannot be asked for: %r", error)
            await clock.sleep(LOOK_SECONDS)

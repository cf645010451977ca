"""What a unit of work comes to: the records that it sends, the rows that it writes, how far it has read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiokafka.producer.message_accumulator import BatchBuilder

from streams.runtime.recovery import Read

BATCH_BYTES = 400_000
"""Large enough to share a request among thousands of records, small enough for every broker's default limit
(1 MB)."""

NO_COMPRESSION = 0


class Outbox:
    """Records to be sent together, as record batches by topic and partition."""

    __slots__ = ("_largest", "batches")

    def __init__(self, largest: Mapping[str, int]) -> None:
        self.batches: dict[tuple[str, int], list[BatchBuilder]] = {}
        self._largest = largest

    def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        """Add a record. One larger than the topic takes gets a batch of its own, which the broker refuses."""
        batches = self.batches.get((topic, partition))
        if batches is None:
            batches = self.batches[(topic, partition)] = [self._new_batch(topic)]
        if batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            # Full; an empty one takes any record.
            batches.append(self._new_batch(topic))
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    def _new_batch(self, topic: str) -> BatchBuilder:
        return BatchBuilder(min(BATCH_BYTES, self._largest[topic]), NO_COMPRESSION, is_transactional=True)


@dataclass(frozen=True, slots=True)
class Work:
    """A unit's results, to be committed in one transaction.

    `position` is the input offset to commit; None for a unit without a batch. `term` is the partition's when
    the unit's batch was delivered. `read` says how far into its sources it brings the table.
    """

    term: int
    position: int | None
    outbox: Outbox
    rows: Mapping[bytes, bytes | None]
    read: Read
    after_commit: list[Callable[[], None]]

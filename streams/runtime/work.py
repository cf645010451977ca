"""What a unit of work comes to: the records that it sends, the rows that it writes, how far it has read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from streams.kafka.insides import Packed, Record
from streams.runtime.recovery import Read

BATCH_BYTES = 400_000
"""Large enough to share a request among thousands of records, small enough for every broker's default limit
(1 MB)."""

SNAPPY = 2
"""Kafka's number of the compression: an activity takes a seventh of its bytes on the wire and on the brokers'
disks, for 0.2 µs of processor time to pack and unpack it. Of a batch of one record zstd would take 30 µs."""


class Outbox:
    """Records to be sent together, by topic and partition; `count` is how many there are."""

    __slots__ = ("count", "records")

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Record]] = {}
        self.count = 0

    def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        """Add a record."""
        self.count += 1
        records = self.records.get((topic, partition))
        if records is None:
            records = self.records[topic, partition] = []
        records.append((key, value, headers))


def batches(outboxes: Iterable[Outbox], largest: Mapping[str, int]) -> Iterator[tuple[str, int, Packed]]:
    """The records of all outboxes as record batches, each with its topic and partition.

    `largest` is the largest batch that each topic takes. A record above that gets a batch of its own, which
    the broker refuses.
    """
    filled: dict[tuple[str, int], list[Packed]] = {}
    for outbox in outboxes:
        for place, records in outbox.records.items():
            size = min(BATCH_BYTES, largest[place[0]])
            of_place = filled.setdefault(place, [])
            added = of_place[-1].add(records, 0) if of_place else 0
            while added < len(records):
                # An empty one takes any record.
                of_place.append(Packed(size, SNAPPY, is_transactional=True))
                added = of_place[-1].add(records, added)
    for (topic, partition), of_place in filled.items():
        for batch in of_place:
            yield topic, partition, batch


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

"""What one fetch gave of one partition."""

from collections import deque
from collections.abc import Iterator

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord


class Fetched(Iterator[ConsumerRecord]):
    """Records that are parsed one by one, as they are asked for; `end` is where the next fetch begins.

    Parsed all at once, as aiokafka gives them, records take ten times their bytes and are out of the
    processor's caches when their turn comes: a quarter of the worker's processor time went there.
    """

    __slots__ = ("_batches", "_records", "end")

    def __init__(self, records: PartitionRecords) -> None:
        self._batches = records._records = _Batches(records._records)
        self._records = records
        self.end = self._batches.end

    def __next__(self) -> ConsumerRecord:
        return next(self._records)

    @property
    def position(self) -> int:
        """Where the next record is looked for: compaction and markers leave gaps before it."""
        return int(self._records.next_fetch_offset)

    @property
    def done(self) -> bool:
        """True where nothing is left."""
        return self.position >= self.end

    def drop(self) -> None:
        """Give no more records, and let go of their bytes.

        aiokafka's records and their generator hold each other, Faust's events and the agents' tasks too: the
        bytes would stay until the garbage collector comes.
        """
        self._records._records_iterator = iter(())
        self._batches.clear()


class _Batches:
    """aiokafka's record batches, walked over for the end of the last; none is unpacked for that."""

    __slots__ = ("_batches", "end")

    def __init__(self, records: MemoryRecords) -> None:
        self._batches = deque(iter(records.next_batch, None))
        self.end = int(self._batches[-1].next_offset)

    def clear(self) -> None:
        self._batches.clear()

    def has_next(self) -> bool:
        return bool(self._batches)

    def next_batch(self) -> object:
        return self._batches.popleft()

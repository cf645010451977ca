"""What a unit sends, as record batches."""

from aiokafka.record.memory_records import MemoryRecords

from streams.runtime.work import Outbox, batches

VALUE = b'{"type":"org.openedx.learning.course.passing.status.updated.v1","data":{"user":{"id":%d}}}'


def test_records_that_are_alike_take_a_part_of_their_bytes_and_are_read_as_they_were() -> None:
    outbox = Outbox()
    for n in range(100):
        outbox.add("activities", 0, b"%d" % n, VALUE % n, [])

    [(topic, partition, builder)] = batches([outbox], {"activities": 1_000_000})
    builder.close()
    packed = bytes(builder._build())

    assert (topic, partition) == ("activities", 0)
    assert len(packed) < 100 * len(VALUE) / 3
    read = MemoryRecords(packed).next_batch()
    assert [(record.key, record.value) for record in read] == [(b"%d" % n, VALUE % n) for n in range(100)]

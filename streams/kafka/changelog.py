"""A changelog, read as the table that it is."""

import logging
import time
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from streams.kafka.client import reader
from streams.kafka.insides import high_watermark
from streams.settings import Settings

log = logging.getLogger(__name__)

POLL_MS = 200
"""How long to wait for records; the end is reached without waiting, so it is seldom felt."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a partition held: each key's last value, and how many records that took."""

    rows: dict[bytes, bytes]
    records: int


async def read(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int | None = None) -> Read:
    """The last committed value of each key in a changelog's partition; deleted keys are left out.

    `consumer` belongs to no group and reads what was committed; `tp` is assigned to it. It reads to `end`,
    and waits until all before is committed or aborted; without `end` to the first open transaction.
    """
    # Before the assignment: once aiokafka fetches, a broker answers each question only after a fetch.
    if end is None:
        end = (await consumer.end_offsets([tp]))[tp]
    begin = (await consumer.beginning_offsets([tp]))[tp]
    consumer.assign([tp])
    consumer.seek(tp, begin)
    rows: dict[bytes, bytes] = {}
    count = 0
    # `position`, not the last record: control records at the end are never delivered.
    while (await consumer.position(tp)) < end:
        for records in (await consumer.getmany(tp, timeout_ms=POLL_MS)).values():
            count += len(records)
            for record in records:
                if record.value is None:
                    rows.pop(record.key, None)
                else:
                    rows[record.key] = record.value
    return Read(rows, count)


async def read_table(settings: Settings, changelog: str, partition: int) -> dict[bytes, bytes]:
    """A partition's table as its new owner finds it.

    Nobody may be writing: the previous owner has finished or is fenced, so the high watermark is the end of
    what will ever be read. The markers of its last transaction may not be written yet.
    """
    from streams import metrics  # dear, and what else is here is read by commands

    began = time.monotonic()
    async with reader(settings) as consumer:
        tp = TopicPartition(changelog, partition)
        found = await read(consumer, tp, await high_watermark(consumer, tp))
    seconds = time.monotonic() - began
    metrics.RECOVERY_SECONDS.labels(changelog, str(partition)).set(seconds)
    metrics.RECOVERY_RECORDS.labels(changelog).inc(found.records)
    log.info(
        "%s-%d: %d records, %d keys in %.1f s", changelog, partition, found.records, len(found.rows), seconds
    )
    return found.rows

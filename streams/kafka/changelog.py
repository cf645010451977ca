"""A changelog, read as the table that it is."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from streams.kafka.client import reader
from streams.kafka.insides import WholeFetches, high_watermark, is_read, whole_batches
from streams.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""How long to wait for records; the end is reached without waiting, so it is seldom felt."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a partition held: each key's last value, and how many records that took."""

    rows: dict[bytes, bytes]
    records: int


async def read(consumer: WholeFetches, tp: TopicPartition, end: int | None = None) -> Read:
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
    while begin < end:
        fetch = consumer.take(tp)
        if fetch is None:
            await consumer.wait_for_arrival(POLL_SECONDS)
            continue
        batches = whole_batches(fetch)
        begin = batches[-1].next_offset
        consumer.fetch_on(tp, begin)  # the next is on its way while this one is read
        count += _write(rows, fetch, batches)
    return Read(rows, count)


def _write(rows: dict[bytes, bytes], fetch: PartitionRecords, batches: Iterable[Any]) -> int:
    """Write what was fetched into the rows; returns how many records that were.

    aiokafka would make a value of each record first, which takes three times as long as all of this.
    """
    count = 0
    for batch in batches:
        if not batch.validate_crc():
            raise CorruptRecordException(f"wrong checksum of the batch at offset {batch.base_offset}")
        if not is_read(fetch, batch):
            continue
        for record in batch:
            count += 1
            value = record.value
            if value is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = value
    return count


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

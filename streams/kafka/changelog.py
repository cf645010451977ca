"""A changelog, read as the table that it is."""

import logging
import time

from aiokafka.structs import TopicPartition

from streams import metrics
from streams.kafka.client import reader
from streams.settings import Settings

log = logging.getLogger(__name__)


async def read_table(settings: Settings, changelog: str, partition: int) -> dict[bytes, bytes]:
    """The last committed value of each key in a changelog's partition; deleted keys are left out.

    Nobody may be writing: the caller has fenced the previous owner, whose open transaction is thereby
    ended, so the high watermark is the end of what will ever be read.
    """
    began = time.monotonic()
    state: dict[bytes, bytes] = {}
    count = 0
    tp = TopicPartition(changelog, partition)
    async with reader(settings) as consumer:
        # Asked before the assignment: aiokafka's fetcher must not change its isolation while it fetches.
        end = (await consumer.end_offsets([tp]))[tp]
        begin = (await consumer.beginning_offsets([tp]))[tp]
        consumer.assign([tp])
        consumer.seek(tp, begin)
        # `position`, not the last record: control records at the end are never delivered.
        while (await consumer.position(tp)) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                count += len(records)
                for record in records:
                    if record.value is None:
                        state.pop(record.key, None)
                    else:
                        state[record.key] = record.value
    seconds = time.monotonic() - began
    metrics.RECOVERY_SECONDS.labels(changelog, str(partition)).set(seconds)
    metrics.RECOVERY_RECORDS.labels(changelog).inc(count)
    log.info("%s-%d: %d records, %d keys in %.1f s", changelog, partition, count, len(state), seconds)
    return state

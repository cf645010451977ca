"""Every part of aiokafka and Faust that is replaced: why, and how to see that it need no longer be.

aiokafka makes its parts itself, so `apply` swaps them, which a worker calls as it starts; importing this
product changes nothing for other clients of the process. Faust takes subclasses, and `App` gives it ours.
"""

import asyncio
import pkgutil
from dataclasses import dataclass

from aiokafka.errors import KafkaError
from aiokafka.producer.sender import Sender

MADE_FOR = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
"""The exact versions whose parts these are. For another, go through every `mended` below (decision 0015)."""

BACKOFF_SECONDS = 0.001
"""A worker's transactions follow each other at once, and the markers of the last take a millisecond or two.
With aiokafka's 20 ms a short transaction takes several times as long; asking again costs one small request,
and most transactions ask again once or not at all."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A part of a library and ours in its place, each as `module:name`.

    `mended` says how to see that upstream needs no replacement any more; where it names a test, that test
    of tests/runtime/test_patches.py shows upstream's fault, and fails once it is gone.
    """

    part: str
    ours: str
    reason: str
    mended: str


SWAPPED = (
    Replaced(
        "aiokafka.consumer.fetcher:MemoryRecords",
        "streams.runtime.fetched:Records",
        "aiokafka lets nobody at the bytes of a fetch, which `Fetched` parses again where a header's name is "
        "not UTF-8.",
        "test_aiokafka_keeps_the_bytes_of_a_fetch_to_itself",
    ),
    Replaced(
        "aiokafka.producer.sender:BACKOFF_OVERRIDE",
        "streams.runtime.patches:BACKOFF_SECONDS",
        "After a commit the coordinator still writes its markers and answers CONCURRENT_TRANSACTIONS to the "
        "next transaction; aiokafka's 20 ms of waiting double the time of a short one.",
        "test_aiokafka_waits_long_between_transactions",
    ),
    Replaced(
        "aiokafka.producer.producer:Sender",
        "streams.runtime.patches:PatientSender",
        "A connection lost while aiokafka looks for a coordinator ends its sender for good, and with it the "
        "producer.",
        "test_aiokafka_gives_up_where_the_connection_to_a_coordinator_is_lost",
    ),
)

SUBCLASSED = (
    Replaced(
        "faust:App",
        "streams.runtime.app:App",
        "At a rebalance Faust commits, clears its queues and recovers; ours hands partitions over.",
        "Faust has units of work: everything that a batch causes, in one transaction with its offset.",
    ),
    Replaced(
        "faust.transport.consumer:Consumer",
        "streams.runtime.consumer:Consumer",
        "Faust's commits past events that are in flight, and acknowledges what raised.",
        "As for the app.",
    ),
    Replaced(
        "faust.transport.drivers.aiokafka:Transport",
        "streams.runtime.consumer:Transport",
        "It is what names the consumer's class.",
        "As for the app.",
    ),
    Replaced(
        "faust:Table",
        "streams.runtime.table:Table",
        "Faust's only logs a changelog write that failed; ours is written by units.",
        "As for the app.",
    ),
    Replaced(
        "faust.tables.manager:TableManager",
        "streams.runtime.table:TableManager",
        "Faust recovers all tables at once, before anything is delivered, and copies of others' tables; "
        "here each partition's new owner recovers its own.",
        "As for the app.",
    ),
    Replaced(
        "faust.app.base:BootStrategy",
        "streams.runtime.app:BootStrategy",
        "Faust starts a producer that nothing here uses.",
        "Faust starts it when it is first asked for.",
    ),
    Replaced(
        "faust:Schema",
        "streams.runtime.app:BatchSchema",
        "Faust decodes each event's key and value; a batch is decoded record by record, by its unit.",
        "Never: it is Faust's own place for this.",
    ),
    Replaced(
        "faust:Topic",
        "streams.runtime.app:BatchTopic",
        "Faust's cannot name itself when it is several topics, and its command line fails.",
        "test_a_topic_of_faust_cannot_name_itself_where_it_is_several",
    ),
)


class PatientSender(Sender):
    """Looks for a coordinator again if the connection was lost while it looked."""

    async def _find_coordinator(self, coordinator_type: int, coordinator_key: str) -> int:
        while True:
            try:
                return int(await super()._find_coordinator(coordinator_type, coordinator_key))
            except KafkaError as error:
                # aiokafka wraps what it does not know to be passing.
                if not getattr(error.__cause__, "retriable", False):
                    raise
                await self.client.force_metadata_update()
                await asyncio.sleep(self._retry_backoff)


def apply() -> None:
    """Swap what is `SWAPPED`, for every client of this process that is made from now on."""
    for replaced in SWAPPED:
        module, _, name = replaced.part.partition(":")
        setattr(pkgutil.resolve_name(module), name, pkgutil.resolve_name(replaced.ours))

"""The bus's parts without a network: schemas in memory, records as a consumer has them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from aiokafka.structs import ConsumerRecord

from streams.bus.registry import Registry
from streams.errors import UnreadableError, WaitNeeded
from streams.headers import Headers
from streams.settings import Settings
from tests.bus.messages import Message

TIMESTAMP_MS = 1_700_000_000_000


class MemoryRegistry(Registry):
    """Knows the schemas of recorded messages, and gives any other the next id."""

    def __init__(self, settings: Settings, *known: Message) -> None:
        super().__init__(settings)
        self._known = {message.schema_id: json.dumps(message.schema) for message in known}

    async def schema_by_id(self, schema_id: int) -> str:
        if schema_id not in self._known:
            raise UnreadableError("unknown_schema", str(schema_id))
        return self._known[schema_id]

    async def register(self, subject: str, text: str) -> int:
        schema_id = max(self._known, default=0) + 1
        self._known[schema_id] = text
        return schema_id


def record(
    value: bytes | None, headers: Headers, *, key: bytes | None = b"key", topic: str = "bus", offset: int = 7
) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, offset, TIMESTAMP_MS, 0, key, value, None, 0, 0, tuple(headers))


def record_of(message: Message, **changes: Any) -> ConsumerRecord:
    """A recorded message as a consumer has it."""
    return replace(record(message.value, message.headers, key=message.key), **changes)


async def take(records: Iterable[ConsumerRecord], step: Callable[[ConsumerRecord], None]) -> None:
    """A step for each record, as an agent takes them; what one needs first is waited for."""
    for record in records:
        while True:
            try:
                step(record)
                break
            except WaitNeeded as needed:
                await needed.until()

"""Waits for consumer groups."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.kafka.client import admin
from streams.settings import Settings

POLL_SECONDS = 0.1
"""Between two looks at a group, each of which is a request to its coordinator."""


async def joined(settings: Settings, group: str, *, within: float) -> None:
    """Wait until the group has members and has assigned its partitions; `TimeoutError` if it does not."""

    async def is_stable(client: AIOKafkaAdminClient) -> bool:
        (described,) = await client.describe_consumer_groups([group])
        return bool(described.groups[0][2] == "Stable")

    await _until(is_stable, settings, within, f"nobody has joined {group}")


async def committed(
    settings: Settings, group: str, ends: Mapping[TopicPartition, int], *, within: float
) -> None:
    """Wait until the group has committed at least these offsets; `TimeoutError` if it does not."""

    async def is_there(client: AIOKafkaAdminClient) -> bool:
        offsets = await client.list_consumer_group_offsets(group)
        return all(tp in offsets and offsets[tp].offset >= end for tp, end in ends.items())

    await _until(is_there, settings, within, f"{group} has not worked through its input")


async def _until(
    holds: Callable[[AIOKafkaAdminClient], Awaitable[bool]], settings: Settings, within: float, what: str
) -> None:
    try:
        async with asyncio.timeout(within), admin(settings) as client:
            while not await _or_not(holds(client)):
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"{what} within {within:g} s") from None


async def _or_not(answer: Awaitable[bool]) -> bool:
    """The answer; False while a broker or a coordinator is away."""
    try:
        return await answer
    except KafkaError:
        return False

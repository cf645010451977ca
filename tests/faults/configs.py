"""Changes a topic's configuration while it is in use."""

from collections.abc import Mapping

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka import checks
from streams.kafka.client import admin
from streams.settings import Settings

# A request replaces the whole configuration of the topic, so these go with it.
KEPT = ("cleanup.policy", "max.message.bytes", "retention.ms")


async def alter(settings: Settings, topic: str, configs: Mapping[str, str]) -> None:
    """Set `configs` of a topic; what our own topics are created with stays."""
    async with admin(settings) as client:
        found = (await checks.configs(client, [topic]))[topic]
        wanted = {name: found[name] for name in KEPT} | dict(configs)
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)])

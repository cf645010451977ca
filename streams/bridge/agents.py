"""The agents of the bridge: `bridge` gives entries of Redis on, `carry` brings badge events there.

Streams of Redis are shared out with the partitions of a topic that has no records: who is assigned the
partition of a stream's name reads the stream (decision 0022).
"""

from collections.abc import AsyncIterator

from streams.bridge.bridge import AGENT, CARRIES, Bridge
from streams.bridge.carrying import Carrying
from streams.bridge.reading import Reading
from streams.bridge.sink import Sink
from streams.bridge.stream import Stream
from streams.errors import ConfigurationError
from streams.kafka.client import partition_of
from streams.kafka.topics import topics
from streams.runtime.app import App
from streams.runtime.partition import Partition
from streams.runtime.unit import Batch
from streams.settings import Settings


def build(settings: Settings) -> App:
    """The Faust app of the bridge under `settings`."""
    if settings.bus != "redis":
        raise ConfigurationError("BADGES_BUS: only where it is redis there is something to bridge")
    names = topics(settings)
    app = App(
        settings.bridge_id,
        settings,
        needs=(names.badges, names.activities, names.dead_letters, names.catalog, *names.bridge),
        sources=frozenset((names.badges.name,)),
        origin="streams",
    )
    bridge = Bridge(app, settings, names)
    app.resources += [bridge.pages, bridge]
    app.Table("cursors", input_topic=names.shares.name, changelog=names.cursors.name)

    def partition_ready(partition: Partition) -> None:
        """Read the streams of an assigned partition for as long as it stays assigned."""
        if partition.tp.topic != names.shares.name:
            return
        for stream in names.streams:
            if partition_of(stream.encode(), names.shares.partitions) == partition.tp.partition:
                partition.run(Reading(bridge, partition, Stream(bridge.redis, stream)).run)

    app.on_partition_ready = partition_ready

    @app.agent(app.batches(names.shares.name), name=AGENT)
    async def pass_over(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch):
                # Nobody should write here.
                for _ in batch:
                    pass

    sink = Sink(
        bridge.redis,
        stream=names.badges.name,
        places=f"{settings.app_id}:bridge:{names.badges.name}",
        max_len=settings.redis_stream_max_len,
    )

    @app.agent(app.batches(names.badges.name), name=CARRIES)
    async def carry(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            carrying = Carrying(bridge, sink, batch)
            await carrying.carry()
            async with app.unit(batch) as unit:
                unit.after_commit.append(carrying.count)

    return app

"""The agents of the relay.

`receive` takes the badge events that our tracker sent and keys them by badge; `relay` writes what they ask
for into the table of issuances, and a reconciler for each assigned partition makes the issuers follow.
"""

from collections.abc import AsyncIterator

from streams.kafka.topics import topics
from streams.relay.desiring import Desiring
from streams.relay.receiving import Receiving
from streams.relay.relay import Relay
from streams.runtime.app import App
from streams.runtime.unit import Batch
from streams.settings import Settings


def build(settings: Settings) -> App:
    """The Faust app of the relay under `settings`."""
    names = topics(settings)
    app = App(
        settings.relay_id,
        settings,
        needs=(names.badges, names.catalog, *names.relay),
        sources=frozenset((names.badges.name,)),
        origin="streams",
    )
    relay = Relay(app, settings, names)
    app.resources += [relay.pages, relay.registry, relay]
    app.on_partition_ready = relay.partition_ready
    app.Table("issuances", input_topic=names.decisions.name, changelog=names.issuances.name)

    @app.agent(app.batches(names.badges.name), name="receive")
    async def receive(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                receiving = Receiving(relay, unit)
                batch.work_off(receiving)
                unit.after_commit.append(receiving.count)

    @app.agent(app.batches(names.decisions.name), name="relay")
    async def relay_decisions(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                desiring = Desiring(relay, unit, batch)
                batch.work_off(desiring)
                desiring.find()
                unit.after_commit.append(desiring.follow)

    return app

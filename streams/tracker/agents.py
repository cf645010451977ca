"""The agents of the tracker.

`rekey` forwards what a rule of the catalog matches, keyed by learner; where the bus is Redis a bridge does
that, and there is none. `track` keeps each learner's progress and emits what the core decides.
"""

from collections.abc import AsyncIterator
from functools import partial

from streams.kafka.topics import topics
from streams.runtime.app import App
from streams.runtime.unit import Batch
from streams.settings import Settings
from streams.tracker.rekeying import Rekeying
from streams.tracker.tracker import Tracker
from streams.tracker.tracking import Tracking


def build(settings: Settings) -> App:
    """The Faust app of the tracker under `settings`."""
    names = topics(settings)
    sources = frozenset(topic.name for topic in names.sources)
    app = App(
        settings.app_id,
        settings,
        needs=(*names.sources, names.badges, *names.tracker),
        sources=sources,
        origin="streams",
    )
    tracker = Tracker(app, settings, names)
    app.resources += [tracker.pages, tracker.registry, tracker]
    app.on_partition_ready = tracker.partition_ready
    app.Table(
        "progress",
        help="What each learner has done towards each badge.",
        input_topic=names.activities.name,
        changelog=names.progress.name,
    )

    if sources:

        @app.agent(app.batches(*sorted(sources)), name="rekey")
        async def rekey(batches: AsyncIterator[Batch]) -> None:
            async for batch in batches:
                async with app.unit(batch) as unit:
                    rekeying = Rekeying(tracker, unit)
                    batch.work_off(rekeying)
                    unit.after_commit.append(rekeying.count)

    @app.agent(app.batches(names.activities.name), name="track")
    async def track(batches: AsyncIterator[Batch]) -> None:
        async for batch in batches:
            async with app.unit(batch) as unit:
                tracking = Tracking(tracker, unit)
                batch.work_off(tracking)
                tracking.store()
                unit.after_commit.append(tracking.count)
                if tracking.held:
                    changed = partial(tracker.held.change, batch.partition.tp.partition, tracking.held)
                    unit.after_commit.append(changed)

    return app

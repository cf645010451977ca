"""A site is restored from a copy of its changelog, as `docs/operate.md` says."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from streams.kafka.topics import topics
from streams.sandbox import lms, publisher
from streams.sandbox.audit import announcement, read_topic, settled
from streams.sandbox.commands import Commands
from streams.sandbox.publisher import Placed
from streams.settings import Settings
from tests.whole.full_site import LEARNERS, TEMPLATES, FullSite


async def awards(settings: Settings) -> Counter[int]:
    """How many badges each learner was awarded; each decision is on the bus once."""
    records = await read_topic(settings, topics(settings).badges.name)
    events = [event for record in records if (event := announcement(record, settings))]
    assert max(Counter(event.id for event in events).values()) == 1
    return Counter(event.learner for event in events)


async def copy(kafka: str, there: Settings, here: Settings) -> None:
    """Copy the progress, record by record, each into its partition."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        for record in await read_topic(there, topics(there).progress.name):
            await producer.send_and_wait(
                topics(here).progress.name, record.value, record.key, partition=record.partition
            )
    finally:
        await producer.stop()


def test_a_restored_tracker_awards_what_is_new_and_nothing_again(
    full: FullSite, loop: asyncio.Runner
) -> None:
    async def scenario() -> None:
        # given a copy, and what happened after it was made
        before = full.commands.parsed
        restored = Commands({**full.commands.settings, "BADGES_APP_ID": f"{before.app_id}-restored"})
        await asyncio.to_thread(restored.run, "topics", "--create")
        await copy(full.kafka, before, restored.parsed)
        await asyncio.to_thread(full.stop, "tracker")
        course, user = lms.course("course-v1:A+B+C"), lms.user(900)
        passing = {"is_passing": True, "course": course, "user": user}
        new = full.press.publish([lms.Happening(lms.PASSING, datetime.now(UTC), 900, passing)])
        placed: list[Placed] = []
        await publisher.emit(full.kafka, new, placed=placed.extend)
        # when a tracker begins there at the bus's first record
        tracker = restored.start("tracker", log=full.folder / "restored.log")
        try:
            await settled(restored.parsed, placed, within=60)
        finally:
            await asyncio.to_thread(tracker.stop)
        # then
        learners = (*range(1, LEARNERS + 1), 900)
        assert await awards(before) == {learner: len(TEMPLATES) for learner in learners}

    loop.run(scenario())

"""Following the topics: from the beginning, on from a store, over what is broken, deleted or made again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from streams.api.follower import OLD_SECONDS, Again, Follower, Progressing
from streams.api.questions import Questions
from streams.api.rows import progress_row
from streams.api.store import Batch, Store, connected
from streams.badges import badge_id
from streams.catalog.in_force import pack as packed
from streams.clock import Clock
from streams.kafka.client import partition_of
from streams.kafka.consents import Consent, line
from streams.kafka.topics import topics
from streams.sandbox.kafka import create_topics
from streams.settings import Settings
from streams.tracker.rows import pack
from tests.api.world import APPRENTICE, CATALOG, issued, judged, passed

PARTITIONS = 2
WITHIN = 20.0
TP, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def row(learner: int) -> bytes:
    return pack(judged([passed(learner, "kafka", 1)])[learner], None)


@dataclass(slots=True)
class Site:
    """Topics, and what is written there."""

    settings: Settings
    producer: AIOKafkaProducer
    taken: list[Batch] = field(default_factory=list)

    async def progress(self, key: bytes, value: bytes | None) -> None:
        topic = topics(self.settings).progress.name
        await self.producer.send_and_wait(topic, value, key, partition_of(key, PARTITIONS))

    async def issuance(self, key: bytes, value: bytes | None) -> None:
        topic = topics(self.settings).issuances.name
        await self.producer.send_and_wait(topic, value, key, partition_of(key, PARTITIONS))

    async def consent(self, key: bytes, value: bytes | None) -> None:
        topic = topics(self.settings).consents.name
        await self.producer.send_and_wait(topic, value, key, partition_of(key, PARTITIONS))

    async def take(self, batch: Batch) -> None:
        self.taken.append(batch)


@pytest.fixture
async def site(kafka: str, app_prefix: str) -> AsyncIterator[Site]:
    settings = Settings(
        kafka=kafka, app_id=app_prefix, relay_id=f"{app_prefix}-relay", partitions=PARTITIONS, start_seconds=5
    )
    names = topics(settings)
    await make(settings, names.progress.name, names.issuances.name, names.consents.name)
    await create_topics(kafka, [names.catalog.name])
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        yield Site(settings, producer)
    finally:
        await producer.stop()


async def make(settings: Settings, *names: str) -> None:
    await create_topics(settings.kafka, names, partitions=PARTITIONS)


def read_up(path: Path) -> bool:
    """Whether a store says that it was read up."""
    with closing(connected(path, read_only=True)) as db:
        return bool(db.execute("SELECT 1 FROM known WHERE name = 'read_up_at'").fetchall())


@asynccontextmanager
async def following(
    site: Site, path: Path, clock: Clock | None = None
) -> AsyncIterator[tuple[Follower, Questions]]:
    store = Store(path, "here")
    questions = Questions(path)
    follower = Follower(site.settings, store, topics(site.settings), clock or Clock(), site.take)
    task = asyncio.create_task(follower.run())
    try:
        yield follower, questions
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        questions.close()
        store.close()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.02)


async def test_rows_and_catalogs_are_known_and_deleted_ones_no_more(site: Site, tmp_path: Path) -> None:
    await site.progress(b"1", row(1))
    await site.progress(b"2", row(2))
    _, value = issued(1, APPRENTICE)
    badge = str(badge_id(APPRENTICE, 1)).encode()
    await site.issuance(badge, value)
    consent = Consent(1, APPRENTICE, "a-link", 5)
    await site.consent(badge, line(consent))
    await site.producer.send_and_wait(
        topics(site.settings).catalog.name, packed(CATALOG.read_bytes()), b"one", 0
    )

    async with following(site, tmp_path / "s") as (follower, questions):
        await until(lambda: follower.as_of)
        assert questions.totals() == (2, 1)
        assert list(questions.issuances(1)) == [badge.decode()]
        assert questions.consents(1) == {badge.decode(): consent}
        assert questions.consent("a-link") == consent
        assert follower.consents
        assert [revision.name for revision in questions.revisions()] == ["one"]

        await site.progress(b"1", None)
        await site.issuance(badge, None)
        await site.consent(badge, None)
        await until(lambda: questions.totals() == (1, 0) and not questions.consents(1))
        assert questions.consent("a-link") is None


async def test_what_is_broken_is_named_counted_and_left_out(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await site.progress(b"1", b"\xc1")
    await site.progress(b"x", row(1))
    await site.issuance(b"no badge", b"{}")
    await site.consent(str(badge_id(APPRENTICE, 1)).encode(), b'{"v":2}')
    await site.progress(b"3", row(3))

    async with following(site, tmp_path / "s") as (follower, questions):
        await until(lambda: follower.as_of)
        assert questions.totals() == (1, 0)

    assert caplog.text.count("is left out") == 4
    assert "progress-changelog-" in caplog.text


async def test_a_new_start_goes_on_where_the_last_one_ended(site: Site, tmp_path: Path) -> None:
    for n in range(20):
        await site.progress(b"%d" % n, row(n))
    async with following(site, tmp_path / "s"):
        await until(lambda: read_up(tmp_path / "s"))
    site.taken.clear()
    await site.progress(b"20", row(20))

    async with following(site, tmp_path / "s") as (follower, questions):
        assert follower.as_of is not None
        assert questions.totals() == (20, 0)
        await until(lambda: questions.totals() == (21, 0))

    # The last record of each partition is read again: by it a topic is known.
    assert sum(len(batch.progress) for batch in site.taken) <= 1 + PARTITIONS


async def test_a_topic_that_was_made_again_is_read_from_its_beginning(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = topics(site.settings).progress.name
    for n in range(6):
        await site.progress(b"%d" % n, row(n))
    async with following(site, tmp_path / "s") as (follower, _):
        await until(lambda: follower.as_of)
    client = AIOKafkaAdminClient(bootstrap_servers=site.settings.kafka)
    await client.start()
    await client.delete_topics([name])
    await client.close()
    await make(site.settings, name)
    for n in range(100, 120):  # more than there were: the offsets alone would not show it
        await site.progress(b"%d" % n, row(n))

    async with following(site, tmp_path / "s") as (follower, questions):
        await until(lambda: questions.totals() == (20, 0) and follower.as_of)
        assert questions.learner(1) == (None, None)

    assert "made again" in caplog.text


async def test_a_store_that_is_too_old_to_know_who_was_forgotten_is_made_again(
    site: Site, tmp_path: Path
) -> None:
    await site.progress(b"2", row(2))
    store = Store(tmp_path / "s", "here")
    store.apply(Batch(progress={1: progress_row(row(1))}))
    store.read_up(time.time() - OLD_SECONDS - 60)
    store.close()

    async with following(site, tmp_path / "s") as (follower, questions):
        await until(lambda: follower.as_of is not None and time.time() - follower.as_of < 60)
        assert questions.learner(1) == (None, None)
        assert questions.learner(2) != (None, None)


async def test_while_kafka_is_away_what_is_known_stays_and_grows_old(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "s", "here")
    store.apply(Batch(progress={1: progress_row(row(1))}))
    store.read_up(12.5)
    store.close()
    site.settings = site.settings.model_copy(update={"kafka": "127.0.0.1:1", "start_seconds": 0.2})

    async with following(site, tmp_path / "s") as (follower, questions):
        await until(lambda: follower.trouble)
        assert follower.as_of == 12.5
        assert questions.learner(1) != (None, None)

    assert "cannot be followed" in caplog.text


def test_answers_are_as_old_as_the_last_moment_of_which_all_is_known() -> None:
    progressing = Progressing()

    assert not progressing.seen({TP: 3, OTHER: 0}, {TP: 10, OTHER: 2}, at=1.0)
    assert not progressing.seen({TP: 10, OTHER: 1}, {TP: 20, OTHER: 2}, at=2.0)
    assert progressing.as_of is None
    assert progressing.seen({TP: 12, OTHER: 2}, {TP: 20, OTHER: 2}, at=3.0)
    assert progressing.as_of == 1.0  # all that was there then, though more has come since
    assert progressing.seen({TP: 20, OTHER: 2}, {TP: 20, OTHER: 2}, at=4.0)
    assert progressing.as_of == 3.0


def test_while_the_brokers_say_nothing_answers_grow_old() -> None:
    progressing = Progressing()
    for _ in range(3):
        progressing.seen({TP: 5}, {TP: 5}, at=7.0)

    assert progressing.as_of == 7.0


class Silent:
    """A consumer whose brokers say nothing more, until they do."""

    def __init__(self, heard: float) -> None:
        self.heard = heard

    def assignment(self) -> set[TopicPartition]:
        return {TP}

    async def getmany(self, **_: object) -> dict[TopicPartition, list[object]]:
        return {}

    async def position(self, _: TopicPartition) -> int:
        return 5

    def last_stable_offset(self, _: TopicPartition) -> int:
        return 5

    def last_poll_timestamp(self, _: TopicPartition) -> float:
        return self.heard * 1_000


async def test_an_outage_makes_answers_old_and_a_long_one_the_store_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", "here")
    settings = Settings()
    taken: list[Batch] = []

    async def take(batch: Batch) -> None:
        taken.append(batch)

    follower = Follower(settings, store, topics(settings), Clock(), take)
    consumer = Silent(1_000.0)
    for _ in range(3):
        await follower._step(consumer)
    assert follower.as_of == store.read_up_at == 1_000.0

    consumer.heard += 3_600.0
    await follower._step(consumer)
    await follower._step(consumer)
    assert follower.as_of == store.read_up_at == 4_600.0
    consumer.heard += OLD_SECONDS + 1
    with pytest.raises(Again, match="away"):
        await follower._step(consumer)
    store.close()

"""A worker's producer: units that wait share a transaction, and its end."""

import asyncio
from collections import Counter

import pytest
from aiokafka.errors import InvalidProducerIdMapping, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.errors import FatalError
from streams.runtime import transaction
from streams.runtime.transaction import Committer, ExpiredError
from streams.runtime.work import Outbox
from streams.sandbox.kafka import create_topics
from tests.runtime.world import INPUT, OUTPUT, SETTINGS, Broker, Producer, Worker


async def test_units_that_come_during_a_transaction_share_the_next_one() -> None:
    broker, committer = await _started()
    broker.hold = asyncio.Event()
    commits = [asyncio.ensure_future(_commit(committer, 0))]
    await _reached(broker, "commit")
    commits += [asyncio.ensure_future(_commit(committer, partition)) for partition in (1, 2)]
    await asyncio.sleep(0)

    broker.hold.set()
    await asyncio.gather(*commits)

    # The first went alone, the others together.
    assert Counter(broker.did)["begin"] == 2
    assert Counter(broker.did)["offsets"] == 2
    assert {tp.partition: commit.offset for tp, commit in broker.commits.items()} == {0: 10, 1: 11, 2: 12}
    assert [(sent.topic, sent.value) for sent in broker.records] == [
        (OUTPUT, b"0"),
        (OUTPUT, b"1"),
        (OUTPUT, b"2"),
    ]


async def test_partitions_that_a_transaction_has_freed_share_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Long enough for ten turns of the loop on any machine.
    monkeypatch.setattr(transaction, "PAUSE_SECONDS", 0.5)
    broker, committer = await _started()
    await asyncio.gather(_commit(committer, 0), _commit(committer, 1))

    async def after_some_turns_of_the_loop(partition: int) -> None:
        for _ in range(10 * partition):
            await asyncio.sleep(0)
        await _commit(committer, partition)

    await asyncio.gather(*map(after_some_turns_of_the_loop, range(2)))

    assert Counter(broker.did)["begin"] == 2


async def test_a_transaction_takes_no_more_units_once_it_has_its_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transaction, "TRANSACTION_RECORDS", 2)
    broker, committer = await _started()

    await asyncio.gather(*(_commit(committer, partition) for partition in range(5)))

    assert Counter(broker.did)["begin"] == 3


async def test_what_fails_fails_for_all_units_and_for_those_that_wait() -> None:
    broker, committer = await _started()
    broker.hold, broker.fails = asyncio.Event(), KafkaError("no")
    commits = [asyncio.ensure_future(_commit(committer, 0))]
    await _reached(broker, "commit")
    commits += [asyncio.ensure_future(_commit(committer, partition)) for partition in (1, 2)]
    await asyncio.sleep(0)

    broker.hold.set()
    failures = await asyncio.gather(*commits, return_exceptions=True)

    assert [str(failure) for failure in failures] == [
        f"{INPUT}-{partition}: commit failed: KafkaError('no')" for partition in range(3)
    ]
    assert all(isinstance(failure, FatalError) for failure in failures)
    assert (broker.commits, Counter(broker.did)["begin"]) == ({}, 1)


async def test_a_unit_that_no_longer_waits_holds_up_no_other() -> None:
    broker, committer = await _started()
    broker.hold = asyncio.Event()
    commits = [asyncio.ensure_future(_commit(committer, partition)) for partition in range(2)]
    await _reached(broker, "commit")

    commits[0].cancel()
    broker.hold.set()
    async with asyncio.timeout(1):
        await commits[1]

    assert {tp.partition for tp in broker.commits} == {0, 1}


async def test_an_expired_producer_stays_expired() -> None:
    broker, committer = await _started()
    broker.hold, broker.fails = asyncio.Event(), InvalidProducerIdMapping()
    broker.hold.set()

    with pytest.raises(ExpiredError):
        await _commit(committer, 0)
    broker.hold = None
    with pytest.raises(ExpiredError):
        await _commit(committer, 1)

    assert Counter(broker.did)["begin"] == 1


async def test_a_name_is_fenced_once() -> None:
    broker, committer = await _started()

    for name in ("two", "three", "two"):
        await committer.fence(name)

    assert broker.did == ["init one", "init two", "init three"]
    assert [broker.producers[name].stopped for name in ("one", "two", "three")] == [False, True, True]


async def test_a_producer_that_does_not_start_is_closed() -> None:
    producers: list[Producer] = []

    class Refused(Producer):
        async def start(self) -> None:
            raise LookupError

    def refused(_: object, name: str) -> Producer:
        producers.append(Refused(broker, name))
        return producers[-1]

    committer = Committer(Worker(broker := Broker()), "one", producer=refused)

    with pytest.raises(LookupError):
        await committer.start()

    assert [producer.stopped for producer in producers] == [True]


async def test_a_worker_that_another_has_fenced_commits_nothing_more(kafka: str, app_prefix: str) -> None:
    await create_topics(kafka, [INPUT, OUTPUT])
    worker = Worker(Broker())
    worker.settings = SETTINGS.model_copy(update={"kafka": kafka})
    former, successor = (Committer(worker, f"{app_prefix}-{name}") for name in ("one", "two"))
    await asyncio.gather(former.start(), successor.start())
    await _commit(former, 0)

    await successor.fence(former.name)

    with pytest.raises(FatalError, match="another worker has taken over"):
        await _commit(former, 0)
    await _commit(successor, 0)
    await asyncio.gather(former.stop(), successor.stop())


async def _started() -> tuple[Broker, Committer]:
    broker = Broker()
    committer = Committer(Worker(broker), "one", producer=lambda _, name: Producer(broker, name))
    await committer.start()
    return broker, committer


async def _reached(broker: Broker, step: str) -> None:
    async with asyncio.timeout(1):
        while step not in broker.did:
            await asyncio.sleep(0)


async def _commit(committer: Committer, partition: int) -> None:
    """A unit of a partition: one record, and an offset by which the partition is known."""
    outbox = Outbox()
    outbox.add(OUTPUT, 0, b"key", b"%d" % partition, [])
    offset = OffsetAndMetadata(10 + partition, "")
    await committer.commit(TopicPartition(INPUT, partition), outbox, offset)

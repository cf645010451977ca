"""A partition's states, and that what its units cause is committed together, once, or not at all."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import orjson
import pytest
from aiokafka.errors import (
    InvalidProducerIdMapping,
    KafkaError,
    MessageSizeTooLargeError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import OffsetAndMetadata

from streams import metrics
from streams.errors import FatalError
from streams.runtime.partition import NEXT, State
from tests.relay.virtual import in_virtual_time
from tests.runtime import fetches
from tests.runtime.fetches import batch
from tests.runtime.world import CHANGELOG, OUTPUT, SOURCE, TP, World


async def test_the_first_owner_claims_its_partition_before_it_reads_the_table() -> None:
    world = await World().owner()

    assert world.broker.did == [
        "init one",
        *("read commits", "read commits"),
        "commit as member",
        *("read table", "seek 0", "resume"),
    ]
    assert _owner(world) == "one"
    assert world.partition.state == "idle"
    assert world.partition.ready


async def test_an_owner_fences_the_former_one_then_reads_its_last_commit_then_the_table() -> None:
    former = await World().owner()
    former.broker.did.clear()

    successor = await World(former.broker, name="two").owner()

    assert successor.broker.did == [
        *("init two", "read commits", "init one", "read commits"),
        "commit as member",
        *("read table", "seek 0", "resume"),
    ]
    assert _owner(successor) == "two"


async def test_a_former_owner_that_has_finished_is_not_fenced() -> None:
    former = await World().owner()
    await former.finish()
    former.broker.did.clear()

    await World(former.broker, name="two").owner()

    assert "init one" not in former.broker.did


async def test_an_owner_of_an_earlier_version_is_fenced_by_the_name_of_the_partition() -> None:
    world = World()
    world.broker.commits[TP] = OffsetAndMetadata(7, '{"epoch":0,"keys":0}')

    await world.owner()

    assert f"init tracker-{TP.topic}-{TP.partition}" in world.broker.did
    assert world.partition.committed == 7


async def test_who_is_no_longer_in_the_group_claims_nothing_and_is_no_owner() -> None:
    world = World()
    world.worker.is_member = False

    await world.owner()

    assert (world.partition.state, world.at) == ("vacant", None)
    assert world.partition.finished() is None


async def test_a_batch_is_delivered_worked_and_committed_with_its_offset() -> None:
    world = await World().owner()
    states = [world.partition.state]

    delivered = world.deliver((0, 1, 2))
    states.append(world.partition.state)
    async with world.unit(delivered) as unit:
        states.append(world.partition.state)
        for record in delivered:
            unit.send(OUTPUT, key=b"k", value=record.value, partition=3)
        unit.put(b"ana", b"progress")
    states.append(world.partition.state)
    await world.partition.drained()
    states.append(world.partition.state)

    assert states == ["idle", "delivered", "working", "working", "idle"]
    assert [(r.topic, r.partition, r.value) for r in world.broker.records] == [
        (OUTPUT, 3, b"0"),
        (OUTPUT, 3, b"1"),
        (OUTPUT, 3, b"2"),
        (CHANGELOG, 0, b"progress"),
    ]
    assert world.at == world.partition.committed == 3


async def test_a_row_is_there_for_later_units_and_only_once_it_is_committed() -> None:
    world = await World().owner()

    async with world.unit(world.deliver()) as unit:
        unit.put(b"ana", b"new")
        assert world.partition.rows == {}
    await world.partition.drained()

    assert world.partition.rows == world.broker.rows == {b"ana": b"new"}


async def test_a_fetch_is_worked_off_batch_by_batch_and_kept_until_its_end() -> None:
    world = await World().owner()
    fetched = fetches.fetched(batch((0, 1, 2)))

    first = world.deliver_rest(fetched)
    async with world.unit(first):
        next(iter(first))
    await world.partition.drained()
    assert (world.at, world.partition.fetched, world.partition.unfinished) == (1, fetched, 1)

    await world.work(world.deliver_rest(fetched))
    assert (world.at, world.partition.fetched, world.partition.unfinished) == (3, None, None)


async def test_what_is_delivered_counts_as_unfinished_from_its_first_record() -> None:
    world = await World().owner()
    delivered = world.deliver((4, 5))

    async with world.unit(delivered):
        list(delivered)
        assert world.partition.unfinished == 4


async def test_an_offset_is_committed_with_the_tables_keys_and_how_far_its_sources_were_read() -> None:
    world = await World().owner()

    delivered = world.deliver()
    async with world.unit(delivered) as unit:
        list(delivered)
        unit.put(b"ana", b"1")
        unit.put(b"ben", b"1")
        unit.put(b"cy", None)
        unit.read[SOURCE, 0] = (0, 41)
    await world.partition.drained()
    await world.work(world.deliver((3,)), ana=None, ben=b"2")

    metadata = orjson.loads(world.broker.commits[TP].metadata)
    assert metadata == {"epoch": 0, "keys": 1, "owner": "one", "read": {SOURCE: {"0": [0, 41]}}}


async def test_a_successor_goes_on_from_what_its_predecessor_says_of_the_sources() -> None:
    world = await World().owner()
    async with world.unit(world.deliver()) as unit:
        unit.read[SOURCE, 0] = (0, 41)
    await world.partition.drained()
    successor = await World(world.broker, name="two").owner()

    async with successor.unit(successor.deliver()) as unit:
        unit.read[SOURCE, 1] = (0, 7)
    await successor.partition.drained()

    assert orjson.loads(world.broker.commits[TP].metadata)["read"] == {SOURCE: {"0": [0, 41], "1": [0, 7]}}


class TestWithoutABatch:
    async def test_it_commits_records_and_rows_but_no_offset_and_changes_no_state(self) -> None:
        world = await World().owner()
        await world.work(world.deliver(), badge=b"desired")
        world.broker.did.clear()

        async with world.unit(None) as unit:
            assert world.partition.state == "idle"
            unit.put(b"badge", b"issued")
        await world.partition.drained()

        assert world.broker.rows == {b"badge": b"issued"}
        assert "offsets" not in world.broker.did
        assert world.partition.state == "idle"

    async def test_a_batch_that_waits_goes_on_waiting(self) -> None:
        world = await World().owner()
        waiting = world.deliver()

        await world.work(None, badge=b"issued")
        assert world.partition.state == "delivered"

        await world.work(waiting)
        assert (world.partition.state, world.at) == ("idle", 3)

    @pytest.mark.parametrize(("cy", "keys"), [(None, 1), (b"1", 3)])
    async def test_with_other_keys_it_commits_the_same_offset_with_their_number(
        self, cy: bytes | None, keys: int
    ) -> None:
        world = await World().owner()
        await world.work(world.deliver(), ana=b"1", ben=b"1")

        await world.work(None, **({"ana": None} if cy is None else {"cy": cy}))

        assert world.at == 3
        assert orjson.loads(world.broker.commits[TP].metadata)["keys"] == keys


class TestARebalance:
    async def test_a_unit_that_is_open_is_dropped_and_its_batch_comes_again(self) -> None:
        world = await World().owner()
        async with world.unit(world.deliver()) as unit:
            unit.put(b"ana", b"lost")
            world.partition.suspend()
            assert unit.abandoned
        await world.partition.drained()

        assert (world.partition.state, world.at, world.broker.rows) == ("suspended", 0, {})
        assert world.worker.failures == []

    async def test_a_unit_that_is_being_committed_is_waited_for_and_counts(self) -> None:
        world = await World().owner()
        world.broker.hold = asyncio.Event()
        delivered = world.deliver()
        async with world.unit(delivered) as unit:
            list(delivered)
            unit.put(b"ana", b"1")
        world.partition.suspend()
        drained = asyncio.ensure_future(world.partition.drained())
        await asyncio.sleep(0)
        assert not drained.done()

        world.broker.hold.set()
        await drained
        await world.keep()

        assert (world.partition.state, world.partition.committed) == ("idle", 3)
        assert world.partition.rows == {b"ana": b"1"}

    async def test_a_partition_that_stays_keeps_its_rows_is_claimed_and_sought_to_its_commit(self) -> None:
        world = await World().owner()
        await world.work(world.deliver(), ana=b"1")
        await world.finish()
        assert not world.partition.ready
        assert _owner(world) == ""
        world.broker.did.clear()

        await world.keep()

        assert world.broker.did == ["read commits", "commit as member", "seek 3", "resume"]
        assert world.partition.rows == {b"ana": b"1"}
        assert _owner(world) == "one"

    async def test_a_partition_that_stays_with_a_worker_of_another_name_is_taken_from_nothing(self) -> None:
        world = await World().owner()
        await world.work(world.deliver(), ana=b"1")
        world.partition.suspend()
        world.committer = world.new_committer("another")
        world.broker.did.clear()

        await world.keep()

        assert "read table" in world.broker.did
        assert (world.partition.committed, _owner(world)) == (3, "another")

    async def test_a_partition_that_stays_is_left_where_the_group_has_gone_on_without_the_worker(
        self,
    ) -> None:
        world = await World().owner()
        await world.finish()
        world.worker.is_member = False

        await world.keep()

        assert (world.partition.state, _owner(world)) == ("suspended", "")

    async def test_a_partition_that_stays_goes_on_while_others_are_being_recovered(self) -> None:
        world = await World().owner()
        world.partition.suspend()
        slots = asyncio.Semaphore(0)

        await world.partition.keep(world.committer, slots)

        assert world.partition.ready

    async def test_a_partition_that_another_worker_had_in_between_is_taken_from_nothing(self) -> None:
        world = await World().owner()
        await world.finish()
        other = await World(world.broker, name="two").owner()
        await other.work(other.deliver(), ana=b"theirs")
        await other.finish()

        await world.keep()

        assert world.partition.rows == {b"ana": b"theirs"}
        assert world.partition.committed == 3

    async def test_taking_that_was_cut_off_begins_from_nothing(self) -> None:
        world = World()
        taking = asyncio.ensure_future(world.keep())
        await _until(lambda: "read table" in world.broker.did)
        states = [world.partition.state]
        taking.cancel()
        await asyncio.wait([taking])
        world.partition.suspend()
        states.append(world.partition.state)

        await world.keep()
        states.append(world.partition.state)

        assert states == ["taking", "vacant", "idle"]

    async def test_taking_that_was_cut_off_after_its_claim_is_finished_all_the_same(self) -> None:
        world = World()
        taking = asyncio.ensure_future(world.keep())
        await _until(lambda: "read table" in world.broker.did)
        taking.cancel()
        await asyncio.wait([taking])

        await world.finish()

        assert _owner(world) == ""

    async def test_a_batch_of_an_earlier_term_gives_nothing_and_commits_nothing(self) -> None:
        world = await World().owner()
        late = world.deliver((0, 1))
        world.partition.suspend()
        await world.keep()
        world.deliver((0, 1, 2))

        async with world.unit(late) as unit:
            assert list(late) == []
            unit.put(b"ana", b"lost")

        assert (world.partition.state, world.at, world.broker.rows) == ("delivered", 0, {})

    async def test_what_is_released_is_forgotten(self) -> None:
        world = await World().owner()
        await world.work(world.deliver(), ana=b"1")
        world.partition.suspend()

        world.partition.release()

        assert (world.partition.state, world.partition.rows) == ("vacant", {})
        assert world.partition.finished() is None

    async def test_a_task_ends_when_its_partition_is_suspended(self) -> None:
        world = await World().owner()
        ended = asyncio.Event()

        async def task() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        world.partition.run(task)
        await asyncio.sleep(0)
        world.partition.suspend()

        await asyncio.wait_for(ended.wait(), 1)
        assert world.worker.failures == []


class TestACommitThatFails:
    @pytest.mark.parametrize("step", ["begin", f"send {CHANGELOG}", "offsets", "commit"])
    async def test_at_any_step_it_ends_the_worker_and_the_rows_are_as_before(self, step: str) -> None:
        world = await World().owner()
        world.broker.strike = _failing(step, KafkaError("no"))
        aborts = _aborts()

        await world.work(world.deliver(), ana=b"1")

        (failure,) = world.worker.failures
        assert isinstance(failure, FatalError)
        assert str(failure) == "activities-0: commit failed: KafkaError('no')"
        assert (world.partition.rows, world.broker.rows, world.at) == ({}, {}, 0)
        assert _aborts() == aborts + 1

    async def test_it_is_not_taken_for_finished(self) -> None:
        world = await World().owner()
        world.broker.strike = _failing("commit", KafkaError("no"))

        await world.work(world.deliver())
        world.partition.suspend()

        assert world.partition.finished() is None

    async def test_a_batch_that_was_refused_keeps_the_transaction_from_being_committed(self) -> None:
        world = await World().owner()
        world.broker.strike = _failing(f"send {CHANGELOG}", MessageSizeTooLargeError())

        await world.work(world.deliver(), ana=b"1")

        assert len(world.worker.failures) == 1
        assert "commit" not in world.broker.did

    async def test_a_zombie_cannot_write_over_its_successor(self) -> None:
        zombie = await World().owner()
        successor = await World(zombie.broker, name="two").owner()
        await successor.work(successor.deliver(), ana=b"newer")

        await zombie.work(zombie.deliver(), ana=b"older")

        (failure,) = zombie.worker.failures
        assert str(failure) == "activities-0: another worker has taken over"
        assert zombie.broker.rows == {b"ana": b"newer"}

    def test_a_commit_that_never_ends_is_given_up(self) -> None:
        async def scenario() -> None:
            world = await World().owner()
            world.broker.hold = asyncio.Event()

            await world.work(world.deliver(), ana=b"1")

            (failure,) = world.worker.failures
            assert "commit failed: TimeoutError" in str(failure)

        in_virtual_time(scenario())

    async def test_a_task_that_fails_ends_the_worker(self) -> None:
        world = await World().owner()
        error = LookupError("a bug")

        async def task() -> None:
            raise error

        world.partition.run(task)
        await asyncio.sleep(0.01)

        assert world.worker.failures == [error]

    async def test_a_task_that_takes_a_cancellation_for_nothing_has_ended_once_the_partition_is_drained(
        self,
    ) -> None:
        world = await World().owner()
        swallowed = 0

        async def task() -> None:
            nonlocal swallowed
            while not swallowed:
                with suppress(asyncio.CancelledError):
                    await _for_ever()
                swallowed += 1
            await _for_ever()

        world.partition.run(task)
        await asyncio.sleep(0)
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        world.partition.suspend()
        await world.partition.drained()

        assert (swallowed, [task for task in ours if not task.done()]) == (1, [])


class TestAnExpiredProducer:
    @pytest.mark.parametrize("expired", [InvalidProducerIdMapping(), UnknownProducerId()])
    async def test_it_is_replaced_and_the_batch_comes_again(self, expired: Exception) -> None:
        world = await World().owner()
        world.broker.strike = _failing("offsets", _wrapped(expired))

        await world.work(world.deliver(), ana=b"1")
        assert (world.worker.failures, world.worker.retaken) == ([], [TP])
        assert (world.partition.state, world.committer.expired, world.at) == ("vacant", True, 0)

        world.broker.strike = lambda _: None
        world.committer = world.new_committer("another")
        await world.keep()
        await world.work(world.deliver(), ana=b"1")
        assert (world.partition.state, world.at, world.broker.rows) == ("idle", 3, {b"ana": b"1"})

    async def test_a_unit_without_a_batch_has_its_tasks_begin_again(self) -> None:
        world = await World().owner()
        world.broker.strike = _failing("begin", _wrapped(InvalidProducerIdMapping()))
        world.partition.run(_for_ever)

        await world.work(None, ana=b"1")

        assert (world.worker.failures, world.worker.retaken) == ([], [TP])

    async def test_in_a_rebalance_its_next_owner_takes_another(self) -> None:
        world = await World().owner()
        world.broker.hold = asyncio.Event()
        delivered = world.deliver()
        async with world.unit(delivered):
            list(delivered)
        await _until(lambda: "commit" in world.broker.did)
        world.partition.suspend()

        world.broker.fails = _wrapped(InvalidProducerIdMapping())
        world.broker.hold.set()
        await world.partition.drained()
        world.broker.fails = None
        world.committer = world.new_committer("another")
        await world.keep()

        assert (world.worker.failures, world.worker.retaken) == ([], [])
        assert (world.partition.state, _owner(world)) == ("idle", "another")

    async def test_another_failure_ends_the_worker_and_names_its_cause(self) -> None:
        world = await World().owner()
        world.broker.strike = _failing("commit", _wrapped(UnknownTopicOrPartitionError()))

        await world.work(world.deliver(), ana=b"1")

        (failure,) = world.worker.failures
        assert "UnknownTopicOrPartitionError" in str(failure)


def _owner(world: World) -> str | None:
    """Whom the partition's last commit names."""
    owner: str | None = orjson.loads(world.broker.commits[TP].metadata)["owner"]
    return owner


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _wrapped(cause: Exception) -> KafkaError:
    """As aiokafka's sender ends."""
    error = KafkaError("Unexpected error during batch delivery")
    error.__cause__ = cause
    return error


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(1):
        while not holds():
            await asyncio.sleep(0)


async def test_lag_without_a_commit_is_dated_from_when_it_was_first_seen() -> None:
    world = await World().owner()

    world.partition.seen_lagging(True, 10.0)
    world.partition.seen_lagging(True, 11.0)
    assert world.partition.lagging_since == 10.0

    world.partition.seen_lagging(False, 12.0)
    assert world.partition.lagging_since is None

    world.partition.seen_lagging(True, 13.0)
    await world.work(world.deliver())
    assert world.partition.lagging_since is None


async def test_the_worker_looks_again_when_there_is_room_and_when_a_unit_is_committed() -> None:
    world = await World().owner()
    delivered = world.deliver()
    woken = [world.worker.woken]

    async with world.unit(delivered):
        woken.append(world.worker.woken)
    await world.partition.drained()
    woken.append(world.worker.woken)

    assert woken == [1, 2, 3]


@pytest.mark.parametrize("state", [s for s in get_args(State) if "delivered" not in NEXT[s]])
async def test_only_an_idle_partition_is_delivered_to(state: State) -> None:
    world = World()
    world.partition.state = state

    with pytest.raises(RuntimeError, match=f"activities-0: from {state} to delivered"):
        world.deliver()


def test_from_every_state_there_is_a_way_to_vacant_and_to_idle() -> None:
    assert set(NEXT) == set(get_args(State))
    for state in NEXT:
        assert {"vacant", "idle"} <= _reachable(state)


def _reachable(state: State) -> set[State]:
    found: set[State] = set()
    left = [state]
    while left:
        for following in NEXT[left.pop()] - found:
            found.add(following)
            left.append(following)
    return found


def _failing(step: str, error: Exception) -> Callable[[str], None]:
    def strike(reached: str) -> None:
        if reached == step:
            raise error

    return strike


def _aborts() -> float:
    return metrics.REGISTRY.get_sample_value("badges_transaction_aborts_total", {"topic": TP.topic}) or 0.0

"""Where a partition's new owner begins, and when it must not begin at all."""

import logging
from collections.abc import Mapping

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams import metrics
from streams.errors import FatalError
from streams.runtime import recovery
from streams.runtime.recovery import Commit
from tests.runtime.world import INPUT, SOURCE, TP, Broker, Worker

SOURCE_TP = TopicPartition(SOURCE, 0)


async def test_without_a_commit_it_begins_at_the_beginning() -> None:
    assert await _start(Broker(begin=5)) == 5


async def test_it_goes_on_where_the_group_has_committed() -> None:
    assert await _start(Broker(), Commit(7)) == 7


class TestATopicThatWasCreatedAgain:
    async def test_it_ends_below_the_commit_and_stops_the_worker(self) -> None:
        with pytest.raises(FatalError, match=r"ends at 100, below the offset 101 .* BADGES_SOURCE_EPOCH"):
            await recovery.starting_offset(Worker(Broker(end=100)), SOURCE_TP, Commit(101), 0)

    async def test_if_it_is_our_own_its_offsets_must_be_reset_for_it_has_no_epoch(self) -> None:
        with pytest.raises(FatalError, match="reset the group tracker's offsets of it") as stopped:
            await _start(Broker(end=100), Commit(101))
        assert "SOURCE_EPOCH" not in str(stopped.value)

    async def test_it_took_the_commit_with_it_but_a_table_remembers_how_far_it_was_read(self) -> None:
        broker = Broker(end=100)
        _commit(broker, {(SOURCE, 0): (0, 100)})

        with pytest.raises(FatalError, match="below the offset 101"):
            await recovery.starting_offset(Worker(broker), SOURCE_TP, None, 0)

    @pytest.mark.parametrize(
        "read",
        [{(SOURCE, 0): (0, 99)}, {(SOURCE, 1): (0, 500)}, {}],
        ids=["not beyond its end", "another partition", "nothing"],
    )
    async def test_it_is_not_taken_for_one_where_no_table_has_read_beyond_its_end(
        self, read: recovery.Read
    ) -> None:
        broker = Broker(end=100)
        _commit(broker, read)

        assert await recovery.starting_offset(Worker(broker), SOURCE_TP, None, 0) == 0

    async def test_under_a_raised_epoch_it_is_read_from_its_beginning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        broker = Broker(begin=2)
        _commit(broker, {(SOURCE, 0): (0, 500)})
        worker = Worker(broker, epoch=1)

        assert await recovery.starting_offset(worker, SOURCE_TP, None, 0) == 2
        assert await recovery.starting_offset(worker, SOURCE_TP, Commit(500, epoch=0), 0) == 2
        assert "the source epoch was raised" in caplog.text

        with pytest.raises(FatalError):
            await recovery.starting_offset(worker, SOURCE_TP, Commit(500, epoch=1), 0)


async def test_a_table_with_fewer_keys_than_at_the_last_commit_stops_the_worker() -> None:
    assert await _start(Broker(), Commit(7, keys=3), keys=3) == 7
    with pytest.raises(FatalError, match="holds 2 keys, at the last commit it held 3"):
        await _start(Broker(), Commit(7, keys=3), keys=2)


async def test_what_retention_removed_is_passed_over_said_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gaps = _gaps()

    with caplog.at_level(logging.ERROR):
        assert await _start(Broker(begin=50), Commit(7)) == 50

    assert caplog.messages == ["activities-0: retention removed offsets 7 to 49 before they were read"]
    assert _gaps() == gaps + 1


class TestACommit:
    async def test_it_keeps_the_epoch_the_keys_the_owner_and_how_far_sources_were_read(self) -> None:
        read = {(SOURCE, 0): (1, 41), (SOURCE, 12): (1, 7), ("other", 0): (0, 3)}
        commit = Commit(9, 1, 5, read, "one")

        broker = Broker(commits={SOURCE_TP: recovery.written(commit)})

        assert await recovery.last_commit(Worker(broker), SOURCE_TP) == commit

    async def test_where_there_is_no_room_it_leaves_out_how_far_sources_were_read(self) -> None:
        read = {(SOURCE, partition): (0, 10**12) for partition in range(500)}

        broker = Broker(commits={TP: recovery.written(Commit(9, 0, 5, read, "one"))})

        assert len(broker.commits[TP].metadata) < recovery.METADATA_BYTES
        assert await recovery.last_commit(Worker(broker), TP) == Commit(9, 0, 5, {}, "one")

    @pytest.mark.parametrize(
        "metadata",
        [
            *("", "by hand", "[]", '{"epoch": 1}', '{"epoch": 1, "keys": null}'),
            '{"epoch": 1, "keys": 1, "owner": 7}',
        ],
    )
    async def test_that_an_operator_has_set_it_is_an_offset_and_nothing_else(self, metadata: str) -> None:
        broker = Broker(commits={TP: OffsetAndMetadata(9, metadata)})

        assert await recovery.last_commit(Worker(broker), TP) == Commit(9)

    async def test_that_there_is_none_is_known(self) -> None:
        assert await recovery.last_commit(Worker(Broker()), TP) is None

    async def test_that_cannot_be_read_it_stops_the_worker(self) -> None:
        with pytest.raises(FatalError, match=f"the offsets committed for {INPUT} cannot be read"):
            await recovery.last_commit(_Refused(Broker()), TP)


class _Refused(Worker):
    async def commits(self, tps: object) -> Mapping[TopicPartition, OffsetAndMetadata]:
        raise KafkaError("not authorized")


async def _start(broker: Broker, last: Commit | None = None, *, keys: int = 0) -> int:
    return await recovery.starting_offset(Worker(broker), TP, last, keys)


def _commit(broker: Broker, read: recovery.Read) -> None:
    """Another partition's owner has committed that its table has read so far."""
    broker.commits[TP] = recovery.written(Commit(1, read=read))


def _gaps() -> float:
    return metrics.REGISTRY.get_sample_value("badges_retention_gaps_total", {"topic": INPUT}) or 0.0

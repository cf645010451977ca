"""A stream of a real Redis, read, with all that Redis may do to it."""

from collections.abc import Iterator

import orjson
import pytest

from streams.bridge.cursor import Loss
from streams.bus.entries import entry_id
from streams.headers import header
from streams.kafka.dead_letters import AGENT, ORIGIN, REASON
from streams.sandbox.redis import Redis
from tests.bridge.scene import STREAM, scene
from tests.bus.entries import altered, passed


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for long: a look at the stream follows after a moment."""
    monkeypatch.setattr("streams.bridge.stream.BLOCK_SECONDS", 0.02)
    monkeypatch.setattr("streams.bus.redis.ANSWER_SECONDS", 0.5)


def learners(first: int, last: int) -> Iterator[list[tuple[bytes, bytes]]]:
    return (list(passed(learner)) for learner in range(first, last))


async def test_entries_become_activities_in_their_order_and_a_successor_goes_on_after_them(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as first:
        await first.add(learners(0, 2_500))
        await first.until(lambda: len(first.learners) == 2_500)
    async with scene(redis_server, first.world.broker) as second:
        await second.add(learners(2_500, 2_600))
        await second.until(lambda: len(second.learners) >= 2_600)

        assert second.learners == list(range(2_600))
        assert second.places == sorted(second.places)
        assert second.bridge.losses == []


async def test_a_stream_that_is_not_there_yet_is_waited_for(redis_server: Redis) -> None:
    async with scene(redis_server) as here:
        assert here.learners == []
        await here.add(learners(0, 1))
        await here.until(lambda: here.learners == [0])

        assert here.bridge.losses == []


async def test_what_was_removed_before_a_stream_was_ever_read_is_no_loss(redis_server: Redis) -> None:
    async with scene(redis_server) as writer:
        writer.world.partition.suspend()
        await writer.add(learners(0, 10))
        await writer.redis.execute_command("XTRIM", STREAM, "MAXLEN", "=", 4)
    async with scene(redis_server) as here:
        await here.until(lambda: here.learners == [6, 7, 8, 9])

        assert here.bridge.losses == []


async def test_entries_that_were_removed_unread_are_counted_and_reading_goes_on_at_the_first_that_is_left(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as first:
        await first.take(learners(0, 10), total=10)
    async with scene(redis_server, first.world.broker) as second:
        await second.until(lambda: STREAM in str(second.bridge.describe()["streams"]))
        second.world.partition.suspend()
        await second.add(learners(10, 30))
        await second.redis.execute_command("XTRIM", STREAM, "MAXLEN", "=", 5)
    async with scene(redis_server, first.world.broker) as third:
        await third.until(lambda: len(third.learners) == 15)

        assert third.learners[10:] == [25, 26, 27, 28, 29]
        assert third.bridge.losses == [Loss("trimmed", 15)]
    async with scene(redis_server, first.world.broker) as fourth:
        await fourth.take(learners(30, 31), total=16)

        assert fourth.bridge.losses == [], "a loss is said once"


@pytest.mark.parametrize(
    "command", [("XTRIM", STREAM, "MAXLEN", "=", 0), ("XTRIM", STREAM, "MAXLEN", "=", 3)]
)
async def test_what_was_removed_after_it_was_read_is_no_loss(
    redis_server: Redis, command: tuple[object, ...]
) -> None:
    async with scene(redis_server) as here:
        await here.take(learners(0, 10), total=10)
        await here.redis.execute_command(*command)
        await here.take(learners(10, 11), total=11)

        assert here.bridge.losses == []


async def test_an_entry_that_somebody_deleted_is_a_loss_only_where_it_was_not_read(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as here:
        await here.take(learners(0, 3), ["5-1", "5-2", "5-3"], total=3)
        await here.redis.execute_command("XDEL", STREAM, "5-1", "5-3")
        await here.take(learners(3, 4), ["6-1"], total=4)

        assert here.bridge.losses == []
        here.world.partition.suspend()
        await here.add(learners(4, 6), ["7-1", "7-2"])
        await here.redis.execute_command("XDEL", STREAM, "7-1")
    async with scene(redis_server, here.world.broker) as next_one:
        await next_one.until(lambda: len(next_one.learners) == 5)

        assert next_one.learners[4:] == [5]
        assert next_one.bridge.losses == [Loss("trimmed", 1)]


async def test_a_stream_that_is_evicted_is_noticed_at_once_and_the_next_of_its_name_is_read(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as here:
        await here.take(learners(0, 3), total=3)
        await here.redis.execute_command("DEL", STREAM)
        await here.until(lambda: here.bridge.losses == [Loss("evicted", 0)])
        await here.take(learners(3, 5), total=5)

        assert here.bridge.losses == [Loss("evicted", 0)]
        assert {epoch for epoch, _ in here.places} == {0}


async def test_a_stream_that_was_evicted_and_made_again_while_nobody_looked_is_noticed(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as first:
        await first.take(learners(0, 30), total=30)
        first.world.partition.suspend()
        await first.redis.execute_command("DEL", STREAM)
        await first.add(learners(30, 40))
    async with scene(redis_server, first.world.broker) as second:
        await second.until(lambda: len(second.learners) == 40)

        assert second.bridge.losses == [Loss("evicted", 0)]


async def test_a_stream_whose_ids_went_back_is_read_under_a_higher_epoch(redis_server: Redis) -> None:
    async with scene(redis_server) as first:
        await first.take(learners(0, 3), ["9-1", "9-2", "9-3"], total=3)
        first.world.partition.suspend()
        await first.redis.execute_command("DEL", STREAM)
        await first.add(learners(3, 5), ["2-1", "8-2"])
    async with scene(redis_server, first.world.broker) as second:
        await second.until(lambda: len(second.learners) == 5)
        await second.take(learners(5, 6), ["9-9"], total=6)

        assert second.bridge.losses == [Loss("clock", 0)]
        assert [epoch for epoch, _ in second.places] == [0, 0, 0, 1, 1, 1]
        assert second.places == sorted(set(second.places))


@pytest.mark.parametrize("ids", [["2-1", "9-9"], ["2-1", "2-2", "2-3", "2-4", "2-5", "9-9"]])
async def test_a_stream_whose_ids_went_back_and_have_come_up_again_is_read_from_its_first_entry(
    redis_server: Redis, ids: list[str]
) -> None:
    async with scene(redis_server) as first:
        await first.take(learners(0, 3), ["9-1", "9-2", "9-3"], total=3)
        first.world.partition.suspend()
        await first.redis.execute_command("DEL", STREAM)
        await first.add(learners(3, 3 + len(ids)), ids)
        # As many are removed as were read.
        await first.redis.execute_command("XTRIM", STREAM, "MAXLEN", "=", 2)
    async with scene(redis_server, first.world.broker) as second:
        await second.until(lambda: len(second.learners) == 5)

        assert second.learners[3:] == [1 + len(ids), 2 + len(ids)]
        assert [loss.kind for loss in second.bridge.losses][:1] == ["evicted"]
        assert second.places == sorted(set(second.places))


async def test_a_stream_that_lost_its_end_is_picked_up_near_it(redis_server: Redis) -> None:
    async with scene(redis_server) as first:
        for end in range(1, 41):
            await first.add(learners(end - 1, end))
            await first.until(lambda: len(first.learners) == end)  # noqa: B023 - it is awaited at once
        copy = await first.redis.execute_command("DUMP", STREAM)
        await first.take(learners(40, 43), total=43)
        first.world.partition.suspend()
        await first.redis.execute_command("RESTORE", STREAM, 0, copy, "REPLACE")
        await first.add(learners(43, 45))
    async with scene(redis_server, first.world.broker) as second:
        await second.until(lambda: 44 in second.learners)

        again = second.learners[43:]
        assert again[-2:] == [43, 44]
        assert again == [*range(again[0], 40), 43, 44], "what follows a remembered entry is read again"
        assert len(again) < 12
        assert second.bridge.losses == [Loss("crashed", 0)]
        assert second.places == sorted(set(second.places))


async def test_a_raised_epoch_of_the_settings_reads_a_stream_from_its_first_entry(
    redis_server: Redis,
) -> None:
    async with scene(redis_server) as first:
        await first.take(learners(0, 2), total=2)
    async with scene(redis_server, first.world.broker, source_epoch=4) as second:
        await second.until(lambda: len(second.learners) == 4)

        assert [epoch for epoch, _ in second.places] == [0, 0, 4, 4]
        assert second.bridge.losses == []


async def test_what_cannot_be_read_is_set_aside_whole_and_the_next_is_given_on(redis_server: Redis) -> None:
    long = dict(passed(1))[b"event_data"] + b"\0"
    bad = [
        altered(passed(1), event_data=long),
        altered(passed(2), event_data=long, sourcelib=b"99.0.0"),
        [(b"field", b"value")],
        altered(passed(5), event_data=b"\xff" * 30_000),
        [*passed(3), (b"more", b"x" * 30_000)],
    ]
    async with scene(redis_server) as here:
        await here.add([*bad, passed(4)], [f"7-{number}" for number in range(1, 7)])
        await here.until(lambda: here.learners == [3, 4])

        letters = [sent for sent in here.sent if header(sent.headers, REASON)]
        assert [header(sent.headers, REASON) for sent in letters] == [
            b"bad_body",
            b"newer_library",
            b"no_type",
            b"bad_body",
        ]
        assert letters[3].value is None, "it is larger than the topic takes"
        fields = {name.decode(): value for name, value in bad[0]}
        assert letters[0].value == fields.pop("event_data")
        assert [(name, value) for name, value in letters[0].headers if name in fields] == list(fields.items())
        assert header(letters[0].headers, AGENT) == b"bridge"
        assert header(letters[0].headers, ORIGIN) == b"0:0:%d:%b" % (entry_id("7-1").offset, STREAM.encode())


async def test_an_event_that_no_rule_matches_is_passed_and_not_read_again(redis_server: Redis) -> None:
    async with scene(redis_server) as here:
        await here.add([altered(passed(1), type=b"org.openedx.learning.badge.awarded.v1"), passed(2)])
        await here.until(lambda: here.learners == [2])

        [row] = here.world.broker.rows.values()
        assert orjson.loads(row)["last"][1] == 2


@pytest.mark.parametrize(
    ("policy", "said"), [("allkeys-lru", "allkeys-lru"), ("volatile-lru", "none"), ("noeviction", "none")]
)
async def test_a_redis_that_may_evict_a_stream_is_warned_of(
    caplog: pytest.LogCaptureFixture, policy: str, said: str
) -> None:
    with Redis(options={"maxmemory": "50mb", "maxmemory-policy": policy}) as redis:
        async with scene(redis) as here:
            await here.take(learners(0, 1), total=1)

            assert here.bridge.describe()["eviction"] == said
            assert ("may evict whole streams" in caplog.text) == (said == policy)


async def test_a_redis_that_tells_nothing_of_its_memory_is_read(redis_server: Redis) -> None:
    async with scene(redis_server) as writer:
        await writer.redis.execute_command("ACL", "SETUSER", "default", "-info")
    async with scene(redis_server) as here:
        await here.take(learners(0, 1), total=1)

        assert here.bridge.describe()["eviction"] == "none"


class TestTrouble:
    async def test_a_redis_that_is_away_is_waited_for(self) -> None:
        with Redis(appendonly=True, options={"appendfsync": "always"}) as redis:
            async with scene(redis) as here:
                await here.add(learners(0, 2))
                await here.until(lambda: here.learners == [0, 1])
                redis.stop()
                await here.until(lambda: here.world.partition.waits_for == "Redis")
                assert STREAM in here.bridge.describe()["redis"]
                redis.start()
                await here.until(lambda: here.world.partition.waits_for == "")
                await here.add(learners(2, 3))
                await here.until(lambda: here.learners == [0, 1, 2])

                assert here.bridge.losses == []

    async def test_a_redis_that_does_not_answer_is_waited_for(self, redis_server: Redis) -> None:
        async with scene(redis_server) as here:
            await here.add(learners(0, 1))
            await here.until(lambda: here.learners == [0])
            redis_server.pause()
            await here.until(lambda: here.world.partition.waits_for == "Redis")
            assert here.bridge.describe()["redis"] == {STREAM: "no answer"}
            redis_server.resume()
            await here.add(learners(1, 2))
            await here.until(lambda: here.learners == [0, 1])

    async def test_a_password_that_is_refused_is_said(self, redis_server: Redis) -> None:
        async with scene(redis_server) as here:
            await here.redis.execute_command("CONFIG", "SET", "requirepass", "hush")
            await here.redis.execute_command("CLIENT", "KILL", "SKIPME", "yes")
            await here.until(
                lambda: "refuses the user name or password" in str(here.bridge.describe()["redis"])
            )
            await here.redis.execute_command("CONFIG", "SET", "requirepass", "")
            await here.until(lambda: here.bridge.describe()["redis"] == "good")

    async def test_a_key_that_is_no_stream_is_waited_for_until_it_is_one(self, redis_server: Redis) -> None:
        async with scene(redis_server) as here:
            await here.redis.execute_command("SET", STREAM, "text")
            await here.until(lambda: "WRONGTYPE" in str(here.bridge.describe()["redis"]))
            await here.redis.execute_command("DEL", STREAM)
            await here.add(learners(0, 1))
            await here.until(lambda: here.learners == [0])

            assert here.world.partition.waits_for == ""
            assert here.bridge.losses == []

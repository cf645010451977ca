"""One partition of the table of issuances: what is saved is durable, and a refused badge leaves a letter."""

import asyncio
from dataclasses import replace
from typing import cast

import orjson
import pytest

from streams.badges import Source
from streams.headers import header
from streams.kafka.dead_letters import DETAIL, REASON, left_at
from streams.relay.issuance import ERASED, Issuance, KeptRecord, desire, forget
from streams.relay.rows import dump
from streams.relay.saving import ToSave
from streams.relay.table import PartitionStore
from streams.runtime.app import App
from streams.runtime.partition import Partition
from streams.runtime.unit import Unit
from tests.relay.virtual import EPOCH
from tests.relay.world import badge_id, event
from tests.runtime.world import CHANGELOG, World

LETTERS, CREDENTIALS = "relay-dead-letters", "relay-credentials"
BADGE, OTHER = badge_id(1).encode(), badge_id(2).encode()
KEPT = KeptRecord(b"value", (("ce_id", b"id"), ("origin", b"3:4:5:6:badges"), ("origin-key", b"key")))


class Units:
    """Stands for the app, of which a store wants units alone."""

    def unit_of(self, partition: Partition) -> Unit:
        return Unit(partition, None)


async def owned(*learners: int) -> tuple[World, PartitionStore]:
    """A store whose partition holds an awarded badge for each of these learners."""
    world = World()
    world.worker.partitions = {**world.worker.partitions, LETTERS: 1, CREDENTIALS: 1}
    world.worker.max_message_bytes = {**world.worker.max_message_bytes, LETTERS: 10_000, CREDENTIALS: 10_000}
    for learner in learners:
        desired = desire(None, replace(event("awarded", learner), original=KEPT))
        world.broker.rows[badge_id(learner).encode()] = orjson.dumps(dump(desired))
    await world.owner()
    return world, PartitionStore(cast(App, Units()), world.partition, LETTERS, CREDENTIALS)


def refused(issuance: Issuance) -> Issuance:
    return replace(issuance, refused="no such recipient")


async def test_changes_of_several_badges_are_one_transaction_and_durable_when_it_returns() -> None:
    world, store = await owned(1, 2)
    changes = [ToSave(badge, lambda issuance: replace(issuance, attempts=3)) for badge in (BADGE, OTHER)]
    await store.save(changes)

    assert [record.topic for record in world.broker.records] == [CHANGELOG] * 2
    assert world.broker.did.count("commit") == 1
    assert {issuance.attempts for _, issuance in store.scan()} == {3}


async def test_what_does_not_change_is_not_written() -> None:
    world, store = await owned(1)
    [after] = await store.save([ToSave(BADGE, lambda issuance: issuance)])
    assert after == store.get(BADGE)
    assert world.broker.records == []


async def test_a_refused_badge_leaves_its_record_whole_among_the_dead_letters_once() -> None:
    world, store = await owned(1)
    await store.save([ToSave(BADGE, refused)])
    await store.save([ToSave(BADGE, lambda issuance: replace(issuance, attempts=9))])

    [letter] = [record for record in world.broker.records if record.topic == LETTERS]
    assert (letter.key, letter.value) == (b"key", b"value")
    assert letter.headers[0] == ("ce_id", b"id")
    assert [header(letter.headers, name) for name in ("origin", "origin-key")] == [None, None]
    assert header(letter.headers, REASON) == b"refused"
    assert header(letter.headers, DETAIL) == b"no such recipient"
    assert left_at(letter.headers) == Source("badges", 4, 5, 3)


async def test_a_refused_badge_whose_record_is_no_longer_kept_leaves_no_letter() -> None:
    world, store = await owned(1)
    await store.save([ToSave(BADGE, lambda issuance: replace(issuance, original=None))])
    await store.save([ToSave(BADGE, refused)])
    assert LETTERS not in {record.topic for record in world.broker.records}


async def test_a_forgotten_badge_that_is_deleted_at_its_issuer_leaves_the_table() -> None:
    _, store = await owned(1, 2)
    await store.save(
        [ToSave(BADGE, lambda issuance: replace(forget(issuance, EPOCH), state=ERASED, sure=True))]
    )
    assert [badge for badge, _ in store.scan()] == [OTHER]
    assert store.get(BADGE) is None


async def test_a_table_is_read_as_it_is_when_a_row_is_reached() -> None:
    _, store = await owned(1, 2, 3)
    reading = store.scan()
    assert next(reading)[0] == BADGE
    await store.save(
        [
            ToSave(OTHER, refused),
            ToSave(badge_id(3).encode(), lambda issuance: replace(forget(issuance, EPOCH), state=ERASED)),
        ]
    )
    [(badge, issuance)] = reading
    assert badge == OTHER
    assert issuance.refused


async def test_who_gives_up_waiting_for_a_save_does_not_undo_it() -> None:
    world, store = await owned(1)
    world.broker.hold = asyncio.Event()
    saving = asyncio.ensure_future(store.save([ToSave(BADGE, refused)]))
    while world.broker.did.count("commit") == 0:
        await asyncio.sleep(0)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    world.broker.hold.set()
    await world.partition.drained()

    kept = store.get(BADGE)
    assert kept is not None
    assert kept.refused
    assert world.worker.failures == []


async def test_what_an_issuer_publishes_and_keeps_is_in_the_same_transaction() -> None:
    world, store = await owned(1, 2)
    await store.save(
        [
            ToSave(BADGE, refused, {"credentials/1": b"one", "status/1": b"first"}, {"next": b"1"}),
            ToSave(OTHER, refused, {"status/1": b"last"}, {"next": b"2"}),
        ]
    )

    published = {r.key: r.value for r in world.broker.records if r.topic == CREDENTIALS}
    assert published == {b"credentials/1": b"one", b"status/1": b"last"}
    assert world.broker.did.count("commit") == 1
    assert store.kept() == {"next": b"2"}
    assert [badge for badge, _ in store.scan()] == [BADGE, OTHER]

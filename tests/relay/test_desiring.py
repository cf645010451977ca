"""What a decision asks for, written into the table of issuances, or set aside without a trace in it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import Source, moment, stamp
from streams.bus.emitter import REISSUED
from streams.headers import Headers, header
from streams.issuers.outcomes import Recipient
from streams.kafka.dead_letters import REASON, left_at
from streams.kafka.forgotten import of_order
from streams.kafka.orders import FORGET, LOOK, ORDER, SEEN
from streams.kafka.origin import ORIGIN, ORIGIN_KEY, origin_headers
from streams.relay import desiring
from streams.relay.desiring import Desiring
from streams.relay.feed import Feeds
from streams.relay.issuance import Issuance, desire, gone
from streams.relay.reconciler import Reconciler
from streams.relay.rows import dump, load
from streams.relay.seen import Seen, line
from streams.relay.table import forgotten_row, is_over
from streams.runtime.unit import Batch
from streams.runtime.work import Outbox, batches
from tests.bus.memory import record, record_of, take
from tests.relay.scene import AWARDED, BADGE, LEARNER, REVOKED, SETTINGS, TEMPLATE, TOPICS, decision, relay
from tests.relay.virtual import EPOCH
from tests.relay.world import badge_id, event
from tests.runtime import fetches
from tests.runtime.recording import LARGEST, RecordingUnit

KEY = BADGE.encode()
DECISIONS = TOPICS.decisions.name
ORDERED = record(None, [(ORDER, FORGET)], key=b"%d" % LEARNER, topic=DECISIONS)
STAYS = forgotten_row(b"%d" % LEARNER, moment(of_order(ORDERED.timestamp)))


class Follower:
    """Stands for a reconciler: notes what it is to look at."""

    def __init__(self) -> None:
        self.badges: list[bytes] = []
        self.history = False

    def follow(self, badges: Mapping[bytes, None]) -> None:
        self.badges += badges

    def template_changed(self, template: str) -> None:
        self.badges.append(template.encode())


async def desired(*records: ConsumerRecord, rows: Mapping[bytes, bytes] | None = None) -> RecordingUnit:
    unit, _ = await followed(*records, rows=rows)
    return unit


async def followed(
    *records: ConsumerRecord, rows: Mapping[bytes, bytes] | None = None
) -> tuple[RecordingUnit, list[bytes]]:
    """The unit, and what the reconciler is to look at after it is committed."""
    here, follower = relay(), Follower()
    here.reconcilers[0] = cast(Reconciler, follower)
    unit = RecordingUnit(TOPICS.decisions, TOPICS.issuances, rows)
    batch = Batch(unit.partition, fetches.fetched(fetches.batch([0])))
    step = Desiring(here, unit, batch)
    await take(records, step.step)
    step.find()
    assert follower.badges == []
    step.follow()
    return unit, follower.badges


def issuance(unit: RecordingUnit, badge: bytes = KEY) -> Issuance:
    return load(orjson.loads(unit.table[badge] or b""))


def later(there: ConsumerRecord) -> ConsumerRecord:
    """The same, written to the bus after the order to forget."""
    first = record_of(AWARDED, timestamp=ORDERED.timestamp + 1)
    headers = [pair for pair in there.headers if pair[0] not in (ORIGIN, ORIGIN_KEY)]
    return replace(there, headers=(*headers, *origin_headers(first, SETTINGS.source_epoch)))


def revocation() -> ConsumerRecord:
    ours = origin_headers(record_of(REVOKED, offset=8), SETTINGS.source_epoch)
    return decision(value=REVOKED.value, headers=(*REVOKED.headers, *ours))


async def test_an_award_is_written_down_and_followed() -> None:
    unit, followed_badges = await followed(decision())

    assert (issuance(unit).kind, issuance(unit).learner) == ("awarded", LEARNER)
    assert followed_badges == [KEY]
    assert unit.sent == []


async def test_several_decisions_about_a_badge_are_one_write() -> None:
    unit, followed_badges = await followed(decision(), revocation())

    assert list(unit.table) == [KEY]
    assert issuance(unit).kind == "revoked"
    assert followed_badges == [KEY]


@pytest.mark.parametrize(("key", "value"), [(None, None), (None, b""), (b"", b""), (b"x" * 9, None)])
async def test_an_order_about_nobody_is_set_aside_and_changes_nothing(
    key: bytes | None, value: bytes | None
) -> None:
    before = await desired(decision())
    order = replace(ORDERED, key=key, value=value)
    unit, followed_badges = await followed(order, rows={KEY: before.table[KEY] or b""})

    outbox = Outbox()
    for sent in unit.sent:
        outbox.add(sent.topic, 0, sent.key, sent.value, list(sent.headers))
    assert list(batches([outbox], defaultdict(lambda: LARGEST)))
    assert (unit.table, followed_badges) == ({}, [])
    assert [header(sent.headers, REASON) for sent in unit.sent] == [b"origin"]


async def test_a_decision_seen_before_changes_nothing() -> None:
    before = await desired(decision())
    unit, followed_badges = await followed(decision(), rows={KEY: before.table[KEY] or b""})
    assert (unit.table, unit.sent, followed_badges) == ({}, [], [])


async def test_an_order_has_a_badge_looked_at_that_waits_for_its_next_try() -> None:
    before = await desired(decision())
    again = decision(
        headers=(*AWARDED.headers, (REISSUED, b"1"), *decision().headers[len(AWARDED.headers) :])
    )
    unit, followed_badges = await followed(again, rows={KEY: before.table[KEY] or b""})
    assert (unit.table, followed_badges) == ({}, [KEY])


async def test_a_letter_that_is_redriven_says_nothing_newer_of_a_learner() -> None:
    known = Recipient("ada", "ada@example.org", "Ada")
    waiting = replace(issuance(await desired(decision())), recipient=known)
    letter = record_of(AWARDED, topic=TOPICS.relay_dead_letters.name, offset=3)
    redriven = decision(headers=(*AWARDED.headers, *origin_headers(letter, 1)))
    unit = await desired(redriven, rows={KEY: orjson.dumps(dump(waiting))})
    assert unit.table == {}


async def test_what_cannot_be_read_is_set_aside_as_it_was_on_the_bus() -> None:
    unit = await desired(decision(value=AWARDED.value[:-3]))

    [letter] = unit.sent
    assert letter.topic == TOPICS.relay_dead_letters.name
    assert header(letter.headers, REASON) == b"bad_body"
    assert (letter.key, letter.value) == (AWARDED.key, AWARDED.value[:-3])
    assert letter.headers[: len(AWARDED.headers)] == AWARDED.headers
    assert header(letter.headers, ORIGIN) is None
    assert left_at(letter.headers) == Source("bus", 0, 7, SETTINGS.source_epoch)
    assert unit.table == {}


@pytest.mark.parametrize("ours", [(), ((ORIGIN, b"nowhere"),)])
async def test_what_does_not_say_where_it_was_is_set_aside_from_where_it_is(ours: Headers) -> None:
    [letter] = (await desired(decision(headers=(*AWARDED.headers, *ours)))).sent

    assert header(letter.headers, REASON) == b"origin"
    assert (letter.key, letter.value) == (KEY, AWARDED.value)
    assert left_at(letter.headers) == Source(DECISIONS, 0, 107)


async def test_a_decision_under_another_key_is_sent_on_to_its_badges() -> None:
    there = decision(key=AWARDED.key)
    unit = await desired(there)

    [sent] = unit.sent
    assert (sent.topic, sent.key, sent.value) == (DECISIONS, KEY, AWARDED.value)
    assert sent.headers == there.headers
    assert unit.table == {}


async def test_an_issuance_too_large_for_its_table_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desiring, "ISSUANCE_BYTES", 100)
    unit, followed_badges = await followed(decision())
    assert [header(sent.headers, REASON) for sent in unit.sent] == [b"too_large"]
    assert (unit.table, followed_badges) == ({}, [])


async def test_the_order_to_forget_concerns_all_badges_of_the_learner_and_nobody_elses() -> None:
    mine, other = await desired(decision()), event("awarded", learner=LEARNER * 10)
    stranger = desire(None, other)
    rows = {KEY: mine.table[KEY] or b"", badge_id(other.learner).encode(): orjson.dumps(dump(stranger))}
    unit, followed_badges = await followed(ORDERED, rows=rows)

    assert unit.table == {KEY: unit.table[KEY], b"%d" % LEARNER: STAYS}
    assert issuance(unit).kind == "forgotten"
    assert followed_badges == [KEY]


async def test_a_learner_who_is_forgotten_again_is_so_since_then() -> None:
    unit, followed_badges = await followed(ORDERED, rows={b"%d" % LEARNER: forgotten_row(b"1", EPOCH)})
    assert (unit.table, followed_badges) == ({b"%d" % LEARNER: STAYS}, [])


async def test_what_is_read_again_of_a_forgotten_learner_changes_nothing() -> None:
    letter = record_of(AWARDED, topic=TOPICS.relay_dead_letters.name, offset=3)
    redriven = decision(headers=(*AWARDED.headers, *origin_headers(letter, 1)))
    for rows in ({}, {KEY: (await desired(decision())).table[KEY] or b""}):
        unit, followed_badges = await followed(decision(), redriven, rows={**rows, b"%d" % LEARNER: STAYS})
        assert (unit.sent, unit.table, followed_badges) == ([], {}, [])


async def test_what_a_forgotten_learner_earns_later_is_written_down() -> None:
    unit = await desired(later(decision()), rows={b"%d" % LEARNER: STAYS})
    assert issuance(unit).kind == "awarded"


async def test_the_row_of_a_forgotten_learner_is_over_after_some_time() -> None:
    at = stamp(load(orjson.loads(STAYS)).time)
    assert is_over(b"%d" % LEARNER, STAYS, at + 1)
    assert not is_over(b"%d" % LEARNER, STAYS, at)
    assert not is_over(KEY, (await desired(decision())).table[KEY] or b"", at + 10**18)
    assert gone(load(orjson.loads(STAYS)))


async def test_what_the_same_unit_has_written_is_forgotten_too() -> None:
    assert issuance(await desired(decision(), ORDERED)).kind == "forgotten"


async def test_a_decision_about_a_learner_who_is_being_forgotten_is_set_aside() -> None:
    unit = await desired(decision(), ORDERED, later(revocation()))
    assert [header(sent.headers, REASON) for sent in unit.sent] == [b"forgotten"]
    assert issuance(unit).kind == "forgotten"


async def test_an_order_for_nobody_is_set_aside() -> None:
    rows = {KEY: (await desired(decision())).table[KEY] or b""}
    for key in (None, b"nobody", b""):
        unit = await desired(replace(ORDERED, key=key), rows=rows)
        assert [header(sent.headers, REASON) for sent in unit.sent] == [b"origin"]
        assert unit.table == {}


def seen(said: Seen | str, key: bytes | None = KEY) -> ConsumerRecord:
    return record(line(said), [(ORDER, SEEN)], key=key, topic=DECISIONS)


def issued(badge: bytes = KEY, held: str = "at the issuer") -> dict[bytes, bytes]:
    known = Issuance("awarded", TEMPLATE, 1, 2, "decision", EPOCH, held=held, state="pending", sure=True)
    return {badge: orjson.dumps(dump(known))}


@pytest.mark.parametrize("key", [KEY, None])
async def test_what_an_issuer_says_of_a_badge_is_written_down_by_the_badges_owner(key: bytes | None) -> None:
    said = Seen("at the issuer", "revoked", EPOCH)
    rows = issued() | issued(b"another", "another") | {b"kept:feed/x": b"{}"}
    unit, followed_badges = await followed(seen(said, key), rows=rows)

    assert list(unit.table) == [KEY]
    assert (issuance(unit).state, issuance(unit).seen) == ("revoked", said)
    assert followed_badges == [KEY]


@pytest.mark.parametrize("key", [KEY, None, b"of nobody"])
@pytest.mark.parametrize("said", [Seen("another", "revoked", EPOCH), Seen("at the issuer", "pending", EPOCH)])
async def test_what_is_of_another_badge_or_says_nothing_new_changes_nothing(
    key: bytes | None, said: Seen
) -> None:
    unit, followed_badges = await followed(seen(said, key), rows=issued())

    assert (unit.table, unit.sent, followed_badges) == ({}, [], [])


async def test_a_template_of_which_the_issuer_says_something_is_looked_at() -> None:
    unit, looked_at = await followed(seen(TEMPLATE, None))

    assert (unit.table, looked_at) == ({}, [TEMPLATE.encode()])


async def test_a_hint_has_the_feed_of_this_partition_read() -> None:
    here, unit = relay(), RecordingUnit(TOPICS.decisions, TOPICS.issuances)
    hinted: list[str] = []
    here.feeds[0] = cast(Feeds, SimpleNamespace(hint=hinted.append))
    step = Desiring(here, unit, Batch(unit.partition, fetches.fetched(fetches.batch([0]))))
    await take([record(None, [(ORDER, LOOK)], key=b"an organization", topic=DECISIONS)], step.step)
    step.follow()

    assert (hinted, unit.sent, unit.table) == (["an organization"], [], {})


@pytest.mark.parametrize("value", [b"{", b"7", b"[]", b"{}", b'{"held":"a","state":"revoked","at":7}'])
async def test_what_only_looks_like_it_is_set_aside(value: bytes) -> None:
    unit = await desired(record(value, [(ORDER, SEEN)], key=KEY, topic=DECISIONS), rows=issued())

    assert [header(sent.headers, REASON) for sent in unit.sent] == [b"bad_badge"]

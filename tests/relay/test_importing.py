"""Badges that another service issued, or should have, as the relay takes them along."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import orjson
import pytest
from aiokafka.structs import ConsumerRecord

from streams.badges import badge_id, decision_id, moment
from streams.headers import header
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.outcomes import Recipient
from streams.issuers.outcomes import Refused as No
from streams.kafka.dead_letters import REASON
from streams.kafka.forgotten import of_order
from streams.kafka.orders import IMPORT, ORDER
from streams.kafka.origin import forwarded
from streams.relay.doubt import Doubt
from streams.relay.importing import imported, line, taken_along
from streams.relay.issuance import Issuance, Kind, desire, done, forget, learned
from streams.relay.next_step import next_step
from streams.relay.rows import dump, load
from streams.relay.steps import Issue, Revoke
from streams.relay.table import forgotten_row
from tests.bus.memory import record
from tests.relay.scene import BADGE, LEARNER, TEMPLATE, TOPICS, decision
from tests.relay.test_desiring import ORDERED, desired, followed, issuance, revocation
from tests.relay.virtual import EPOCH
from tests.relay.world import event

AT = datetime(2026, 3, 14, tzinfo=UTC)
ADA = Recipient("ada", "ada@example.org", "Ada")
THERE = "9f0c1a52-7c1e-4bb0-9a53-1d0e6f1f7a10"
KEY = BADGE.encode()
step = partial(next_step, now=AT, issuer=CREDLY)


def order(kind: Kind = "awarded", **said: object) -> ConsumerRecord:
    """An import of the badge of the recorded badge events."""
    value = line(kind, TEMPLATE, LEARNER, AT, **said)  # type: ignore[arg-type]
    return record(value, [(ORDER, IMPORT)], key=KEY, topic=TOPICS.decisions.name, offset=50)


def brought(kind: Kind = "awarded", **said: object) -> Issuance:
    return imported(order(kind, **said))[1]


async def test_what_credly_holds_is_held_and_nothing_is_left_to_do() -> None:
    unit, looked_at = await followed(order(held=THERE, state="pending"))

    found = issuance(unit)
    assert (found.held, found.state, found.sure, found.adopted) == (THERE, "pending", True, False)
    assert done(found)
    assert (found.recipient, found.original) == (None, None)
    assert found.decision == str(decision_id(badge_id(TEMPLATE, LEARNER), "awarded", 1))
    assert looked_at == [KEY]
    assert unit.sent == []


async def test_what_was_never_issued_is_issued_as_of_its_award() -> None:
    found = issuance(await desired(order(recipient=ADA)))

    assert step(found) == Issue(ADA, AT)


async def test_one_that_is_refused_is_a_letter_with_the_import() -> None:
    found = brought(recipient=ADA)

    after = learned(found, Issue(ADA, AT), No("422"), EPOCH)

    assert after.refused
    assert found.original is not None
    letter = forwarded(found.original)
    assert (letter.key, header(letter.headers, ORDER)) == (KEY, IMPORT)


async def test_what_was_revoked_is_revoked_and_can_be_erased() -> None:
    found = issuance(await desired(order("revoked", past=THERE, state="revoked")))

    assert (found.held, found.past, done(found)) == (None, (THERE,), True)


async def test_what_should_have_been_revoked_is_revoked() -> None:
    found = issuance(await desired(order("revoked", held=THERE, state="pending")))

    assert step(found) == Revoke(THERE)


async def test_a_later_revocation_takes_what_was_imported() -> None:
    unit = await desired(order(held=THERE), revocation())

    assert step(issuance(unit)) == Revoke(THERE)


@pytest.mark.parametrize("own", [(decision(),), (decision(), revocation())])
async def test_own_state_wins(own: tuple[ConsumerRecord, ...]) -> None:
    before = (await desired(*own)).table[KEY] or b""

    unit, looked_at = await followed(order("revoked", past=THERE), rows={KEY: before})

    assert (unit.table, looked_at) == ({}, [])


async def test_what_is_to_be_issued_and_is_there_is_not_issued_again() -> None:
    unit = await desired(decision(), order(held=THERE, state="accepted"))

    assert (issuance(unit).held, done(issuance(unit))) == (THERE, True)


def test_what_may_have_been_issued_here_is_looked_for() -> None:
    called = replace(desire(None, event("awarded")), doubt=Doubt("issue", EPOCH, ""))

    assert taken_along(called, brought(held=THERE)) is called


def test_what_is_held_here_stays() -> None:
    own = replace(desire(None, event("awarded")), held="ours", sure=True)

    assert taken_along(own, brought(held=THERE)) is own


def test_what_was_refused_here_and_is_there_is_held() -> None:
    refused = replace(desire(None, event("awarded")), refused="User already has this badge")

    after = taken_along(refused, brought(held=THERE))

    assert (after.held, after.refused) == (THERE, "")


async def test_a_second_import_changes_nothing() -> None:
    for said in ({"held": THERE}, {"recipient": ADA}):
        before = (await desired(order(**said))).table[KEY] or b""

        unit, looked_at = await followed(order(**said), rows={KEY: before})

        assert (unit.table, looked_at) == ({}, [])


async def test_nothing_is_imported_of_a_learner_who_was_forgotten() -> None:
    stays = forgotten_row(b"%d" % LEARNER, moment(of_order(ORDERED.timestamp)))
    forgetting = orjson.dumps(dump(forget(brought(held=THERE), AT)))

    for rows in ({b"%d" % LEARNER: stays}, {KEY: forgetting}):
        unit, looked_at = await followed(order(held=THERE), rows=rows)
        assert (unit.table, unit.sent, looked_at) == ({}, [], [])


@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b"[]",
        line("awarded", "no UUID", LEARNER, AT),
        line("awarded", TEMPLATE.replace("-", ""), LEARNER, AT),
        line("awarded", TEMPLATE, -1, AT),
        line("awarded", TEMPLATE, LEARNER, AT, held=THERE, past=THERE),
        line("awarded", TEMPLATE, LEARNER + 1, AT),
        line("awarded", TEMPLATE, LEARNER, AT).replace(b"awarded", b"granted"),
        line("awarded", TEMPLATE, LEARNER, AT, recipient=ADA).replace(b'"Ada"', b"1"),
        line("awarded", TEMPLATE, LEARNER, AT).replace(b"2026-03-14T", b""),
    ],
)
async def test_what_is_no_import_is_set_aside(value: bytes) -> None:
    unit, looked_at = await followed(replace(order(), value=value))

    assert [header(sent.headers, REASON) for sent in unit.sent] == [b"bad_badge"]
    assert (unit.table, looked_at) == ({}, [])


def test_it_is_stored_as_any_other() -> None:
    found = brought(recipient=ADA)

    assert load(orjson.loads(orjson.dumps(dump(found)))) == found

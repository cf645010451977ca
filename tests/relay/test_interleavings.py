"""What happens between the steps of a badge: the bus speaks, the catalog changes, the partition goes."""

import asyncio
from dataclasses import replace

import orjson
import pytest

from streams.relay.issuance import KeptRecord, desire
from streams.relay.keys import KeyRef
from streams.relay.pace import Limits
from streams.relay.rows import dump, load
from streams.relay.terms import OrganizationTerms, TemplateTerms
from streams.sandbox.credly import Fault, Reply
from tests.relay.world import (
    BASE,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    TEMPLATE,
    World,
    badge_id,
    event,
    in_world,
)

TWO_AT_ONCE = Limits(in_flight=2, rate=1e6)
OTHERS = range(100, 140)


def move_template(here: World) -> None:
    """Another catalog: the template is the other organization's, the first is gone."""
    here.credly.add_template(OTHER_ORGANIZATION, TEMPLATE)
    terms = [OrganizationTerms(OTHER_ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))]
    here.catalog(terms, {TEMPLATE: TemplateTerms(TEMPLATE, TEMPLATE, OTHER_ORGANIZATION)})


@pytest.mark.parametrize("last", ["awarded", "forgotten"])
@in_world(TWO_AT_ONCE)
async def test_a_badge_is_in_one_hand_however_often_it_was_queued(here: World, last: str) -> None:
    # given a badge with two entries in the queue, of which one is in work
    here.say(*[event("awarded", learner) for learner in OTHERS])
    here.wire.latency = 1.0
    here.say(event("awarded"))
    here.say(event("revoked"))
    if last == "awarded":
        here.say(event("awarded", generation=2))
    else:
        here.forget(1)
    key, queue = badge_id(1).encode(), here.reconciler._waiting._queues[ORGANIZATION]
    await here.until(lambda: here.reconciler._waiting._pending[key].place == "busy", every=0.001)
    assert key in queue
    # when
    here.reconciler.catalog_changed()
    # then
    await here.settled()
    issued = [entry for entry in here.calls("issue") if entry.earner == "1"]
    assert len(issued) == (last == "awarded")
    await asyncio.sleep(60)
    assert not here.running[-1].done()


@in_world(TWO_AT_ONCE)
async def test_what_waits_for_its_turn_while_the_template_moves_is_not_issued_by_the_old_organization(
    here: World,
) -> None:
    # given
    here.say(event("awarded", 100))
    await here.settled()
    late = Fault("error", organization=ORGANIZATION, call="issue", status=429, retry_after="1800", last=1)
    here.credly.schedule([late])
    here.say(*[event("awarded", learner) for learner in range(1, 11)])
    await asyncio.sleep(60)
    # when
    move_template(here)
    before = len(here.credly.journal)
    await here.settled()
    # then
    calls = here.credly.journal[before:]
    assert not [e for e in calls if e.organization == ORGANIZATION and e.call == "issue"]
    assert [e for e in calls if e.organization == OTHER_ORGANIZATION and e.call == "issue" and e.done]


@in_world(TWO_AT_ONCE)
async def test_a_revocation_that_is_durable_before_the_second_intent_prevents_the_call(here: World) -> None:
    # given an issue without an answer, which a look-up did not find: it is to be issued again
    here.say(event("awarded", 9))
    await here.settled()
    here.credly.schedule([Fault("reset_before", call="issue", last=1)])
    here.store._save_seconds = 0.5
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().loose is not None and here.issuance().doubt is None)
    await asyncio.sleep(0.2)
    assert here.issuance().held is None
    # when
    here.say(event("revoked"))
    now = len(here.credly.journal)
    await here.settled()
    # then
    assert not [entry for entry in here.credly.journal[now:] if entry.call == "issue"]


@pytest.mark.parametrize("turns", range(6))
@in_world()
async def test_a_partition_that_is_taken_away_can_still_be_spoken_to(here: World, turns: int) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(*[event("awarded", learner) for learner in range(1, 4)])
    await asyncio.sleep(3)
    # when
    here.running[-1].cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    # then
    here.say(event("awarded", 50))
    here.reconciler.catalog_changed()
    await asyncio.wait(here.running)
    assert here.reconciler.census().pending == {}


@in_world()
async def test_a_badge_that_credly_lists_although_it_was_deleted_is_asked_for_in_peace(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    handle, before = here.credly.handle, len(here.credly.journal)

    def slow_to_delete(method: str, path: str, *more: object) -> Reply:
        return Reply(202, b"{}") if method == "DELETE" else handle(method, path, *more)  # type: ignore[arg-type]

    here.credly.handle = slow_to_delete  # type: ignore[method-assign, assignment]
    here.forget(1)
    await asyncio.sleep(600)
    assert 10 < len(here.credly.journal) - before < 1_500
    here.credly.handle = handle  # type: ignore[method-assign]
    await here.settled()


@in_world()
async def test_what_was_learned_at_an_old_address_does_not_hold_at_the_new_one(here: World) -> None:
    here.credly.schedule([Fault("error", call="issue", status=429, retry_after="3600", last=1)])
    here.say(event("awarded"))
    await asyncio.sleep(5)
    # when
    terms = [OrganizationTerms(ORGANIZATION, "credly", "https://elsewhere", KeyRef(env="KEY"))]
    here.catalog(terms, {TEMPLATE: TemplateTerms(TEMPLATE, TEMPLATE, ORGANIZATION)})
    here.say(event("awarded", 2))
    # then
    await here.until(lambda: here.issuance(2).held is not None, within=60)


def test_a_header_without_a_value_is_kept() -> None:
    original = KeptRecord(b"\0\0\0\0\2value", (("ce_id", b"id"), ("empty", b""), ("none", None)))  # type: ignore[arg-type]
    issuance = desire(None, replace(event("awarded"), original=original))
    assert load(orjson.loads(orjson.dumps(dump(issuance)))) == issuance

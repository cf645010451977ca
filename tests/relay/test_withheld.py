"""An account at Accredible whose credits are used up, and what people do there: in virtual time."""

import asyncio
from dataclasses import replace

import pytest

from streams.catalog import load_catalog
from streams.operate.whereabouts import Issuances
from streams.relay.issuance import WITHHELD
from streams.sandbox.accredible import AccredibleSimulator, Habits
from streams.sandbox.issuers.faults import Fault
from tests.relay.simulated import ACCREDIBLE, ORGANIZATION, TEMPLATE
from tests.relay.world import World, badge_id, event, in_world, recipient

HOURS = 6 * 3_600.0
at_accredible = in_world(simulated=ACCREDIBLE)


def accredible(here: World) -> AccredibleSimulator:
    assert isinstance(here.simulator, AccredibleSimulator)
    return here.simulator


@at_accredible
async def test_without_credits_badges_wait_and_are_published_once_there_are_some(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    # given
    accredible(here).credits[ORGANIZATION] = 5
    here.say(*(event("awarded", n) for n in range(300)))
    await here.until(lambda: here.reconciler.census().parked == {TEMPLATE: 295})
    # when nobody pays for hours
    calls = len(here.simulator.journal)
    await asyncio.sleep(HOURS)
    # then little is called and said, nothing is given up, and nobody holds what is not published
    assert len(here.held()) == 5
    assert len(here.simulator.journal) - calls < HOURS / 300 * 30
    alarms = [record for record in caplog.records if "is parked" in record.message]
    assert len(alarms) == 1
    assert "no credits are left" in alarms[0].message
    assert not here.store.letters
    # and when somebody does
    accredible(here).credits[ORGANIZATION] = 1_000
    await here.settled(within=400)
    assert len(here.held()) == len(accredible(here).badges) == 300
    assert "published again" in caplog.text


@at_accredible
async def test_a_badge_that_a_person_publishes_is_issued(here: World) -> None:
    accredible(here).credits[ORGANIZATION] = 0
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().state == WITHHELD)
    [badge] = accredible(here).badges.values()
    badge.approve = True
    await here.settled(within=400)
    assert here.issuance().held == str(badge.id)


@at_accredible
async def test_a_badge_that_is_revoked_while_it_is_withheld_is_not_published_later(here: World) -> None:
    accredible(here).credits[ORGANIZATION] = 0
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().state == WITHHELD)
    await here.follows(event("revoked"))
    accredible(here).credits[ORGANIZATION] = 10
    [badge] = accredible(here).badges.values()
    badge.approve = True
    await asyncio.sleep(3_600)
    assert here.held() == []


@at_accredible
async def test_of_a_learner_who_is_forgotten_while_a_badge_is_withheld_nothing_stays(here: World) -> None:
    accredible(here).credits[ORGANIZATION] = 0
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().state == WITHHELD)
    here.forget(1)
    await here.settled()
    assert not accredible(here).badges


@at_accredible
async def test_where_a_badge_is_withheld_is_said(here: World) -> None:
    accredible(here).credits[ORGANIZATION] = 0
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().state == WITHHELD)
    known = Issuances({badge_id(1): here.issuance()}, relay=True)
    assert "no credits are left" in known.where(badge_id(1), load_catalog("version: 1"))


@at_accredible
async def test_what_the_credentials_service_let_expire_is_renewed_when_it_is_awarded_again(
    here: World,
) -> None:
    # given a credential without our id, which has expired
    await here.follows(event("awarded"))
    await here.follows(event("revoked"))
    [badge] = accredible(here).badges.values()
    badge.license_id = badge.earner = ""
    here.store.table.clear()
    here.restart()
    # when
    await here.follows(event("awarded"))
    # then
    assert here.held() == [(TEMPLATE, "1")]
    assert list(accredible(here).badges.values()) == [badge]


@pytest.mark.parametrize("lag", [10.0, 29.0])
@in_world(simulated=ACCREDIBLE, duplicates=True)
async def test_a_search_that_is_late_costs_no_second_credential(here: World, lag: float) -> None:
    accredible(here).habits = Habits(search_lag=lag, silent=True)
    here.simulator.schedule([Fault("lost", call="issue", last=1)])
    await here.follows(event("awarded"))
    assert len(accredible(here).badges) == 1
    here.simulator.schedule([Fault("reset_after", call="revoke", last=1)])
    await here.follows(event("revoked"))
    await here.follows(event("awarded", generation=2))
    assert len(accredible(here).badges) == 1
    assert here.held() == [(TEMPLATE, "1")]


@at_accredible
async def test_a_learner_whose_address_changed_has_one_credential(here: World) -> None:
    await here.follows(event("awarded"))
    await here.follows(event("revoked"))
    moved = recipient(1, email="new@example.org")
    await here.follows(event("awarded", generation=2, who=moved))
    [badge] = accredible(here).badges.values()
    assert badge.email == "new@example.org"
    assert here.held() == [(TEMPLATE, "1")]


@at_accredible
async def test_an_order_to_look_again_renews_what_a_person_let_expire(here: World) -> None:
    await here.follows(event("awarded"))
    [badge] = accredible(here).badges.values()
    badge.expired_on = "2026-03-13"
    await here.follows(replace(event("awarded"), ordered=True))
    assert here.held() == [(TEMPLATE, "1")]

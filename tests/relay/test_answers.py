"""What each of Credly's answers comes to for a badge, in virtual time."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from streams.relay.ownership import Ownership
from streams.relay.terms import TemplateTerms
from streams.sandbox.credly import Endpoint, Fault, Manners
from tests.relay.world import (
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    TEMPLATE,
    World,
    event,
    in_world,
    recipient,
)

MANAGED = Ownership(adopted="manage")


@in_world(ownership=MANAGED)
async def test_a_badge_that_credly_has_already_is_adopted(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    [badge] = here.held()
    here.store.table.clear()
    here.restart()
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == [badge]
    assert here.issuance().held == here.badge().id
    here.say(event("revoked"))
    await here.settled()
    assert here.held() == []


@in_world()
async def test_a_badge_of_the_credentials_service_is_adopted_by_its_e_mail(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.badge().earner = ""
    here.store.table.clear()
    here.restart()
    here.say(event("awarded"))
    await here.settled()
    assert len(here.credly.held()) == 1
    assert here.issuance().held == here.credly.held()[0].id


@in_world()
async def test_a_duplicate_that_no_look_up_finds_goes_to_the_dead_letters(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    badge = here.badge()
    here.store.table.clear()
    here.restart()
    badge.earner, badge.email = "another", "someone@else.example"
    here.say(event("awarded"))
    await here.settled()
    [letter] = here.store.letters
    assert letter.why == "422: User already has this badge (and a look-up finds no such badge)"


@pytest.mark.parametrize("by", ["issuer_earner_id", "recipient_email_all"])
@in_world()
async def test_a_badge_is_found_behind_many_others_where_credly_ignores_a_filter(
    here: World, by: str
) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    here.say(*(event("awarded", n) for n in range(120)))
    await here.settled()
    if by == "recipient_email_all":
        for badge in here.credly.badges.values():
            badge.earner = ""
    here.credly.manners = Manners(ignored_filters=frozenset([by]))
    here.store.table.clear()
    here.restart()
    here.say(event("awarded", 119))
    await here.settled()
    assert len(here.credly.badges) == 120
    assert here.issuance(119).held is not None


@pytest.mark.parametrize("not_held", [200, 404, 409, 422])
@in_world()
async def test_a_badge_that_its_earner_has_rejected_needs_no_revocation_whatever_credly_says(
    here: World, not_held: Any
) -> None:
    here.credly.manners = Manners(not_held=not_held)
    here.say(event("awarded"))
    await here.settled()
    here.credly.set_state(here.badge().id, "rejected")
    here.say(event("revoked"))
    await here.settled()
    assert not here.store.letters
    here.say(event("awarded", generation=2))
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]


@in_world()
async def test_a_badge_that_was_replaced_stays_and_a_letter_names_its_replacement(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    replacement = here.credly.replace(here.badge().id, TEMPLATE)
    here.say(event("revoked"))
    await here.settled()
    [letter] = here.store.letters
    assert letter.why == f"422: Validation failed (the badge was replaced by {replacement.id})"
    assert [badge.id for badge in here.credly.held()] == [replacement.id]


@in_world()
async def test_a_second_account_address_of_a_learner_does_not_get_the_badge_twice(here: World) -> None:
    here.credly.add_account("home@example.org", "user1@example.org")
    here.say(event("awarded"))
    await here.settled()
    here.badge().earner = ""
    here.store.table.clear()
    here.restart()
    here.say(event("awarded", who=recipient(1, email="home@example.org")))
    await here.settled()
    assert len(here.credly.badges) == 1


@in_world()
async def test_a_revocation_of_what_credly_does_not_know_is_done(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.credly.badges.clear()
    here.say(event("revoked"))
    await here.settled()
    assert not here.store.letters


@pytest.mark.parametrize("call", ["revoke", "erase"])
@in_world()
async def test_a_page_in_between_that_says_404_neither_revokes_nor_deletes(
    here: World, call: Endpoint
) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.credly.schedule(
        [Fault("error", call=wrong, status=404, body="html", last=20) for wrong in (call, "look_up")]
    )
    if call == "revoke":
        here.say(event("revoked"))
    else:
        here.forget(1)
    await here.settled()
    assert here.held() == []
    assert call == "revoke" or not here.credly.badges


@pytest.mark.parametrize("forgotten", [False, True])
@in_world()
async def test_a_badge_asked_for_at_an_organization_that_does_not_have_it_is_not_taken_for_gone(
    here: World, forgotten: bool
) -> None:
    here.say(event("awarded"))
    await here.settled()
    right, wrong = here.templates, TemplateTerms(TEMPLATE, TEMPLATE, OTHER_ORGANIZATION)
    here.catalog(here.terms, {TEMPLATE: wrong})
    if forgotten:
        here.forget(1)
    else:
        here.say(event("revoked"))
    await asyncio.sleep(1_000)
    assert here.held() == [(TEMPLATE, "1")]
    here.catalog(here.terms, right)
    await here.settled()
    assert here.held() == []


@in_world()
async def test_what_credly_refuses_goes_to_the_dead_letters_whole_and_can_be_redriven(here: World) -> None:
    bad = event("awarded", who=recipient(1, email="nobody@nowhere"))
    here.say(bad)
    await here.settled()
    [letter] = here.store.letters
    assert letter.why == "422: Validation failed: Recipient email [hidden] is invalid"
    assert letter.original == bad.original
    [raw] = here.store.table.values()
    assert b"nowhere" not in raw
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]


@pytest.mark.parametrize("changes", [{"email": ""}, {"name": "", "username": ""}])
@in_world()
async def test_a_badge_of_a_learner_of_whom_too_little_is_known_waits_until_the_bus_knows_more(
    here: World, changes: dict[str, str]
) -> None:
    # given
    here.say(event("awarded", who=recipient(1, **changes)))
    await here.until(lambda: here.reconciler.census().stuck)
    # when
    here.restart()
    await asyncio.sleep(7_200)
    # then
    assert here.reconciler.census().stuck == {(ORGANIZATION, "lacking"): 1}
    assert here.reconciler.census().pending == {}
    assert (here.store.letters, here.calls("issue")) == ([], [])
    # when
    here.say(event("awarded"))
    await here.settled()
    # then
    assert here.held() == [(TEMPLATE, "1")]
    assert here.reconciler.census().stuck == {}


@in_world()
async def test_a_refused_badge_is_counted_until_it_is_issued_with_what_is_known_now(here: World) -> None:
    # given
    here.say(event("awarded", who=recipient(1, email="ada@nowhere")))
    await here.settled()
    here.restart()
    await here.until(lambda: here.reconciler.census().stuck == {(ORGANIZATION, "refused"): 1})
    # when
    here.say(event("awarded", who=recipient(1, email="ada@example.org")))
    await here.settled()
    # then
    assert [badge.email for badge in here.credly.held()] == ["ada@example.org"]
    await here.until(lambda: here.reconciler.census().stuck == {})


@in_world()
async def test_by_order_what_a_person_undid_at_the_issuer_is_issued_again(here: World) -> None:
    # given
    here.say(event("awarded"))
    await here.settled()
    here.credly.set_state(here.badge().id, "revoked")
    # when
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == []
    here.say(replace(event("awarded"), ordered=True))
    await here.settled()
    # then
    assert here.held() == [(TEMPLATE, "1")]


@pytest.mark.parametrize("state", ["archived", "missing"])
@in_world()
async def test_an_unavailable_template_parks_its_badges_alone_until_it_is_active(
    here: World, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    here.say(event("awarded", 1), event("awarded", 2))
    await here.settled()
    if state == "archived":
        here.credly.add_template(ORGANIZATION, TEMPLATE, "archived")
    else:
        del here.credly.templates[TEMPLATE]
    here.say(*(event("awarded", n) for n in range(10, 300)))
    here.say(event("revoked", 2))
    here.say(event("awarded", 1, template=OTHER_TEMPLATE))
    await asyncio.sleep(3600)
    # One alarm, a few calls; revocations and other templates go on.
    alarms = [r for r in caplog.records if "is parked" in r.message]
    assert len(alarms) == 1
    assert here.held() == [(TEMPLATE, "1"), (OTHER_TEMPLATE, "1")]
    assert len(here.credly.journal) < 60
    assert here.reconciler.census().parked == {TEMPLATE: 290}
    assert not here.store.letters
    here.credly.add_template(ORGANIZATION, TEMPLATE)
    await here.settled(within=400)
    assert len(here.held()) == 292


@in_world()
async def test_however_many_calls_find_a_template_archived_at_once_it_is_soon_looked_at_again(
    here: World,
) -> None:
    here.say(event("awarded", 0))
    await here.settled()
    here.credly.add_template(ORGANIZATION, TEMPLATE, "archived")
    here.say(*(event("awarded", n) for n in range(1, 50)))
    await asyncio.sleep(1)
    assert len([entry for entry in here.calls("issue") if entry.status == 422]) > 5
    here.credly.add_template(ORGANIZATION, TEMPLATE)
    await here.settled(within=31)


@in_world()
async def test_a_revocation_whose_look_up_finds_no_template_waits_without_haste(here: World) -> None:
    here.credly.schedule([Fault("error", call="look_up", status=404)])
    here.say(event("revoked"))
    await asyncio.sleep(3600)
    assert 10 < len(here.calls("look_up")) < 70
    here.credly.schedule([])
    await here.settled(within=61)

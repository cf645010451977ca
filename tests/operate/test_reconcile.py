"""What the relay believes against what Credly lists."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.errors import FatalError
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.outcomes import Absent, Found, Issued, IssuedBadge, Refused, Revoked
from streams.operate.reconcile import Difference, all_listed, compare, listed, reports
from streams.relay.issuance import Issuance, desire, kept, learned
from streams.relay.ownership import Ownership
from streams.relay.steps import Issue, LookUp, Revoke
from streams.relay.terms import TemplateTerms
from streams.sandbox.bus import Bus
from streams.sandbox.credly import Fault
from tests.relay.badge_bus import KEY, Word, all_done, speaker
from tests.relay.test_relay_on_bus import ORGANIZATION, OTHER_TEMPLATE, TEMPLATE, place
from tests.relay.virtual import EPOCH, virtual_clock
from tests.relay.world import World, badge_id, event, in_world, recipient

HELD = IssuedBadge("c-1", "accepted", TEMPLATE, "1", frozenset(("user1@example.org",)))


def held(learner: int = 1, badge: str = "c-1") -> Issuance:
    issue = Issue(recipient(learner), EPOCH)
    return learned(desire(None, event("awarded", learner)), issue, Issued(badge, "pending"), EPOCH)


def revoked(learner: int = 1) -> Issuance:
    return learned(desire(held(learner), event("revoked", learner)), Revoke("c-1"), Revoked(), EPOCH)


def table(*issuances: Issuance) -> dict[str, Issuance]:
    return {badge_id(issuance.learner): issuance for issuance in issuances}


def kinds(issuances: dict[str, Issuance], *listed: IssuedBadge) -> list[str]:
    return [difference.kind for difference in compare(issuances, listed, CREDLY.traits.held)]


def test_what_agrees_is_no_difference() -> None:
    assert kinds(table(held()), HELD) == []
    assert kinds(table(revoked()), replace(HELD, state="revoked")) == []
    assert kinds({}) == []


def test_an_id_in_capitals_is_the_same_id() -> None:
    assert kinds(table(held()), replace(HELD, id="C-1")) == []
    left = kept(desire(replace(held(), adopted=True), event("revoked")))
    assert kinds(table(left), replace(HELD, id="C-1", earner="")) == ["kept"]


def test_a_badge_that_credly_does_not_know_is_missing() -> None:
    missing = Difference("missing", TEMPLATE, "1", badge_id(1), "c-1")
    assert list(compare(table(held()), [], CREDLY.traits.held)) == [missing]


@pytest.mark.parametrize(("state", "kind"), [("revoked", "revoked_by_hand"), ("rejected", "rejected")])
def test_a_badge_that_is_no_longer_held_says_why(state: str, kind: str) -> None:
    assert kinds(table(held()), replace(HELD, state=state)) == [kind]


def test_a_badge_that_the_bus_never_asked_for_was_issued_by_hand() -> None:
    assert kinds({}, HELD) == ["issued_by_hand"]
    assert kinds(table(held()), HELD, replace(HELD, id="c-2", earner="")) == ["issued_by_hand"]


def test_a_revoked_badge_that_credly_holds_all_the_same_is_still_held() -> None:
    assert kinds(table(revoked()), replace(HELD, state="revoked"), replace(HELD, id="c-2")) == ["still_held"]


def test_a_badge_whose_revocation_credly_refused_is_still_held() -> None:
    wanted = desire(held(), event("revoked"))
    refused = learned(wanted, Revoke("c-1"), Refused("no"), EPOCH)
    assert kinds(table(refused), HELD) == ["still_held"]
    assert kinds(table(refused)) == []


def test_an_adopted_badge_that_a_revocation_left_is_named_as_kept() -> None:
    wanted = desire(replace(held(), adopted=True), event("revoked"))
    left = kept(wanted)
    by_hand = replace(HELD, earner="")
    assert list(compare(table(left), [by_hand], CREDLY.traits.held)) == [
        Difference("kept", TEMPLATE, "1", badge_id(1), "c-1")
    ]
    assert kinds(table(left), replace(by_hand, state="revoked")) == []


def test_badges_of_other_sites_are_no_difference_and_those_of_this_site_are_its_learners() -> None:
    ours = Ownership("b:")
    listed = [replace(HELD, id=earner, earner=earner) for earner in ("b:1", "1", "a:1", "")]
    found = list(compare({}, listed, CREDLY.traits.held, ours))
    assert [(difference.issued, difference.learner) for difference in found] == [
        ("b:1", "1"),
        ("1", "1"),
        ("", ""),
    ]
    assert list(compare(table(held()), [replace(HELD, earner="b:1")], CREDLY.traits.held, ours)) == []
    assert kinds(table(revoked()), replace(HELD, id="c-2", earner="1")) == ["still_held"]


def test_badges_on_which_the_relay_is_working_are_left_out() -> None:
    working = desire(None, event("awarded"))
    assert kinds(table(working), HELD) == []
    looked_up = learned(working, LookUp(), Absent(), EPOCH)
    assert kinds(table(looked_up)) == []
    assert kinds(table(learned(working, LookUp(), Found("c-1", "accepted"), EPOCH)), HELD) == []


@in_world()
async def test_a_list_names_templates_as_the_catalog_does_and_asks_again_after_trouble(here: World) -> None:
    # given
    external = "2b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
    here.credly.add_template(ORGANIZATION, external)
    terms = TemplateTerms(TEMPLATE, external, ORGANIZATION)
    here.catalog(here.terms, {TEMPLATE: terms})
    here.say(*(event("awarded", learner) for learner in range(60)))
    await here.settled()
    organization = next(iter(here.organizations))
    # when
    here.credly.schedule([Fault("error", call="look_up", status=503, last=2)])
    badges = await listed(organization, terms, virtual_clock())
    # then
    assert len(badges) == 60
    assert {badge.template for badge in badges} == {TEMPLATE}
    believed = {badge.decode(): issuance for badge, issuance in here.store.scan()}
    assert list(compare(believed, badges, CREDLY.traits.held)) == []


@in_world()
async def test_what_is_missing_is_looked_for_once_more(
    here: World,
) -> None:
    terms = TemplateTerms(TEMPLATE, TEMPLATE, ORGANIZATION)
    here.say(event("awarded", 1), event("awarded", 2))
    await here.settled()
    organization = next(iter(here.organizations))
    table = {badge.decode(): issuance for badge, issuance in here.store.scan()}
    ask: Any = organization.ask
    asked = 0

    async def without_one(*given: Any) -> Any:
        nonlocal asked
        page, asked = await ask(*given), asked + 1
        # The first page was deleted from while it was read.
        return replace(page, items=page.items[1:]) if asked == 1 else page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(organization, "ask", without_one)
        badges = await all_listed(organization, [terms], table, CREDLY.traits.held, virtual_clock())

    assert len(badges) == 2
    assert asked == 2


@in_world()
async def test_a_list_that_is_refused_or_never_comes_is_said_once(here: World) -> None:
    terms = TemplateTerms(TEMPLATE, TEMPLATE, ORGANIZATION)
    organization = next(iter(here.organizations))
    for status in (400, 503):
        here.credly.schedule([Fault("error", call="look_up", status=status)])
        with pytest.raises(FatalError, match=f"no list of its badges: {status}"):
            await listed(organization, terms, virtual_clock())


async def test_the_command_prints_what_people_did_at_credly(
    sandbox: Bus, app_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(sandbox, app_prefix, tmp_path) as here:
        # given
        async with speaker(here.commands.parsed) as bus, here.relay():
            await bus.say([Word("awarded", TEMPLATE, n, 1) for n in range(120)])
            await bus.say([Word("awarded", OTHER_TEMPLATE, 1, 1)])
            await all_done(here.commands.parsed, 121, within=60)
        # then
        assert await asyncio.to_thread(here.commands.run, "reconcile") == ""
        # when
        held = {badge.earner: badge for badge in here.credly.held() if badge.template == TEMPLATE}
        here.credly.set_state(held["3"].id, "revoked")
        here.credly.set_state(held["4"].id, "rejected")
        monkeypatch.setenv("CREDLY_KEY_OF_THE_TEST", KEY)
        found = [report async for report in reports(here.commands.parsed, [ORGANIZATION])]
        # then
        assert [(d.kind, d.learner, d.issued) for report in found for d in report.differences] == [
            ("rejected", "4", held["4"].id),
            ("revoked_by_hand", "3", held["3"].id),
        ]
        with pytest.raises(FatalError, match=r"ended with 1: .*2 differences"):
            await asyncio.to_thread(here.commands.run, "reconcile")

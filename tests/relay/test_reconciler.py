"""The reconciler against the simulator, in virtual time."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.badges import Duration
from streams.catalog.durations import parse_duration
from streams.clock import Patience
from streams.issuers.http import Answer, NoAnswer, Request
from streams.relay.issuance import Kind
from streams.relay.keys import KeyRef
from streams.relay.ownership import Ownership
from streams.relay.pace import Limits
from streams.relay.terms import OrganizationTerms, TemplateTerms
from streams.sandbox.credly import Endpoint, Entry, Fault, Manners, Reply
from tests.relay.virtual import EPOCH
from tests.relay.world import (
    BASE,
    KEY,
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    QUICK,
    TEMPLATE,
    World,
    both_with,
    event,
    in_world,
    play,
    recipient,
)

EXTERNAL = "2b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
MANAGED = Ownership(adopted="manage")
BRISK = Limits(in_flight=8, rate=1e6, key=Patience(30, 60), template=Patience(30, 300))


def issued(here: World) -> list[Entry]:
    return [entry for entry in here.credly.journal if entry.call == "issue" and entry.done]


def behind_a_firewall(here: World, refuses: str) -> None:
    """Have a proxy refuse each call whose body holds these characters."""
    handle = here.credly.handle
    page = b"<html><head><title>Forbidden</title></head></html>"

    def guarded(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        return Reply(403, page) if refuses.encode() in body else handle(method, path, headers, body)

    here.credly.handle = guarded  # type: ignore[method-assign, assignment]


def now() -> float:
    return asyncio.get_running_loop().time()


# The plain way.


@in_world(notify_award=False, notify_revoke=True, expires_after=Duration(24, timedelta()))
async def test_credly_gets_what_the_catalog_and_the_learner_say(here: World) -> None:
    here.say(event("awarded", 1, who=recipient(1, name="Ada King Lovelace")))
    await here.settled()
    badge = here.badge(1)
    assert (badge.first_name, badge.last_name) == ("Ada", "King Lovelace")
    assert (badge.email, badge.earner) == ("user1@example.org", "1")
    assert (badge.issued_at, badge.expires_at) == (
        "2026-03-14 15:09:26 +0000",
        "2028-03-14 15:09:26 +0000",
    )
    [entry] = issued(here)
    assert entry.suppressed
    here.say(event("revoked"))
    await here.settled()
    [entry] = here.calls("revoke")
    assert not entry.suppressed


@pytest.mark.parametrize(
    ("lasts", "earned", "expires"),
    [
        ("P1M", datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-02-28 09:30:00 +0000"),
        ("P1M", datetime(2028, 1, 31, 9, 30, tzinfo=UTC), "2028-02-29 09:30:00 +0000"),
        ("P1Y", datetime(2028, 2, 29, 9, 30, tzinfo=UTC), "2029-02-28 09:30:00 +0000"),
        ("P4Y", datetime(2028, 2, 29, 9, 30, tzinfo=UTC), "2032-02-29 09:30:00 +0000"),
        ("P13M", datetime(2026, 12, 31, 9, 30, tzinfo=UTC), "2028-01-31 09:30:00 +0000"),
        ("P30D", datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-03-02 09:30:00 +0000"),
        # For ever, to all intents and purposes.
        ("P9000Y", datetime(2026, 1, 31, 9, 30, tzinfo=UTC), False),
        (None, datetime(2026, 1, 31, 9, 30, tzinfo=UTC), None),
    ],
)
@in_world()
async def test_an_expiry_follows_the_calendar(
    here: World, lasts: str | None, earned: datetime, expires: object
) -> None:
    lasts_for = None if lasts is None else parse_duration(lasts)
    lasting = TemplateTerms(TEMPLATE, TEMPLATE, ORGANIZATION, expires_after=lasts_for)
    here.catalog(here.terms, {TEMPLATE: lasting})
    here.say(event("awarded", time=earned))
    await here.settled()
    assert here.badge().issued_at == f"{earned:%Y-%m-%d %H:%M:%S} +0000"
    assert here.badge().expires_at == expires


@in_world()
async def test_what_the_bus_says_while_the_table_is_read_is_followed(here: World) -> None:
    await here.follows(event("awarded", 1), event("awarded", 2))
    here.restart()
    while not here.reconciler.running:
        await asyncio.sleep(0)

    # The first row is read; those after it are not yet.
    await here.follows(event("revoked", 2))

    assert here.held() == [(TEMPLATE, "1")]


@in_world(ownership=MANAGED)
async def test_a_template_is_called_by_its_external_id_at_its_issuer_and_by_its_own_everywhere_else(
    here: World,
) -> None:
    # given a template that Credly knows by another id, and a badge of it that the table has lost
    here.credly.add_template(ORGANIZATION, EXTERNAL, allow_duplicate_badges=True)
    here.catalog(here.terms, {TEMPLATE: TemplateTerms(TEMPLATE, EXTERNAL, ORGANIZATION)})
    here.say(event("awarded"), event("awarded", 2))
    await here.settled()
    assert here.held() == [(EXTERNAL, "1"), (EXTERNAL, "2")]
    assert {issuance.template for _, issuance in here.store.scan()} == {TEMPLATE}
    here.store.table.clear()
    here.restart()
    # when
    here.say(event("revoked"))
    await here.settled()
    # then it was looked up by that id, too
    assert here.held() == [(EXTERNAL, "2")]
    assert here.issuance().state == "revoked"
    # and when its learner is forgotten
    here.forget(1)
    await here.settled()
    assert [badge.earner for badge in here.credly.badges.values()] == ["2"]


@in_world()
async def test_personal_data_is_gone_once_credly_holds_what_is_desired(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    [raw] = here.store.table.values()
    assert b"user1" not in raw
    assert b"Ada" not in raw


@in_world()
async def test_results_are_saved_in_groups(here: World) -> None:
    here.say(*(event("awarded", learner) for learner in range(200)))
    await here.settled()
    assert max(here.store.groups) > 1
    assert len(here.held()) == 200


@in_world(Limits(in_flight=2, rate=5))
async def test_calls_in_flight_and_calls_a_second_are_limited_for_each_organization(here: World) -> None:
    here.wire.latency = 1.0
    here.say(*(event("awarded", n) for n in range(60)))
    here.say(*(event("awarded", n, template=OTHER_TEMPLATE) for n in range(60)))
    await here.settled()
    assert max(here.wire.most_in_flight.values()) == 2
    for organization in (ORGANIZATION, OTHER_ORGANIZATION):
        times = [at for at, whose in here.wire.started if whose == organization]
        assert len(times) == 61
        assert all(later - earlier > 0.99 for earlier, later in zip(times, times[5:], strict=False))


# Words that cross.


@in_world()
async def test_an_award_and_a_revocation_during_an_outage_cancel_out(here: World) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(*(event("awarded", n) for n in range(50)))
    await asyncio.sleep(100)
    here.say(*(event("revoked", n) for n in range(50)))
    await here.settled(within=1)
    here.wire.away.clear()
    await asyncio.sleep(1000)
    assert here.credly.badges == {}
    assert here.calls("issue", "revoke") == []


@in_world()
async def test_what_is_revoked_while_it_is_being_issued_is_revoked_afterwards(here: World) -> None:
    here.wire.latency = 5.0
    here.say(event("awarded"))
    await here.until(lambda: here.wire.in_flight[ORGANIZATION] and here.issuance().doubt is not None)
    here.say(event("revoked"))
    await here.settled()
    assert [entry.call for entry in here.calls("issue", "revoke")] == ["issue", "revoke"]
    assert here.held() == []


@in_world()
async def test_late_and_repeated_events_change_nothing(here: World) -> None:
    words = [
        event("awarded"),
        event("revoked"),
        event("awarded", generation=2),
        event("revoked", generation=2),
    ]
    here.say(*words)
    await here.settled()
    calls = len(here.credly.journal)
    for late in (words[0], words[2], words[3], words[1]):
        here.say(late)
        await here.settled()
    assert here.held() == []
    assert len(here.credly.journal) == calls


@in_world(ownership=MANAGED)
async def test_a_revocation_of_what_was_never_seen_is_looked_up(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.store.table.clear()
    here.restart()
    here.say(event("revoked"))
    await here.settled()
    assert here.held() == []


# The table of outcomes.


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


@pytest.mark.parametrize("retry_after", ["7", None])
@in_world(Limits(in_flight=1, rate=5))
async def test_throttling_is_obeyed_and_lowers_the_rate_for_a_while(
    here: World, retry_after: str | None
) -> None:
    here.credly.schedule([Fault("error", status=429, retry_after=retry_after, first=20, last=20)])
    organization = next(iter(here.organizations))
    here.say(*(event("awarded", n) for n in range(40)))
    await here.until(lambda: organization.rate < 5)
    since = now()
    assert organization.rate == 2.5
    await here.settled()
    times = [at for at, _ in here.wire.started]
    gap = min(at for at in times if at > since) - since
    assert gap > (6.9 if retry_after else 0.9)
    assert organization.rate > 2.5
    assert len(here.held()) == 40


@in_world()
async def test_a_call_that_is_throttled_is_made_again(here: World) -> None:
    here.credly.schedule([Fault("error", status=429, retry_after="1", call="issue", share=0.5)])
    here.say(*(event("awarded", n) for n in range(30)))
    await here.settled()
    assert len(here.credly.held()) == len(issued(here)) == 30


@pytest.mark.parametrize("status", [401, 403])
@in_world(BRISK)
async def test_a_refused_key_pauses_its_organization_until_it_works_again(
    here: World, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    here.credly.schedule([Fault("error", ORGANIZATION, status=status)])
    here.say(*(event("awarded", n) for n in range(50)))
    here.say(*(event("awarded", n, template=OTHER_TEMPLATE) for n in range(50)))
    await here.until(lambda: len(here.held()) == 50, within=10)
    await asyncio.sleep(3600)
    said = [record for record in caplog.records if "is paused" in record.message]
    assert len(said) == 1
    mine = [entry for entry in here.credly.journal if entry.organization == ORGANIZATION]
    assert len(mine) < 3600 / 30 + 10
    here.credly.schedule([])
    await here.settled(within=120)
    assert len(here.held()) == 100


@in_world(retry=Patience(1.0, 300.0))
async def test_a_firewall_that_forbids_single_badges_costs_only_these(here: World) -> None:
    behind_a_firewall(here, "<script>")
    here.say(*(event("awarded", n, who=recipient(n, name="Ada <script>")) for n in range(6)))
    here.say(*(event("awarded", n) for n in range(6, 200)))
    await here.until(lambda: len(here.held()) == 194, within=60)
    assert not any(organization.held for organization in here.organizations)
    await here.settled()
    assert len(here.store.letters) == 6
    assert here.store.letters[0].why == "403: an HTML page: Forbidden"
    assert len(here.held()) == 194


@in_world()
async def test_a_badge_that_was_forbidden_for_a_while_is_issued(here: World) -> None:
    here.credly.schedule([Fault("error", call="issue", status=403, last=5)])
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]
    assert here.issuance().forbidden == 0


@in_world()
async def test_a_key_that_may_not_write_pauses_its_organization_and_costs_no_badge(here: World) -> None:
    handle, tokens = here.credly.handle, orjson.dumps({"data": [{"token": KEY, "write_enabled": False}]})

    def read_only(method: str, path: str, *more: Any) -> Reply:
        if path.endswith("/authorization_tokens"):
            return Reply(200, tokens)
        return Reply(403, b"") if method == "POST" else handle(method, path, *more)

    here.credly.handle = read_only  # type: ignore[method-assign, assignment]
    here.say(*(event("awarded", n) for n in range(5)))
    await asyncio.sleep(7_200)
    assert [organization.held for organization in here.organizations] == ["the key has no right to write", ""]
    assert not here.store.letters
    here.credly.handle = handle  # type: ignore[method-assign]
    await here.settled()
    assert len(here.held()) == 5


@in_world()
async def test_a_new_key_in_the_file_is_used_at_once(here: World, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("expired\n")
    here.catalog(both_with(KeyRef(file=str(path))), here.templates)
    here.say(event("awarded"))
    await asyncio.sleep(5)
    assert here.credly.badges == {}
    path.write_text(KEY + "\n")
    await here.settled(within=2.5)
    assert here.held() == [(TEMPLATE, "1")]


@pytest.mark.parametrize("reference", ["file", "env"])
@in_world()
async def test_a_missing_key_pauses_its_organization_without_a_call(
    here: World, reference: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    missing = KeyRef(file=str(path)) if reference == "file" else KeyRef(env="NO_SUCH_KEY")
    here.catalog(both_with(missing), here.templates)
    here.say(event("awarded"))
    await asyncio.sleep(100)
    assert here.wire.started == []
    if reference == "file":
        path.write_text(KEY)
        await here.settled(within=2.5)


@in_world(BRISK, key=KeyRef(env="WRONG"))
async def test_a_corrected_reference_in_the_catalog_frees_a_paused_organization(here: World) -> None:
    here.say(*(event("awarded", n) for n in range(100)))
    await asyncio.sleep(100)
    assert here.wire.started == []
    right = OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))
    here.catalog([right], here.templates)
    await here.settled(within=10)


@in_world(BRISK)
async def test_badges_that_wait_for_a_missing_key_move_with_their_template(here: World) -> None:
    moved = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d99"
    here.credly.add_template(OTHER_ORGANIZATION, moved)
    good = OrganizationTerms(OTHER_ORGANIZATION, "credly", BASE, KeyRef(env="KEY"))
    without_key = OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env="NONE"))
    here.catalog([without_key, good], {moved: TemplateTerms(moved, moved, ORGANIZATION)})
    here.say(*(event("awarded", n, template=moved) for n in range(50)))
    await asyncio.sleep(60)

    here.catalog([without_key, good], {moved: TemplateTerms(moved, moved, OTHER_ORGANIZATION)})
    await here.settled(within=60)

    assert len(here.held()) == 50


@in_world(BRISK)
async def test_an_organization_that_leaves_the_catalog_and_returns_goes_on(here: World) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(*(event("awarded", n) for n in range(100)))
    await asyncio.sleep(100)
    for in_force in ([], here.terms):
        here.catalog(in_force, here.templates)
        await asyncio.sleep(100)
    here.wire.away.clear()
    await here.settled(within=100)


@in_world()
async def test_the_breaker_lets_one_call_try_during_an_outage_and_everything_through_after_it(
    here: World,
) -> None:
    here.say(event("awarded", 0))
    await here.settled()
    here.say(*(event("awarded", n) for n in range(500)))
    here.wire.away.add(ORGANIZATION)
    await asyncio.sleep(1)
    begun, here.wire.most_in_flight = len(here.wire.started), Counter()
    await asyncio.sleep(3600)
    assert len(here.wire.started) - begun < 3600 / 30
    assert here.wire.most_in_flight[ORGANIZATION] == 1
    here.wire.away.clear()
    await here.settled(within=90)
    assert len(here.held()) == 500


def test_an_outage_of_one_organization_never_slows_the_other() -> None:
    async def alone(here: World) -> None:
        here.say(*(event("awarded", n, template=OTHER_TEMPLATE) for n in range(300)))
        await here.settled()
        took["alone"] = now()

    async def beside(here: World) -> None:
        here.wire.away.add(ORGANIZATION)
        for n in range(300):
            here.say(event("awarded", n), event("awarded", n, template=OTHER_TEMPLATE))
        await here.until(lambda: len(here.held()) == 300)
        took["beside"] = now()

    took: dict[str, float] = {}
    play(alone)
    play(beside)
    assert took["beside"] == pytest.approx(took["alone"], rel=0.1)


@in_world()
async def test_one_badge_that_always_fails_waits_longer_each_time_and_holds_nobody_up(here: World) -> None:
    poison = event("awarded", 13)
    original = here.credly.handle

    def handle(method: str, target: str, headers: Any, body: bytes) -> Any:
        if b'"issuer_earner_id":"13"' in body:
            here.credly.schedule([Fault("error", status=500)])
        try:
            return original(method, target, headers, body)
        finally:
            here.credly.schedule([])

    here.credly.handle = handle  # type: ignore[method-assign]
    here.say(poison, *(event("awarded", n) for n in range(100, 200)))
    await here.until(lambda: len(here.held()) == 100, within=10)
    await asyncio.sleep(3600)
    assert len(here.calls("issue")) < 100 + 80
    here.say(event("awarded", 14))
    await here.until(lambda: len(here.held()) == 101, within=1)


@pytest.mark.parametrize("kind", ["awarded", "revoked"])
@pytest.mark.parametrize("trouble", [Fault("error", status=500), Fault("error", status=200, body="html")])
@in_world()
async def test_what_fails_while_look_ups_work_waits_longer_each_time(
    here: World, kind: Kind, trouble: Fault
) -> None:
    here.say(event("awarded"))
    await here.settled()
    call: Endpoint = "revoke" if kind == "revoked" else "issue"
    here.credly.schedule([replace(trouble, call=call)])
    here.say(event("revoked") if kind == "revoked" else event("awarded", 2))
    await asyncio.sleep(3600)
    assert len(here.calls(call)) < 80
    here.credly.schedule([])
    await here.settled(within=61)


# Ambiguous ends and crashes.


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset_after", call="issue", last=1),
        Fault("reset_before", call="issue", last=1),
        Fault("lost", call="issue", status=502, body="html", last=1),
        Fault("lost", call="issue", status=201, body="html", last=1),
        Fault("lost", call="issue", status=500, body="empty", last=1),
        Fault("slow", call="issue", seconds=100, last=1),
        Fault("slow_before", call="issue", seconds=29.99, last=1),
    ],
)
@in_world()
async def test_an_ambiguous_issue_is_looked_up_before_anything_else(
    here: World, fault: Fault, duplicates: bool
) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=duplicates)
    here.credly.schedule([fault])
    here.say(event("awarded"))
    await here.settled()
    assert len(here.credly.badges) == 1
    calls = [entry.call for entry in here.calls("issue", "look_up")]
    second = [place for place, call in enumerate(calls) if call == "issue"][1:]
    assert all("look_up" in calls[:place] for place in second)


@in_world()
async def test_a_template_that_allows_duplicates_is_looked_up_before_the_first_issue(here: World) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    here.say(event("awarded"))
    await here.settled()
    here.store.table.clear()
    here.restart()
    here.say(event("awarded"))
    await here.settled()
    assert len(here.credly.badges) == 1


@in_world()
async def test_no_call_is_made_before_its_intent_is_durable(here: World) -> None:
    durable = []
    original = here.credly.handle

    def handle(method: str, target: str, headers: Any, body: bytes) -> Any:
        if method in ("POST", "PUT"):
            durable.append(here.issuance().doubt)
        return original(method, target, headers, body)

    here.credly.handle = handle  # type: ignore[method-assign]
    here.say(event("awarded"))
    await here.settled()
    here.say(event("revoked"))
    await here.settled()
    assert [doubt.about for doubt in durable if doubt] == ["issue", "revoke"]


@in_world()
async def test_no_call_is_made_while_another_worker_may_own_the_partition(here: World) -> None:
    original = here.store.save
    paused: list[float] = []

    async def save(changes: Any) -> Any:
        results = await original(changes)
        if not paused and any(result.doubt for result in results):
            paused.append(now())
            await asyncio.sleep(60)
            here.in_session = False
        return results

    here.store.save = save  # type: ignore[assignment,method-assign]
    here.say(event("awarded"))
    await asyncio.sleep(120)
    assert paused
    assert here.calls("issue", "look_up") == []
    here.in_session = True
    here.restart()
    await here.settled()
    assert [entry.call for entry in here.calls("issue", "look_up")] == ["look_up", "look_up", "issue"]


@in_world()
async def test_a_call_is_made_once_the_group_has_answered_that_the_partition_is_still_ours(
    here: World,
) -> None:
    here.in_session = False
    here.say(event("awarded"))
    await asyncio.sleep(20)
    assert here.calls("issue") == []

    here.in_session = True
    await here.settled(within=1)

    assert [entry.call for entry in here.calls("issue", "look_up")] == ["issue"]


@pytest.mark.parametrize("save_seconds", [6.0, 20.0])
@in_world()
async def test_slow_commits_only_slow_things_down(here: World, save_seconds: float) -> None:
    here.store._save_seconds = save_seconds

    here.say(*(event("awarded", n) for n in range(20)))
    await here.settled(every=1.0)

    assert len(here.held()) == len(here.calls("issue")) == 20
    assert here.calls("look_up") == []


@in_world()
async def test_a_call_that_began_long_after_its_intent_is_waited_for_by_the_next_owner(here: World) -> None:
    # given a call that a worker makes in the last moment, by an intent that took a minute to save
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=True)
    here.credly.schedule([Fault("slow_before", call="issue", seconds=25, last=1)])
    here.store._save_seconds = 60.0
    here.say(event("awarded"))
    await here.until(lambda: any(here.wire.started) and now() > 120 and here.wire.in_flight[ORGANIZATION])
    # when
    here.restart()
    here.store._save_seconds = 0.005
    await here.settled()
    # then
    assert len(here.credly.badges) == 1


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize("lag", [10.0, 29.0])
@pytest.mark.parametrize("kind", ["lost", "reset_after", "slow_before"])
@in_world()
async def test_a_look_up_that_is_late_costs_neither_a_badge_nor_a_letter(
    here: World, kind: Any, lag: float, duplicates: bool
) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, allow_duplicate_badges=duplicates)
    here.credly.manners = Manners(list_lag=lag, badge_lag=lag)
    for call in ("issue", "revoke"):
        here.credly.schedule([Fault(kind, call=call, last=1, seconds=29)])
        here.say(event("awarded") if call == "issue" else event("revoked"))
        await here.settled(every=0.5)
        assert len(here.held()) == (call == "issue")

    assert len(here.credly.badges) == 1
    assert not here.store.letters
    assert not here.issuance().adopted


@in_world()
async def test_what_is_refused_in_unknown_words_is_no_letter_while_the_first_issue_may_not_show(
    here: World,
) -> None:
    here.credly.manners = Manners(list_lag=10.0)
    handle = here.credly.handle

    def in_other_words(*call: Any) -> Reply:
        reply = handle(*call)
        return replace(reply, body=reply.body.replace(b"already has", b"owns"))

    here.credly.handle = in_other_words  # type: ignore[method-assign, assignment]
    here.credly.schedule([Fault("lost", call="issue", last=1)])
    here.say(event("awarded"))
    await here.settled()

    assert len(here.held()) == 1
    assert not here.store.letters


@in_world(Limits(in_flight=8, rate=1e6, lag=timedelta(minutes=5)))
async def test_how_late_a_look_up_may_be_is_a_setting(here: World) -> None:
    here.credly.manners = Manners(list_lag=240.0)
    here.credly.schedule([Fault("lost", call="issue", last=1)])

    here.say(event("awarded"))
    await here.settled()

    assert len(here.held()) == 1
    assert not here.store.letters


@in_world()
async def test_what_waits_for_its_template_in_the_catalog_is_issued_when_it_comes(here: World) -> None:
    templates = here.templates
    here.catalog(here.terms, {})
    here.say(event("awarded"))
    await asyncio.sleep(10)
    assert here.reconciler.census().pending == {"": 1}
    here.catalog(here.terms, templates)
    await here.settled(within=1)


@in_world(QUICK)
async def test_the_census_says_what_is_pending_and_since_when(here: World) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(event("awarded", 1, time=EPOCH - timedelta(hours=1)), event("awarded", 2))
    await asyncio.sleep(1)
    census = here.reconciler.census()
    assert census.pending == {ORGANIZATION: 2}
    assert census.oldest == {ORGANIZATION: EPOCH.timestamp() - 3600}
    here.wire.away.clear()
    await here.until(lambda: here.reconciler.census().pending == {})


@in_world(Limits(in_flight=64, rate=1e6))
async def test_waiting_badges_are_picked_up_by_the_next_owner(here: World) -> None:
    here.wire.away.add(ORGANIZATION)
    here.say(*(event("awarded", n) for n in range(1_000)))
    await asyncio.sleep(10)
    here.restart()
    here.wire.away.clear()
    await here.settled()
    assert len(here.held()) == 1_000


@pytest.mark.parametrize(
    "body",
    [
        '{"message": "ADA NO1 (user1, user1@example.org) is not welcome; ask Ada."}',
        "<html><head><title>Sorry, Ada%20No1 &lt;user1&gt;</title></head>",
        "No1, Ada: out of luck",
    ],
)
@in_world()
async def test_no_name_of_a_learner_gets_into_the_log_or_the_pages(
    here: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    credly = here.wire.call

    async def call(base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        about_a_learner = b"badge_template_id" in (request.body or b"") or "filter=" in request.path
        return Answer(503, {}, body.encode()) if about_a_learner else await credly(base, request, headers)

    monkeypatch.setattr(here.wire, "call", call)
    here.say(event("awarded"))
    await asyncio.sleep(3600)

    held = [organization.held for organization in here.organizations]
    said = "\n".join((caplog.text, *held))
    assert "held back: 503" in said
    assert not re.search(r"\bada\b|no1\b|user1", said, re.IGNORECASE)

"""The reconciler against Credly's simulator, in virtual time."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from streams.badges import Duration
from streams.catalog.durations import parse_duration
from streams.issuers.http import Answer, NoAnswer, Request
from streams.relay.ownership import Ownership
from streams.relay.pace import Limits
from streams.relay.terms import TemplateTerms
from tests.relay.virtual import EPOCH
from tests.relay.world import (
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    QUICK,
    TEMPLATE,
    World,
    event,
    in_world,
    issued,
    recipient,
)

EXTERNAL = "2b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
MANAGED = Ownership(adopted="manage")


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

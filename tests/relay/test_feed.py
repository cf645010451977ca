"""What people do at Credly reaches the table, in virtual time against its simulator."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streams import metrics
from streams.clock import Patience
from streams.relay.issuance import done
from streams.relay.ownership import Ownership
from streams.relay.pace import Limits
from streams.relay.seen import Seen
from streams.sandbox.credly import Manners
from streams.sandbox.issuers.faults import Fault
from tests.relay.feeding import SECONDS, reading
from tests.relay.virtual import EPOCH
from tests.relay.world import ORGANIZATION, OTHER_ORGANIZATION, TEMPLATE, World, badge_id, event, in_world

WHERE = ("credly", ORGANIZATION)


def counted(metric: Any, *labels: str) -> float:
    value: float = metric.labels(*labels)._value.get()
    return value


async def a_look(here: World) -> None:
    await asyncio.sleep(SECONDS + 5)


@pytest.mark.parametrize("state", ["accepted", "rejected", "revoked", "expired", ""])
@pytest.mark.parametrize("manners", [Manners(), Manners(feed_tells=False), Manners(feed_oldest_first=True)])
@in_world()
async def test_what_happens_to_a_badge_at_the_issuer_is_in_the_table_and_nothing_is_called(
    here: World, state: str, manners: Manners
) -> None:
    here.credly.manners = manners
    await here.follows(event("awarded"))
    async with reading(here):
        held = here.badge().id
        here.credly.set_state(held, state)
        await a_look(here)
        assert (here.issuance().held, here.issuance().state) == (held, state or "deleted")
        assert done(here.issuance())
        await asyncio.sleep(3_600)
    assert [entry.call for entry in here.calls("issue", "revoke", "replace", "look_up", "erase")] == ["issue"]


@in_world()
async def test_what_was_taken_back_is_issued_again_when_an_operator_wants_it(here: World) -> None:
    await here.follows(event("awarded"))
    async with reading(here):
        here.credly.set_state(here.badge().id, "revoked")
        await a_look(here)
        await here.follows(replace(event("awarded"), ordered=True))
        assert here.held() == [(TEMPLATE, "1")]
        await a_look(here)
    assert here.issuance().state == "pending"


@in_world()
async def test_what_was_taken_back_and_is_then_revoked_by_the_bus_can_be_awarded_again(here: World) -> None:
    await here.follows(event("awarded"))
    async with reading(here):
        here.credly.set_state(here.badge().id, "rejected")
        await a_look(here)
        await here.follows(event("revoked"))
        assert here.issuance().held is None
        await here.follows(event("awarded", generation=2))
        await a_look(here)
    assert here.held() == [(TEMPLATE, "1")]
    assert here.issuance().state == "pending"


@in_world()
async def test_the_echo_of_our_own_calls_changes_nothing(here: World) -> None:
    async with reading(here) as rows:
        for generation in (1, 2, 3):
            await here.follows(event("awarded", generation=generation))
            await here.follows(event("revoked", generation=generation))
        await here.follows(event("awarded", generation=4))
        before = dict(here.store.table)
        await a_look(here)
        assert here.store.table == before
        assert rows.said > 0


@in_world()
async def test_a_badge_that_is_revoked_before_its_issue_was_answered_is_known_to_be_so(here: World) -> None:
    async with reading(here):
        here.credly.schedule([Fault("slow", call="issue", seconds=20, last=1)])
        here.say(event("awarded"))
        await here.until(lambda: here.credly.badges)
        here.credly.set_state(here.badge().id, "revoked")
        here.see(badge_id(1).encode(), Seen(here.badge().id, "revoked", EPOCH))
        await here.settled()
    assert here.issuance().state == "revoked"


@in_world()
async def test_what_was_said_once_is_not_said_again(here: World) -> None:
    await here.follows(event("awarded"))
    here.credly.manners = Manners(feed_twice=True)
    async with reading(here) as rows:
        here.credly.set_state(here.badge().id, "accepted")
        await a_look(here)
        said, row = rows.said, dict(rows.rows)
        await asyncio.sleep(3_600)
        assert rows.said == said
        assert rows.rows == row
        assert said == 3, "of the badge, and that there are two templates"


@in_world()
async def test_the_next_owner_goes_on_where_the_last_one_was(here: World) -> None:
    await here.follows(*(event("awarded", learner) for learner in range(60)))
    async with reading(here) as rows:
        await a_look(here)
    here.credly.set_state(here.badge(7).id, "revoked")
    before = rows.said
    async with reading(here, rows):
        await a_look(here)
    assert here.issuance(7).state == "revoked"
    assert rows.said == before + 1


@pytest.mark.parametrize("oldest_first", [False, True])
@in_world()
async def test_all_of_what_happened_in_an_outage_is_read_page_by_page(
    here: World, oldest_first: bool
) -> None:
    learners = range(170)
    await here.follows(*(event("awarded", learner) for learner in learners))
    here.credly.manners = Manners(feed_oldest_first=oldest_first)
    async with reading(here) as rows:
        await a_look(here)
    for learner in learners:
        here.credly.set_state(here.badge(learner).id, "revoked" if learner % 2 else "accepted")
    async with reading(here, rows):
        await a_look(here)
    assert [here.issuance(n).state for n in learners] == ["accepted", "revoked"] * 85
    assert counted(metrics.FEED_GAPS, *WHERE) == 0


@in_world()
async def test_it_is_told_if_the_issuer_no_longer_says_what_happened_in_between(here: World) -> None:
    await here.follows(*(event("awarded", learner) for learner in range(20)))
    async with reading(here) as rows:
        await a_look(here)
    gaps = counted(metrics.FEED_GAPS, *WHERE)
    for learner in range(20):
        here.credly.set_state(here.badge(learner).id, "accepted")
    here.credly.manners = Manners(feed_keeps=10)
    async with reading(here, rows):
        await a_look(here)
        await a_look(here)
        assert counted(metrics.FEED_GAPS, *WHERE) == gaps + 1
        assert here.issuance(19).state == "accepted"


@in_world()
async def test_what_shows_late_and_after_newer_is_followed_by_its_own_time(here: World) -> None:
    await here.follows(event("awarded", 1), event("awarded", 2))
    async with reading(here):
        here.credly.manners = Manners(feed_lag=600)
        for learner in (1, 2):
            here.credly.set_state(here.badge(learner).id, "rejected")
        await asyncio.sleep(10)
        here.credly.set_state(here.badge(2).id, "accepted")
        await a_look(here)
        assert [here.issuance(n).state for n in (1, 2)] == ["pending", "pending"]
        await asyncio.sleep(700)
        assert [here.issuance(n).state for n in (1, 2)] == ["rejected", "accepted"]
        before_it = here.issuance(2).seen
        assert before_it is not None
        here.see(b"", Seen(here.badge(2).id, "rejected", before_it.at - timedelta(seconds=1)))
        assert here.issuance(2).state == "accepted"


@in_world(ownership=Ownership("campus:"))
async def test_a_badge_of_which_the_issuer_does_not_say_whose_it_is_is_found_by_its_id(here: World) -> None:
    await here.follows(event("awarded"))
    [held] = here.credly.badges.values()
    async with reading(here):
        held.earner = ""
        here.credly.set_state(held.id, "revoked")
        await a_look(here)
        assert here.issuance().state == "revoked"


@in_world(ownership=Ownership("campus:"))
async def test_badges_of_other_sites_and_other_templates_are_passed_over(here: World) -> None:
    await here.follows(event("awarded"))
    [held] = here.credly.badges.values()
    async with reading(here) as rows:
        await a_look(here)
        before = rows.said
        held.earner = "elsewhere:1"
        here.credly.set_state(held.id, "accepted")
        held.earner, held.template = "campus:1", "a template of nobody"
        here.credly.set_state(held.id, "accepted")
        await a_look(here)
        assert rows.said == before


HOSTILE: list[Any] = [
    None,
    7,
    "event",
    [],
    {},
    {"id": "x" * 10_000, "event_type": "badge.state.changed", "occurred_at": "2026-03-14T15:09:26Z"},
    {"id": "1", "event_type": ["badge.deleted"], "occurred_at": "2026-03-14T15:09:26Z", "badge": 7},
    {"id": "2", "event_type": "badge.deleted", "occurred_at": "never", "badge": {"id": "b"}},
    {
        "id": "3",
        "event_type": "badge.deleted",
        "occurred_at": "9999-12-31T23:59:59-23:00",
        "badge": {"id": "b"},
    },
    {"id": "4", "event_type": "badge.deleted", "occurred_at": "2999-01-01T00:00:00Z", "badge": {"id": "b"}},
    {"id": "5", "event_type": "badge.of.tomorrow", "occurred_at": "2026-03-14T15:09:26Z"},
    {
        "id": "6",
        "event_type": "badge.state.changed",
        "occurred_at": "2026-03-14T15:09:26Z",
        "badge": {
            "id": "b",
            "state": "revoked",
            "issuer_earner_id": "9" * 5_000,
            "badge_template": {"id": TEMPLATE},
        },
    },
    {
        "id": "7",
        "event_type": "badge.state.changed",
        "occurred_at": "2026-03-14T15:09:26Z",
        "badge": {"id": "b", "state": "kept", "issuer_earner_id": "1"},
    },
]


@in_world()
async def test_what_cannot_be_read_or_is_unknown_is_counted_and_the_feed_goes_on(here: World) -> None:
    await here.follows(event("awarded"))
    before = {kind: counted(metrics.FEED_EVENTS, *WHERE, kind) for kind in ("unreadable", "other")}
    async with reading(here) as rows:
        await a_look(here)
        here.wire.feed_items = HOSTILE
        await a_look(here)
        here.wire.feed_items = []
        here.credly.set_state(here.badge().id, "revoked")
        await a_look(here)
        assert here.issuance().state == "revoked"
        said = rows.said
        await asyncio.sleep(3_600)
        assert rows.said == said
    assert counted(metrics.FEED_EVENTS, *WHERE, "unreadable") > before["unreadable"]
    assert counted(metrics.FEED_EVENTS, *WHERE, "other") > before["other"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", call="feed", status=404),
        Fault("error", call="feed", status=403),
        Fault("error", call="feed", status=500, body="html"),
        Fault("error", call="feed", status=200, body="html"),
        Fault("error", call="feed", status=200, body="binary"),
        Fault("slow", call="feed", seconds=60),
    ],
)
@in_world()
async def test_a_feed_that_does_not_answer_holds_back_no_badge(here: World, fault: Fault) -> None:
    here.credly.schedule([fault])
    async with reading(here):
        await asyncio.sleep(7_200)
        assert not any(organization.held for organization in here.organizations)
        at = asyncio.get_running_loop().time()
        await here.follows(event("awarded"))
        assert asyncio.get_running_loop().time() - at < 15
        here.credly.schedule([])
        here.credly.set_state(here.badge().id, "revoked")
        await asyncio.sleep(400)
        assert here.issuance().state == "revoked"


@in_world(Limits(in_flight=2, rate=5.0))
async def test_the_feed_is_read_at_the_organizations_pace_and_waits_when_it_is_throttled(here: World) -> None:
    await here.follows(*(event("awarded", learner) for learner in range(40)))
    here.credly.manners = Manners(rate=3.0, burst=1, retry_after="4", feed_tells=False)
    for learner in range(40):
        here.credly.set_state(here.badge(learner).id, "accepted")
    before = len(here.wire.started)
    async with reading(here):
        await asyncio.sleep(300)
    assert {here.issuance(n).state for n in range(40)} == {"accepted"}
    at = [at for at, organization in here.wire.started[before:] if organization == ORGANIZATION]
    assert all(at[n + 25] - at[n] > 4.5 for n in range(len(at) - 25))


@in_world(Limits(in_flight=8, rate=1e6, template=Patience(300, 300)))
async def test_a_template_that_is_active_again_is_asked_for_at_once(here: World) -> None:
    here.credly.add_template(ORGANIZATION, TEMPLATE, "archived")
    async with reading(here):
        here.say(event("awarded"))
        await asyncio.sleep(40)
        assert here.held() == []
        here.credly.add_template(ORGANIZATION, TEMPLATE)
        await asyncio.sleep(40)
        assert here.held() == [(TEMPLATE, "1")]


@in_world()
async def test_a_template_that_was_archived_is_asked_for_before_a_badge_is_issued(here: World) -> None:
    await here.follows(event("awarded"))
    async with reading(here):
        await a_look(here)
        here.credly.add_template(ORGANIZATION, TEMPLATE, "archived")
        await a_look(here)
        here.say(event("awarded", 2))
        await asyncio.sleep(20)
        assert [entry.status for entry in here.calls("issue")] == [201]
        assert here.organizations.of(TEMPLATE)
        known = here.organizations.of(TEMPLATE)
        assert known is not None
        assert known[0].templates[TEMPLATE].parked


@in_world()
async def test_the_feeds_of_organizations_that_join_and_leave_the_catalog_follow_it(here: World) -> None:
    async with reading(here) as rows:
        terms, templates = here.terms, here.templates
        here.catalog(terms[:1], templates)
        await a_look(here)
        before = len(here.wire.started)
        await asyncio.sleep(300)
        assert OTHER_ORGANIZATION not in {organization for _, organization in here.wire.started[before:]}
        here.catalog(terms, templates)
        await a_look(here)
        await a_look(here)
        assert OTHER_ORGANIZATION in {organization for _, organization in here.wire.started[before:]}
        assert rows.rows


@in_world()
async def test_a_hint_has_the_feed_read_at_once_also_while_it_is_read(here: World) -> None:
    await here.follows(event("awarded"))
    async with reading(here) as rows:
        await asyncio.sleep(5)
        here.credly.set_state(here.badge().id, "accepted")
        rows.feeds.hint(ORGANIZATION)
        await asyncio.sleep(1)
        assert here.issuance().state == "accepted"
        here.credly.schedule([Fault("slow", call="feed", seconds=8, last=1)])
        rows.feeds.hint(ORGANIZATION)
        await asyncio.sleep(2)
        here.credly.set_state(here.badge().id, "revoked")
        rows.feeds.hint(ORGANIZATION)
        await asyncio.sleep(8)
        assert here.issuance().state == "revoked"


# Nothing that leaves a doubt: what a person does meanwhile, the relay takes for what its own call did.
TROUBLE = [
    Fault("error", call="feed", share=0.2, status=503),
    Fault("reset_after", call="feed", share=0.1),
    Fault("error", share=0.1, status=429, retry_after="3"),
    Fault("slow_before", call="issue", share=0.2, seconds=12),
]


@pytest.mark.parametrize("seed", range(5))
@in_world(Limits(in_flight=4, rate=20.0))
async def test_whatever_bus_and_people_do_the_table_ends_as_credly_is(here: World, seed: int) -> None:
    draw = random.Random(seed)
    here.credly.schedule(TROUBLE)
    here.credly.manners = Manners(
        feed_lag=draw.choice([0, 90]),
        feed_oldest_first=draw.random() < 0.5,
        feed_tells=draw.random() < 0.5,
        feed_twice=draw.random() < 0.5,
    )
    said = dict.fromkeys(range(12), 0)
    async with reading(here):
        for _ in range(150):
            await asyncio.sleep(draw.expovariate(1 / 3))
            learner = draw.randrange(len(said))
            held = [badge for badge in here.credly.held() if badge.earner == str(learner)]
            if held and draw.random() < 0.5:
                here.credly.set_state(held[0].id, draw.choice(["accepted", "rejected", "revoked", ""]))
            else:
                # Even: the next is an award; odd: the revocation of it.
                kind: Any = "revoked" if said[learner] % 2 else "awarded"
                here.say(event(kind, learner, said[learner] // 2 + 1))
                said[learner] += 1
        here.credly.schedule([])
        await asyncio.sleep(600)
        await here.settled()
    for learner, words in said.items():
        if not words:
            continue
        known, badges = here.issuance(learner), here.credly.badges
        awards = (words + 1) // 2
        issued = [entry for entry in here.calls("issue") if entry.done and entry.earner == str(learner)]
        assert len(issued) <= awards, "what a person took back is not issued again by itself"
        if known.held is not None:
            there = badges[known.held].state if known.held in badges else "deleted"
            assert known.state == there
        mine = [badge.id for badge in here.credly.held() if badge.earner == str(learner)]
        assert mine == ([known.held] if known.state in ("pending", "accepted") else [])
        assert known.kind == "awarded" or not mine
    assert not here.store.letters

"""Calls whose end is not known, and crashes: nothing is made twice, in virtual time."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streams.relay.pace import Limits
from streams.sandbox.credly import Fault, Manners, Reply
from tests.relay.world import (
    ORGANIZATION,
    TEMPLATE,
    World,
    event,
    in_world,
    now,
)


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

"""What holds with every issuer: the reconciler against each one's simulator, in virtual time.

What an issuer cannot do is one of its traits, and what is done instead is asserted.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import pytest

from streams.clock import Patience
from streams.issuers.issuer import Traits
from streams.issuers.known import ISSUERS
from streams.relay.issuance import done
from streams.relay.ownership import Ownership
from streams.relay.pace import Limits
from streams.sandbox.issuers.calls import Endpoint, Entry
from streams.sandbox.issuers.faults import Fault
from tests.relay.feeding import reading
from tests.relay.simulated import ORGANIZATION, SIMULATED, TEMPLATE, Simulated
from tests.relay.virtual import EPOCH
from tests.relay.world import QUICK, STORM, Term, World, event, in_order, play, recipient

Scenario = Callable[..., Awaitable[None]]
BRISK = Limits(in_flight=8, rate=1e6, key=Patience(30, 60), template=Patience(30, 300))


def with_every_issuer(
    limits: Limits = QUICK, *, duplicates: bool = True, **given: Any
) -> Callable[[Scenario], Callable[..., None]]:
    """Make a scenario a test with each issuer; where an issuer leaves it to the template whether a learner
    may hold two of its badges, with both kinds, unless without `duplicates`."""
    kinds = [
        pytest.param(simulated, twice, id=f"{simulated.provider}{' with duplicates' * twice}")
        for simulated in SIMULATED
        for twice in (simulated.duplicates if duplicates else (False,))
    ]

    def as_test(scenario: Scenario) -> Callable[..., None]:
        @wraps(scenario)
        def test(simulated: Simulated, twice: bool, **named: Any) -> None:
            play(lambda here: scenario(here, **named), limits, simulated=simulated, duplicates=twice, **given)

        # As in `in_world`: pytest takes the names of parameters from here.
        own = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("simulated", "twice")]
        asked = signature(scenario)
        parameters = [*own, *list(asked.parameters.values())[1:]]
        test.__dict__["__signature__"] = asked.replace(parameters=parameters)
        made: Callable[..., None] = pytest.mark.parametrize(("simulated", "twice"), kinds)(test)
        return made

    return as_test


def test_every_issuer_that_is_called_is_held_to_the_contract() -> None:
    called = {provider for provider, issuer in ISSUERS.items() if issuer.maker is None}
    assert {simulated.provider for simulated in SIMULATED} == called


def traits(here: World) -> Traits:
    return ISSUERS[here.simulated.provider].traits


def done_calls(here: World, *kinds: str) -> list[Entry]:
    return [entry for entry in here.calls(*kinds) if entry.done]


# The plain way.


@with_every_issuer()
async def test_an_award_is_issued_and_a_revocation_revokes_it(here: World) -> None:
    await here.follows(event("awarded"))
    assert here.held() == [(TEMPLATE, "1")]
    await here.follows(event("revoked"))
    assert here.held() == []
    assert [entry.call for entry in done_calls(here, "issue", "revoke")] == ["issue", "revoke"]
    [raw] = here.store.table.values()
    assert b"user1" not in raw


@with_every_issuer()
async def test_a_badge_can_be_awarded_again_after_its_revocation(here: World) -> None:
    for generation in (1, 2, 3):
        await here.follows(event("awarded", generation=generation))
        assert here.held() == [(TEMPLATE, "1")]
        await here.follows(event("revoked", generation=generation))
        assert here.held() == []
    assert [entry.call for entry in done_calls(here, "issue", "revoke")] == ["issue", "revoke"] * 3


@with_every_issuer()
async def test_a_badge_that_is_earned_again_after_it_has_expired_is_renewed(here: World) -> None:
    await here.follows(event("awarded"))
    await here.follows(event("awarded", generation=2, time=EPOCH + timedelta(days=366)))
    assert here.held() == [(TEMPLATE, "1")]
    assert len(done_calls(here, "issue", "replace")) == 2
    await here.follows(event("revoked", generation=2))
    assert here.held() == []


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "lost", "slow_before"])
@with_every_issuer()
async def test_a_renewal_whose_answer_is_lost_is_made_once(here: World, kind: Any) -> None:
    await here.follows(event("awarded"))
    renewing: Endpoint = "replace" if here.simulated.provider == "credly" else "issue"
    here.simulator.schedule([Fault(kind, call=renewing, seconds=40, last=1)])
    await here.follows(event("awarded", generation=2, time=EPOCH + timedelta(days=366)))
    await asyncio.sleep(120)
    assert here.held() == [(TEMPLATE, "1")]
    assert len(done_calls(here, "issue", "replace")) == 2
    assert not here.store.letters
    await here.follows(event("revoked", generation=2))
    assert here.held() == []
    here.forget(1)
    await here.settled()
    assert not here.simulator.badges


@with_every_issuer()
async def test_a_badge_that_is_revoked_and_awarded_again_during_an_outage_stays(here: World) -> None:
    await here.follows(event("awarded"))
    here.wire.away.add(ORGANIZATION)
    here.say(event("revoked"))
    await asyncio.sleep(100)
    here.say(event("awarded", generation=2))
    here.wire.away.clear()
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]
    assert [entry.call for entry in done_calls(here, "issue", "revoke")] == ["issue"]


# What others do there.


@with_every_issuer(duplicates=False)
async def test_what_is_revoked_by_hand_is_known_where_the_issuer_says_what_happens(here: World) -> None:
    await here.follows(event("awarded"))
    before = len(here.simulator.journal)
    async with reading(here):
        if not traits(here).feeds:
            await asyncio.sleep(3_600)
            assert len(here.simulator.journal) == before
            return
        here.simulator.set_state(here.badge().id, "revoked")
        await asyncio.sleep(60)
    assert here.issuance().state == "revoked"
    assert done(here.issuance())
    assert done_calls(here, "issue", "revoke", "replace") == done_calls(here, "issue")


# Ambiguous ends.


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset_after", call="issue", last=1),
        Fault("reset_before", call="issue", last=1),
        Fault("lost", call="issue", status=502, body="html", last=1),
        Fault("lost", call="issue", status=500, body="empty", last=1),
        Fault("slow", call="issue", seconds=100, last=1),
        Fault("slow_before", call="issue", seconds=29.99, last=1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@with_every_issuer()
async def test_after_an_ambiguous_issue_the_badge_is_issued_once(here: World, fault: Fault) -> None:
    here.simulator.schedule([fault])
    await here.follows(event("awarded"))
    await asyncio.sleep(120)
    assert here.held() == [(TEMPLATE, "1")]
    assert len(done_calls(here, "issue")) <= 1
    calls = [entry.call for entry in here.calls("issue", "look_up")]
    first, *again = [place for place, call in enumerate(calls) if call == "issue"]
    if traits(here).finds:
        assert all("look_up" in calls[first:place] for place in again)
        assert "look_up" in calls[first:]
    else:
        assert again
        assert "look_up" not in calls


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "lost", "slow"])
@with_every_issuer()
async def test_after_an_ambiguous_revocation_nobody_holds_the_badge(here: World, kind: Any) -> None:
    await here.follows(event("awarded"))
    here.simulator.schedule([Fault(kind, call="revoke", last=1, seconds=100)])
    await here.follows(event("revoked"))
    assert here.held() == []
    assert not here.store.letters


@pytest.mark.parametrize("late", [5.0, 29.0])
@with_every_issuer()
async def test_an_issue_that_arrives_after_its_revocation_was_decided_changes_nothing(
    here: World, late: float
) -> None:
    here.simulator.schedule([Fault("slow_before", call="issue", seconds=late, last=1)])
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().doubt is not None)
    await asyncio.sleep(1)
    here.restart()
    await here.follows(event("revoked"))
    await asyncio.sleep(120)
    assert here.held() == []


@pytest.mark.parametrize("unsent", [False, True])
@with_every_issuer()
async def test_a_revocation_after_a_lost_issue_is_made_whatever_the_next_try_came_to(
    here: World, unsent: bool
) -> None:
    here.simulator.schedule([Fault("reset_after", call="issue", last=1)])
    here.say(event("awarded"))
    await here.until(lambda: done_calls(here, "issue"))
    if unsent:
        here.wire.away.add(ORGANIZATION)
        await asyncio.sleep(30)
    await here.until(lambda: not here.wire.in_flight[ORGANIZATION])
    here.say(event("revoked"))
    here.wire.away.clear()
    await here.settled()
    assert here.held() == []


@with_every_issuer()
async def test_a_revocation_that_outlives_its_worker_does_not_undo_the_next_award(here: World) -> None:
    await here.follows(event("awarded"))
    here.simulator.schedule([Fault("slow_before", call="revoke", seconds=29, last=1)])
    here.say(event("revoked"))
    await here.until(lambda: here.issuance().doubt is not None)
    await asyncio.sleep(1)
    here.restart()
    await here.follows(event("awarded", generation=2))
    await asyncio.sleep(120)
    assert here.held() == [(TEMPLATE, "1")]


@with_every_issuer()
async def test_a_call_that_outlives_its_worker_issues_nothing_twice(here: World) -> None:
    here.simulator.schedule([Fault("slow_before", call="issue", seconds=20, last=1)])
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().doubt is not None)
    await asyncio.sleep(1)
    here.restart()
    await here.settled()
    await asyncio.sleep(60)
    assert len(done_calls(here, "issue")) == 1
    assert here.held() == [(TEMPLATE, "1")]


@with_every_issuer(ownership=Ownership(adopted="manage"))
async def test_a_revocation_of_what_was_never_seen_is_followed(here: World) -> None:
    await here.follows(event("awarded"))
    here.store.table.clear()
    here.restart()
    await here.follows(event("revoked"))
    assert here.held() == []


@with_every_issuer(ownership=Ownership(adopted="manage"))
async def test_a_table_that_was_lost_costs_nobody_a_second_badge(here: World) -> None:
    await here.follows(event("awarded"))
    here.store.table.clear()
    here.restart()
    await here.follows(event("awarded"))
    assert here.held() == [(TEMPLATE, "1")]
    assert len(done_calls(here, "issue")) == 1
    await here.follows(event("revoked"))
    assert here.held() == []


# Trouble.


@with_every_issuer(Limits(in_flight=1, rate=5), duplicates=False)
async def test_throttling_is_obeyed_and_lowers_the_rate_for_a_while(here: World) -> None:
    here.simulator.schedule([Fault("error", status=429, retry_after="7", first=20, last=20)])
    organization = next(iter(here.organizations))
    here.say(*(event("awarded", n) for n in range(40)))
    await here.until(lambda: organization.rate < 5)
    since = asyncio.get_running_loop().time()
    await here.settled()
    assert min(at for at, _ in here.wire.started if at > since) - since > 6.9
    assert organization.rate > 2.5
    assert len(here.held()) == 40


@with_every_issuer(BRISK, duplicates=False)
async def test_a_refused_key_pauses_its_organization_and_costs_no_badge(here: World) -> None:
    here.simulator.schedule([Fault("error", ORGANIZATION, status=401)])
    here.say(*(event("awarded", n) for n in range(50)))
    await asyncio.sleep(3600)
    assert len(here.simulator.journal) < 3600 / 30 + 10
    assert not here.store.letters
    here.simulator.schedule([])
    await here.settled(within=120)
    assert len(here.held()) == 50


@with_every_issuer(duplicates=False)
async def test_a_badge_that_always_fails_holds_nobody_up_and_becomes_a_letter(here: World) -> None:
    poison = event("awarded", 13, who=recipient(13, name="Ada Poison"))
    here.simulator.schedule([Fault("error", status=500, contains="Poison")])
    here.say(poison, *(event("awarded", n) for n in range(100, 200)))
    await here.until(lambda: len(here.held()) == 100, within=60)
    for number in range(200, 300):
        here.say(event("awarded", number))
        await asyncio.sleep(1_800)
    await here.settled(within=100_000, every=60)
    [letter] = here.store.letters
    assert letter.badge == poison.badge


# Erasure.


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("trouble", ["", "lost", "reset_before", "reset_after"])
@with_every_issuer()
async def test_of_a_forgotten_learner_the_issuer_keeps_nothing(
    here: World, trouble: Any, revoked: bool
) -> None:
    await here.follows(event("awarded"), event("awarded", 2))
    if revoked:
        await here.follows(event("revoked"))
    here.simulator.schedule([Fault(trouble, call="erase", last=1)] if trouble else [])
    here.forget(1)
    await here.settled()
    assert [badge.earner for badge in here.simulator.badges.values()] == ["2"]
    assert [issuance.learner for _, issuance in here.store.scan()] == [2]


@with_every_issuer()
async def test_of_a_learner_who_is_forgotten_while_an_issue_is_on_its_way_nothing_stays(here: World) -> None:
    here.simulator.schedule([Fault("slow_before", call="issue", seconds=25, last=1)])
    here.say(event("awarded"))
    await here.until(lambda: here.wire.in_flight[ORGANIZATION] and here.issuance().doubt is not None)
    here.restart()
    here.forget(1)
    await here.settled()
    await asyncio.sleep(60)
    assert not here.simulator.badges
    assert not here.store.table


# Crashes and storms.


@pytest.mark.parametrize("seed", range(2))
@with_every_issuer()
async def test_a_crash_at_any_moment_issues_nothing_twice(here: World, seed: int) -> None:
    draw = random.Random(seed)
    here.say(*(event("awarded", n) for n in range(100)))
    for _ in range(15):
        await asyncio.sleep(draw.random() * 0.3)
        here.restart()
    here.say(*(event("revoked", n) for n in range(0, 100, 2)))
    for _ in range(15):
        await asyncio.sleep(draw.random() * 0.3)
        here.restart()
    await here.settled()
    assert here.held() == [(TEMPLATE, str(n)) for n in sorted(map(str, range(1, 100, 2)))]
    assert max(Counter(entry.earner for entry in done_calls(here, "issue")).values()) == 1


@pytest.mark.parametrize("seed", range(2))
@with_every_issuer()
async def test_through_every_kind_of_trouble_the_issuer_ends_with_the_last_word(
    here: World, seed: int
) -> None:
    draw = random.Random(seed)
    here.simulator.schedule([*STORM, Fault("slow_before", share=0.01, seconds=29.9)])
    term = Term()
    for _ in range(300):
        here.say(term.turn(draw.randrange(60)))
        await asyncio.sleep(draw.random() * 0.1)
        if draw.random() < 0.02:
            here.restart()
    await here.settled(within=100_000, every=1.0)
    assert here.held() == sorted((TEMPLATE, str(learner)) for learner in term.held)
    assert all(done(issuance) for _, issuance in here.store.scan())
    assert {entry.fault for entry in here.simulator.journal} >= {"error", "lost", "reset_after"}
    for learner in range(60):
        own = [entry for entry in done_calls(here, "issue", "revoke") if entry.earner == str(learner)]
        if traits(here).finds:
            assert in_order([entry.call for entry in own])
        elif own:
            # What nobody can ask for may be told more often, but the newest of it is the last word.
            newest = max(own, key=lambda entry: entry.sequence)
            assert newest.call == ("issue" if learner in term.held else "revoke")
    assert not here.store.letters

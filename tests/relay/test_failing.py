"""A badge that fails for ever while others succeed becomes a dead letter; an outage makes none."""

import asyncio
from datetime import timedelta

import pytest

from streams.clock import Patience
from streams.relay.pace import Limits
from streams.sandbox.credly import Endpoint, Fault
from tests.relay.world import ORGANIZATION, TEMPLATE, World, event, in_world

HOUR = 3_600.0
POISON = 13
TWO_HOURS = Limits(in_flight=8, rate=1e6, give_up=timedelta(hours=2))
SELDOM = Patience(10.0, 300.0)


def poisoned(learner: int = POISON) -> Fault:
    """A body that Credly chokes on."""
    return Fault("error", call="issue", status=500, contains=f'"issuer_earner_id":"{learner}"')


async def others_go_on(here: World, hours: int) -> None:
    """One other badge is issued each hour."""
    for n in range(100, 100 + hours):
        here.say(event("awarded", n))
        await asyncio.sleep(HOUR)


@in_world(TWO_HOURS, retry=SELDOM)
async def test_a_badge_that_fails_for_ever_is_a_dead_letter_while_others_succeed(
    here: World,
) -> None:
    here.credly.schedule([poisoned()])
    poison = event("awarded", POISON)

    here.say(poison)
    await others_go_on(here, 3)

    [letter] = here.store.letters
    assert letter.original == poison.original
    assert letter.why == "500: Something went wrong (again and again since 2026-03-14 15:09 UTC)"
    assert here.reconciler.census().stuck == {(ORGANIZATION, "refused"): 1}
    assert len(here.calls("issue")) < 3 + 4 * HOUR / 150


@in_world(TWO_HOURS, retry=SELDOM)
async def test_what_was_given_up_is_issued_when_it_is_said_again(here: World) -> None:
    here.credly.schedule([poisoned()])
    here.say(event("awarded", POISON))
    await others_go_on(here, 3)
    here.credly.schedule([])

    here.say(event("awarded", POISON))
    await here.settled()

    assert (TEMPLATE, str(POISON)) in here.held()
    assert here.issuance(POISON).failing is None


@in_world(TWO_HOURS, retry=SELDOM)
async def test_several_badges_that_fail_for_ever_are_each_a_letter(here: World) -> None:
    here.credly.schedule([poisoned(n) for n in range(1, 6)])
    here.say(*(event("awarded", n) for n in range(1, 6)))
    await others_go_on(here, 3)

    assert len(here.store.letters) == 5


@in_world(TWO_HOURS, retry=SELDOM)
async def test_a_revocation_that_fails_for_ever_is_a_letter_too(here: World) -> None:
    here.say(*(event("awarded", n) for n in (1, 2, 3)))
    await here.settled()
    here.credly.schedule([Fault("error", call="revoke", status=500, contains=here.badge(1).id)])
    here.say(event("revoked", 1))
    await asyncio.sleep(60)
    here.say(event("revoked", 2))
    await asyncio.sleep(4 * HOUR)

    assert [letter.badge for letter in here.store.letters] == [event("revoked", 1).badge]


@pytest.mark.parametrize("call", [None, "issue"])
@in_world(TWO_HOURS, retry=SELDOM)
async def test_an_outage_of_the_issuer_makes_no_letter_however_it_ends(
    here: World, call: Endpoint | None
) -> None:
    here.say(event("awarded", 0))
    await here.settled()
    here.credly.schedule([Fault("error", call=call, status=503)])
    here.say(*(event("awarded", n) for n in range(1, 8)))
    await asyncio.sleep(5 * HOUR)
    # it comes back, but at first not for all
    here.credly.schedule([Fault("error", call=call, status=503, share=0.8)])
    await asyncio.sleep(3_600)
    here.credly.schedule([])
    await here.settled(every=10.0)

    assert not here.store.letters
    assert len(here.held()) == 8


@in_world(TWO_HOURS, retry=SELDOM)
async def test_a_badge_that_fails_alone_on_a_quiet_site_is_a_letter_after_seven_times_as_long(
    here: World,
) -> None:
    here.say(event("awarded", 1))
    await here.settled()
    here.credly.schedule([poisoned()])
    here.say(event("awarded", POISON))

    await asyncio.sleep(13.5 * HOUR)
    assert not here.store.letters
    await asyncio.sleep(1 * HOUR)
    assert len(here.store.letters) == 1


@in_world(TWO_HOURS, retry=SELDOM)
async def test_how_long_a_badge_may_fail_is_a_setting_and_counts_across_restarts(here: World) -> None:
    here.credly.schedule([poisoned()])
    here.say(event("awarded", POISON))
    await asyncio.sleep(60)
    here.say(event("awarded", 1))

    for _ in range(4):
        await asyncio.sleep(1_500)
        assert not here.store.letters
        here.restart()
    await asyncio.sleep(2_000)

    assert len(here.store.letters) == 1


@in_world(TWO_HOURS, retry=SELDOM)
async def test_a_template_that_cannot_be_asked_for_is_not_its_badges_fault(here: World) -> None:
    here.credly.schedule([Fault("error", call="template", status=500, contains=TEMPLATE)])
    here.say(event("awarded", 1))

    await asyncio.sleep(24 * HOUR)

    assert not here.store.letters

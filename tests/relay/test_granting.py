"""An organization whose key is a client of OAuth 2: in virtual time."""

import asyncio

import pytest

from streams.relay.keys import KeyRef
from streams.relay.terms import OrganizationTerms
from streams.sandbox.issuers.faults import Fault
from tests.relay.world import BASE, ORGANIZATION, TEMPLATE, World, event, in_world

ID, SECRET = "an-id", "a-secret"


def by_client(here: World, key: str = "CLIENT") -> None:
    """Another catalog: the organization is called by a client."""
    here.credly.add_client(ORGANIZATION, ID, SECRET)
    here.keys |= {"CLIENT": f"{ID}:{SECRET}", "WRONG": f"{ID}:wrong", "TOKEN": "a-token"}
    terms = OrganizationTerms(ORGANIZATION, "credly", BASE, KeyRef(env=key), grant=BASE)
    here.catalog([terms], here.templates)


def grants(here: World) -> int:
    return len([entry for entry in here.credly.journal if entry.path == "/oauth/token"])


@in_world()
async def test_many_badges_are_issued_by_one_token_until_it_ends(here: World) -> None:
    by_client(here)
    await here.follows(*(event("awarded", n) for n in range(50)))
    assert len(here.held()) == 50
    assert grants(here) == 1
    # A minute before two hours are over another is asked for.
    await asyncio.sleep(7_200 - 59)
    await here.follows(event("awarded", 60))
    assert grants(here) == 2


@in_world()
async def test_a_token_that_is_taken_back_costs_seconds_and_no_badge(here: World) -> None:
    by_client(here)
    await here.follows(event("awarded"))
    here.credly.end_grants()
    here.say(event("revoked"), event("awarded", 2))
    await here.settled(within=30)
    assert here.held() == [(TEMPLATE, "2")]
    assert not here.store.letters


@in_world()
async def test_while_no_token_is_granted_nothing_is_called(here: World) -> None:
    by_client(here)
    here.credly.schedule([Fault("error", call="other", status=503)])
    here.say(*(event("awarded", n) for n in range(20)))
    await asyncio.sleep(600)
    assert {entry.path for entry in here.credly.journal} == {"/oauth/token"}
    assert grants(here) < 30
    here.credly.schedule([])
    await here.settled(within=120)
    assert len(here.held()) == 20


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("WRONG", "401: invalid_client"),
        ("TOKEN", "its key is not a client's id and secret with a colon between"),
    ],
)
@in_world()
async def test_a_client_that_is_not_known_pauses_its_organization(here: World, key: str, why: str) -> None:
    by_client(here, key)
    here.say(event("awarded"))
    await asyncio.sleep(100)
    [organization] = here.organizations
    assert organization.held == why
    assert here.credly.badges == {}
    by_client(here)
    await here.settled(within=30)

"""A template moves from one issuer to another: in virtual time."""

from collections.abc import Collection
from dataclasses import replace

import pytest

from streams.relay.keys import KeyRef
from tests.relay.simulated import (
    ACCREDIBLE,
    CREDLY,
    OPEN_BADGES,
    SIMULATED,
    TEMPLATE,
    WEBHOOK,
    Simulated,
)
from tests.relay.test_open_badges import credentials, revoked
from tests.relay.virtual import virtual_clock
from tests.relay.world import World, both_with, event, play

MOVES = [
    pytest.param(old, new, id=f"from {old.provider} to {new.provider}")
    for old in (*SIMULATED, OPEN_BADGES)
    for new in (*SIMULATED, OPEN_BADGES)
    if old is not new
]


def move(here: World, new: Simulated) -> None:
    """The new catalog names the new issuer, which knows nothing yet; the old one is called no more."""
    here.simulator = here.wire.simulator = new.begin(virtual_clock(), False)
    here.simulated = here.wire.simulated = new
    templates = {id: replace(terms, external_id=new.external(id)) for id, terms in here.templates.items()}
    here.catalog(both_with(KeyRef(env=new.provider), new), templates)


def held(here: World, before: Collection[str] = ()) -> list[tuple[str, str]]:
    """What the present issuer holds; of what is signed here, what was not there `before`."""
    if here.simulated is not OPEN_BADGES:
        return here.held()
    places = {id: int(id.rsplit("-", 2)[1]) for id, one in credentials(here).items() if one}
    good = {id for id, place in places.items() if id not in before and place not in revoked(here)}
    assert good == {issuance.held for _, issuance in here.store.scan() if issuance.held in good}
    return sorted((i.template, str(i.learner)) for _, i in here.store.scan() if i.held in good)


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_a_badge_is_issued_at_the_new_issuer_once_it_is_said_again_and_lives_there(
    old: Simulated, new: Simulated
) -> None:
    async def scenario(here: World) -> None:
        await here.follows(event("awarded"), event("awarded", 2))
        before = set(credentials(here))
        move(here, new)
        await here.follows(event("awarded", 3))
        assert held(here, before) == [(TEMPLATE, "3")]
        for _ in range(2):
            await here.follows(*(replace(event("awarded", n), ordered=True) for n in (1, 2)))
            assert held(here, before) == [(TEMPLATE, "1"), (TEMPLATE, "2"), (TEMPLATE, "3")]
        await here.follows(event("revoked", 1))
        assert held(here, before) == [(TEMPLATE, "2"), (TEMPLATE, "3")]
        here.forget(2)
        await here.settled()
        assert held(here, before) == [(TEMPLATE, "3")]
        assert not here.store.letters

    play(scenario, simulated=old)


@pytest.mark.parametrize("new", [ACCREDIBLE, WEBHOOK, CREDLY, OPEN_BADGES], ids=lambda new: new.provider)
def test_a_badge_that_was_not_said_again_can_be_revoked_after_the_move(new: Simulated) -> None:
    async def scenario(here: World) -> None:
        await here.follows(event("awarded"))
        move(here, new)
        await here.follows(event("revoked"))
        assert held(here) == []
        assert not here.store.letters

    play(scenario, simulated=CREDLY if new is not CREDLY else WEBHOOK)

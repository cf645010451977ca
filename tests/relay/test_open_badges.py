"""A relay that signs its badges itself: nothing is called, and everything is in one unit of work."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson

from streams.badges import Duration
from streams.issuers.issuer import About, SigningKey
from streams.issuers.open_badges.keys import Key
from streams.issuers.open_badges.status import BITS, StatusList, unpacked
from streams.relay.issuance import done
from streams.relay.signing import Signer, SigningError
from tests.issuers.open_badges.a_badge import key, public_pem
from tests.relay.simulated import OPEN_BADGES, ORGANIZATION, OTHER_TEMPLATE, TEMPLATE
from tests.relay.virtual import EPOCH
from tests.relay.world import QUICK, World, badge_id, event, in_world, recipient

LIST = f"{ORGANIZATION}-0-0"


GIVEN: dict[str, Any] = {"simulated": OPEN_BADGES, "about": About("Diligent", "For diligence", "Pass")}


def credentials(here: World) -> dict[str, Any]:
    """Those that are published, by their ids; of a deleted one None."""
    published = here.store.published
    return {
        key.removeprefix("credentials/"): raw and orjson.loads(raw)["document"]
        for key, raw in published.items()
        if key.startswith("credentials/")
    }


def revoked(here: World) -> set[int]:
    bits = here.store.written.get(f"bits/{LIST}")
    status = unpacked(bits) if bits else StatusList()
    return {place for place in range(BITS) if status.is_revoked(place)}


@in_world(**GIVEN)
async def test_an_award_is_signed_and_a_revocation_sets_its_bit(here: World) -> None:
    await here.follows(event("awarded"))

    [(id, credential)] = credentials(here).items()
    assert here.issuance().held == id
    assert credential["credentialSubject"]["achievement"]["name"] == "Diligent"
    assert credential["validFrom"] == EPOCH.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert f"status/{LIST}" in here.store.published

    await here.follows(event("revoked"))

    assert here.issuance().held is None
    assert revoked(here) == {0}
    assert credentials(here)[id] is not None


@in_world(**GIVEN)
async def test_a_badge_that_is_awarded_again_is_another_credential(here: World) -> None:
    await here.follows(event("awarded"))
    await here.follows(event("revoked"))
    await here.follows(event("awarded", generation=2))

    assert len(credentials(here)) == 2
    assert revoked(here) == {0}


@in_world(**GIVEN, expires_after=Duration(12, timedelta()))
async def test_a_renewed_badge_is_another_credential_and_both_are_deleted_with_the_learner(
    here: World,
) -> None:
    await here.follows(event("awarded"))
    await here.follows(event("awarded", generation=2))
    assert len(credentials(here)) == 2

    here.forget(1)
    await here.until(lambda: not here.store.table)

    assert set(credentials(here).values()) == {None}
    assert revoked(here) == {0, 1}


@in_world(**GIVEN)
async def test_whatever_is_killed_each_badge_is_signed_once(here: World) -> None:
    for learner in range(1, 40):
        here.say(event("awarded", learner))
        if learner % 7 == 0:
            here.restart()
    await here.settled()

    held = {issuance.held for _, issuance in here.store.scan()}
    assert held == set(credentials(here))
    places = [c["credentialStatus"]["statusListIndex"] for c in credentials(here).values()]
    assert len(set(places)) == len(places) == 39
    assert all(issuance.doubt is None for _, issuance in here.store.scan())


@in_world(replace(QUICK, in_flight=1, rate=1), **GIVEN)
async def test_no_pace_is_kept_where_nobody_is_called(here: World) -> None:
    here.say(*(event("awarded", learner) for learner in range(1, 30)))

    await here.settled(within=5)


@in_world(**GIVEN | {"simulated": replace(OPEN_BADGES, key="no key")})
async def test_without_a_key_badges_wait_and_it_is_said_why(here: World) -> None:
    here.say(event("awarded"))
    await here.until(lambda: any(organization.held for organization in here.organizations))

    [why] = {organization.held for organization in here.organizations if organization.held}
    assert why == "its key is no key in PEM without a password"
    assert not done(here.issuance())
    assert credentials(here) == {}


@in_world(**GIVEN)
async def test_a_learner_without_an_address_waits_for_it(here: World) -> None:
    here.say(event("awarded", who=recipient(1, email="")))
    await here.until(lambda: here.reconciler.census())

    await here.follows(event("awarded", who=recipient(1)))

    assert here.issuance().held in credentials(here)


@in_world(**GIVEN)
async def test_nobody_can_tell_a_credentials_address_from_the_badge(here: World) -> None:
    await here.follows(event("awarded"))

    [id] = credentials(here)
    assert badge_id(1, TEMPLATE) not in id


class Absent(Signer):
    """A command that fails for as long as it is told to; it signs by the key of the tests."""

    def __init__(self, key: Key, seconds: float = 0.1) -> None:
        super().__init__(())
        self.seconds = seconds
        self.key = key
        self.fails = True
        self.tried = 0

    async def _sign(self, key: SigningKey, data: Sequence[bytes]) -> Sequence[bytes]:
        self.tried += 1
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise SigningError("its signing command has ended with 1")
        return [self.key.sign(one) or b"" for one in data]


@in_world(**GIVEN | {"simulated": replace(OPEN_BADGES, key=public_pem())})
async def test_while_the_signing_command_fails_its_organization_waits_and_others_go_on(here: World) -> None:
    failing, other = here.organizations
    command = failing.signer = Absent(key(), seconds=10)
    other.signer = Absent(key())
    other.signer.fails = False
    here.say(*(event("awarded", learner) for learner in range(1, 40)))
    here.say(*(event("awarded", learner, template=OTHER_TEMPLATE) for learner in range(1, 40)))

    await here.until(lambda: len(credentials(here)) == 39, within=9)
    await asyncio.sleep(600)

    assert failing.held == "its signing command has ended with 1"
    assert not other.held
    assert len(credentials(here)) == 39
    # An attempt a minute, however many badges wait.
    assert command.tried < 30

    command.fails, command.seconds = False, 0.1
    await here.settled(within=120)

    assert len(credentials(here)) == 78
    assert not here.store.letters


@in_world(**GIVEN | {"simulated": replace(OPEN_BADGES, key=public_pem())})
async def test_a_badge_that_is_revoked_while_it_is_signed_is_not_issued(here: World) -> None:
    command = Absent(key())
    command.fails = False
    for organization in here.organizations:
        organization.signer = command
    here.say(event("awarded"))
    await here.until(lambda: command.tried == 2)

    await here.follows(event("revoked"))

    assert credentials(here) == {}
    assert here.issuance().held is None

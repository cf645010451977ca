"""When an organization's key expires, as its gauge says it."""

from datetime import timedelta

import pytest

from streams import metrics
from streams.relay import expiry
from streams.relay.keys import KeyRef
from streams.sandbox.credly import Fault, Token
from tests.relay.virtual import EPOCH, virtual_clock
from tests.relay.world import KEY, ORGANIZATION, World, in_world

YEARS_LATER = 1893456000.0  # 2030-01-01, as the simulator says unless it is told otherwise


async def ask(here: World) -> float | None:
    """Ask for the organization's expiry; the gauge's value."""
    [organization] = [one for one in here.organizations if one.id == ORGANIZATION]
    await expiry.ask(organization, virtual_clock())
    labels = {"issuer": "credly", "organization": ORGANIZATION}
    return metrics.REGISTRY.get_sample_value("badges_issuer_key_expiry_timestamp_seconds", labels)


@in_world()
async def test_the_gauge_shows_when_a_key_expires(here: World) -> None:
    assert await ask(here) == YEARS_LATER


@in_world()
async def test_an_issuer_that_does_not_say_takes_the_gauge_back(here: World) -> None:
    await ask(here)
    here.credly.add_token(Token(ORGANIZATION, KEY, expires_at=""))

    assert await ask(here) is None


@in_world()
async def test_an_issuer_that_is_away_leaves_the_gauge_as_it_is(here: World) -> None:
    await ask(here)
    here.wire.away.add(ORGANIZATION)

    assert await ask(here) == YEARS_LATER


@in_world()
async def test_a_key_that_may_not_ask_for_its_expiry_still_does_its_work(here: World) -> None:
    here.credly.schedule([Fault("error", call="tokens", status=403)])

    assert await ask(here) is None
    assert not any(organization.held for organization in here.organizations)


@pytest.mark.parametrize(("days", "logged"), [(13, True), (15, False)])
@in_world()
async def test_a_key_that_expires_within_two_weeks_is_logged(
    here: World, caplog: pytest.LogCaptureFixture, days: int, logged: bool
) -> None:
    expires_at = (EPOCH + timedelta(days=days)).isoformat()
    here.credly.add_token(Token(ORGANIZATION, KEY, expires_at=expires_at))

    await ask(here)

    assert ("its key expires" in caplog.text) == logged


@in_world(key=KeyRef(env="NOT_SET"))
async def test_an_organization_that_may_not_be_called_does_not_stop_the_watch(here: World) -> None:
    began = virtual_clock().monotonic()

    await ask(here)

    assert virtual_clock().monotonic() - began == pytest.approx(expiry.PATIENCE_SECONDS)
    assert not here.wire.started

"""A command decodes what it can, and says why the registry does not help it."""

from collections.abc import AsyncIterator

import pytest

from streams.bus import schemas
from streams.errors import FatalError, UnreadableError
from streams.operate.decoding import decoder
from streams.settings import Settings
from tests.bus.memory import record_of
from tests.bus.registry_server import RegistryServer, registry_server
from tests.tracker.scene import LEARNER, PASSED


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    async with registry_server() as running:
        running.holds(PASSED.schema_id, PASSED.schema)
        yield running


def settings(registry: str) -> Settings:
    return Settings(registry=registry, start_seconds=0.5)


async def test_a_record_is_an_event_about_its_learner(server: RegistryServer) -> None:
    async with decoder(settings(server.url), schemas.event_types()) as bus:
        event = await bus.event(record_of(PASSED))

        assert event is not None
        assert await bus.learner(record_of(PASSED)) == event.learner == LEARNER


async def test_what_cannot_be_read_is_nobodys(server: RegistryServer) -> None:
    async with decoder(settings(server.url), schemas.event_types()) as bus:
        with pytest.raises(UnreadableError, match="it ends early"):
            await bus.event(record_of(PASSED, value=PASSED.value[:-3]))
        assert await bus.learner(record_of(PASSED, value=PASSED.value[:-3])) is None


async def test_a_type_that_is_not_wanted_is_no_event(server: RegistryServer) -> None:
    async with decoder(settings(server.url), schemas.BADGE_EVENTS) as bus:
        assert await bus.event(record_of(PASSED)) is None


async def test_a_registry_that_refuses_is_said_to_and_not_waited_for(server: RegistryServer) -> None:
    server.failures = [401] * 100

    async with decoder(settings(server.url), schemas.event_types()) as bus:
        with pytest.raises(FatalError, match=r"within 0.5 s: it refuses the user name or password \(401\)$"):
            await bus.event(record_of(PASSED))


async def test_a_registry_that_is_away_is_said_to_be() -> None:
    async with decoder(settings("http://127.0.0.1:1"), schemas.event_types()) as bus:
        with pytest.raises(FatalError, match=r"http://127.0.0.1:1 cannot be reached within 0.5 s: .*connect"):
            await bus.event(record_of(PASSED))

"""What every test may ask for. Nothing here starts before a test asks for it."""

from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest

from streams.errors import ConfigurationError
from streams.sandbox.bus import Bus, bus
from streams.sandbox.jars import jars

BROKER_FIXTURES = frozenset({"sandbox", "kafka", "registry_url"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROKER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch the sandbox's archives here, because a test's time limit would cut off a slow first time."""
    if not session.config.option.collectonly and any(i.get_closest_marker("broker") for i in session.items):
        with suppress(ConfigurationError):
            jars()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Bus]:
    """A real Kafka and a real registry that the whole session shares."""
    with bus() as running:
        yield running


@pytest.fixture(scope="session")
def kafka(sandbox: Bus) -> str:
    """Bootstrap servers of the session's Kafka: give topics names of their own."""
    return sandbox.kafka


@pytest.fixture(scope="session")
def registry_url(sandbox: Bus) -> str:
    """The Confluent-compatible API of the session's registry."""
    return sandbox.registry


@pytest.fixture
def app_prefix() -> str:
    """A name that no other test has: the beginning of this test's topics and groups."""
    return f"test-{uuid4().hex[:12]}"

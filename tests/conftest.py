"""What every test may ask for. Nothing here starts before a test asks for it."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import pytest

from streams.sandbox.kafka import broker
from streams.sandbox.registry import Registry

BROKER_FIXTURES = frozenset({"kafka", "registry_url"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROKER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[tuple[Future[str], Future[str]]]:
    """Kafka and the registry, starting side by side."""
    with ExitStack() as running, ThreadPoolExecutor(2) as pool:
        yield (
            pool.submit(running.enter_context, broker()),
            pool.submit(lambda: running.enter_context(Registry()).url),
        )


@pytest.fixture(scope="session")
def kafka(_sandbox: tuple[Future[str], Future[str]]) -> str:
    """A real Kafka that the whole session shares (bootstrap servers): give topics names of their own."""
    return _sandbox[0].result()


@pytest.fixture(scope="session")
def registry_url(_sandbox: tuple[Future[str], Future[str]]) -> str:
    """The Confluent-compatible API of a real registry that the whole session shares."""
    return _sandbox[1].result()


@pytest.fixture
def app_prefix() -> str:
    """A name that no other test has: the beginning of this test's topics and groups."""
    return f"test-{uuid4().hex[:12]}"

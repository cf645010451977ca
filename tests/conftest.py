"""What every test may ask for. Nothing here starts before a test asks for it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from streams.errors import ConfigurationError
from streams.sandbox.bus import Bus, bus
from streams.sandbox.jars import alone, jars
from streams.sandbox.redis import Redis, redis_program

pytest_plugins = ["tests.sites"]

ROOT = Path(__file__).parents[1]
NO_INTERPRETER = 3
BROKER_FIXTURES = frozenset({"sandbox", "kafka", "registry_url"})
LONGEST = (
    "tests/faults/test_harms.py",
    "tests/relay/test_relay_on_bus.py",
    "tests/whole/test_walkthrough.py",
    "tests/sandbox/test_kafka.py",
    "tests/operate/test_dead_letters.py",
    "tests/tracker/test_worker.py",
    "tests/whole/test_losses.py",
    "tests/operate/test_forget.py",
)
"""Files of more than half a minute, the longest first: a file is worked off by one process, and what begins
last must not be what takes longest. `pytest --durations=0` tells."""


def pytest_configure() -> None:
    """A warning ends whatever process of ours gives it, as it fails a test."""
    os.environ["PYTHONWARNINGS"] = "error"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if BROKER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.broker)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, bool]:
    """The longest files first, then those with a broker, then the many small tests, which fill up."""
    file = item.path.relative_to(ROOT).as_posix()
    place = LONGEST.index(file) if file in LONGEST else len(LONGEST)
    return place, item.get_closest_marker("broker") is None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch the sandbox's archives here, because a test's time limit would cut off a slow first time."""
    if session.config.option.collectonly:
        return
    with suppress(ConfigurationError):
        if any(i.get_closest_marker("broker") for i in session.items):
            jars()
    with suppress(ConfigurationError):
        if any("redis_server" in getattr(i, "fixturenames", ()) for i in session.items):
            redis_program()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Bus]:
    """A real Kafka and a real registry that all tests of this process share."""
    with bus() as running:
        yield running


@pytest.fixture(scope="session")
def kafka(sandbox: Bus) -> str:
    """Bootstrap servers of the sandbox's Kafka: give topics names of their own."""
    return sandbox.kafka


@pytest.fixture(scope="session")
def registry_url(sandbox: Bus) -> str:
    """The Confluent-compatible API of the sandbox's registry."""
    return sandbox.registry


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A real Redis of this test's own: it is there in a tenth of a second, so `make quick` has such tests."""
    try:
        redis_program()
    except ConfigurationError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with Redis() as redis:
        yield redis


@pytest.fixture
def app_prefix() -> str:
    """A name that no other test has: the beginning of this test's topics and groups."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def openedx_python() -> Path:
    """The interpreter of an environment with the real Open edX packages."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with alone(cache / "openedx.lock"):
        found = subprocess.run(
            [ROOT / "tests" / "openedx" / "venv"], capture_output=True, text=True, check=False
        )
    if found.returncode == NO_INTERPRETER and not os.environ.get("CI"):
        pytest.skip("the Open edX packages need Python 3.12 or newer, and this machine has none")
    assert found.returncode == 0, found.stderr
    return Path(found.stdout.strip()) / "bin" / "python"

"""The short form of `python -m tests.faults`: a few harms, a few thousand events each.

That of the bridge is in `tests/openedx/test_real_redis_services.py`, with the real producer and consumer.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from streams.sandbox.bus import Bus
from streams.sandbox.kafka import Kafka
from streams.sandbox.registry import Apicurio
from tests.faults import harms, run
from tests.faults.rows import HARMS
from tests.faults.run import Harm
from tests.here import on_bus

BY_NAME = {harm.name: harm for harm in HARMS}


def _short(name: str, do: Callable[[run.Run], Awaitable[int]], at_least: int) -> Harm:
    """A row of the table that strikes less often."""
    return replace(BY_NAME[name], do=do, at_least=at_least)


SHORT = (
    # A transaction that is left open at the broker, and one that is committed but not known to be.
    _short(
        "kill -9 at each step of a commit",
        partial(harms.kill_at_each_step, steps=("after send", "after commit")),
        2,
    ),
    _short("zombies: paused, replaced, resumed", partial(harms.zombies, times=1), 1),
    _short("a commit that never ends", partial(harms.commit_hangs, units=(3,)), 1),
    BY_NAME["a core that raises on some records"],
    BY_NAME["state at its bound"],
    BY_NAME["the group's offsets expired"],
    BY_NAME["a registry node that lags"],
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kafka]:
    with Kafka() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def registry() -> Iterator[Apicurio]:
    with Apicurio() as registry:
        yield registry


@pytest.mark.broker
@pytest.mark.parametrize("harm", SHORT, ids=lambda harm: harm.name)
async def test_nothing_is_lost_doubled_or_wrong(
    harm: Harm, cluster: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    await _is_borne(harm, cluster, registry, tmp_path)


@pytest.fixture(scope="module")
def secured() -> Iterator[Kafka]:
    with Kafka(security="SASL_SSL") as secured:
        yield secured


@pytest.mark.broker
async def test_the_whole_way_works_with_tls_and_scram(
    secured: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    harm = Harm("none, by TLS and SCRAM", harms.nothing_more, at_least=1, security="SASL_SSL")
    await _is_borne(harm, secured, registry, tmp_path)


@pytest.mark.broker
def test_a_wrong_password_is_one_clear_line(secured: Kafka, registry: Apicurio, tmp_path: Path) -> None:
    bus = Bus(secured.bootstrap, registry.url)
    settings = run.security(secured, tmp_path)
    Path(settings["BADGES_KAFKA_PASSWORD_FILE"]).write_text("wrong")
    commands = on_bus(bus, "locked", catalog=run.CATALOG, partitions=2, **settings)

    tracker = commands.start("tracker", log=tmp_path / "log")

    assert tracker.wait(30) == 1
    said = tracker.log.read_text()
    (line,) = (line for line in said.splitlines() if "CRITICAL" in line)
    assert "refuses the user name or password" in line
    assert "Traceback" not in said


async def _is_borne(harm: Harm, cluster: Kafka, registry: Apicurio, folder: Path) -> None:
    name = f"test-{uuid4().hex[:12]}"
    outcome = await run.suffer(harm, cluster, registry, folder, name=name, seed=1, events=3_000, rate=1_000)
    assert list(run.words(outcome.verdict)) == []
    assert outcome.blows >= harm.at_least
    assert outcome.verdict.activities > 0

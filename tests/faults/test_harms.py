"""The short form of `python -m tests.faults`: a few harms, a few thousand events each."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from streams.sandbox.kafka import Kafka
from streams.sandbox.registry import Apicurio
from tests.faults import run
from tests.faults.harms import nothing_more
from tests.faults.rows import HARMS
from tests.faults.run import Harm

SHORT = (
    "kill -9 at each step of a commit",
    "zombies: paused, replaced, resumed",
    "a commit that never ends",
    "a core that raises on some records",
    "state at its bound",
    "the group's offsets expired",
    "a registry node that lags",
)
BY_NAME = {harm.name: harm for harm in HARMS}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Kafka]:
    with Kafka() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def registry() -> Iterator[Apicurio]:
    with Apicurio() as registry:
        yield registry


@pytest.mark.broker
@pytest.mark.parametrize("harm", [BY_NAME[name] for name in SHORT], ids=SHORT)
async def test_nothing_is_lost_doubled_or_wrong(
    harm: Harm, cluster: Kafka, registry: Apicurio, tmp_path: Path
) -> None:
    await _is_borne(harm, cluster, registry, tmp_path)


@pytest.mark.broker
async def test_the_whole_way_works_with_tls_and_scram(registry: Apicurio, tmp_path: Path) -> None:
    with Kafka(security="SASL_SSL") as secured:
        harm = Harm("none, by TLS and SCRAM", nothing_more, at_least=1, security="SASL_SSL")
        await _is_borne(harm, secured, registry, tmp_path)


async def _is_borne(harm: Harm, cluster: Kafka, registry: Apicurio, folder: Path) -> None:
    name = f"test-{uuid4().hex[:12]}"
    outcome = await run.suffer(harm, cluster, registry, folder, name=name, seed=1, events=3_000, rate=1_000)
    assert list(run.words(outcome.verdict)) == []
    assert outcome.blows >= harm.at_least
    assert outcome.verdict.activities > 0

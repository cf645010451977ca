"""From what the LMS emits to what a consumer of badge events reads, by trackers as they are run."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.catalog import load_catalog
from streams.sandbox import lms, publisher
from streams.sandbox.audit import audit, settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.demo import CATALOG
from streams.sandbox.process import Process, tail
from streams.sandbox.publisher import Emission, Placed, Publisher
from tests.here import on_bus
from tests.relay.badge_bus import until

LEARNERS = 300
PARTITIONS = 8
RATE = 2_500
REASONS = {
    "no header": "no_type",
    "no type": "no_type",
    "doubled type": "no_type",
    "no id": "no_id",
    "doubled id": "no_id",
    "id is no uuid": "no_id",
    "no magic byte": "no_frame",
    "no frame": "no_frame",
    "truncated body": "bad_body",
    "unknown schema id": "unknown_schema",
    "other schema": "not_resolvable",
    "invalid utf-8": "bad_body",
}


async def test_two_trackers_restarted_in_the_middle_decide_what_the_core_decides(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=PARTITIONS)
    await asyncio.to_thread(commands.run, "topics", "--create", "--all")
    emissions = await _term(sandbox, app_prefix)
    third = len(emissions) // 3
    placed: list[Placed] = []

    async def emit(some: Sequence[Emission]) -> None:
        await publisher.emit(sandbox.kafka, some, rate=RATE, placed=placed.extend)

    # when
    with (
        _tracker(commands, tmp_path / "1.log") as graceful,
        _tracker(commands, tmp_path / "2.log") as crashing,
    ):
        await emit(emissions[:third])
        await until(lambda: ": ready at offset" in graceful.log.read_text(), 60)
        code = await asyncio.to_thread(graceful.stop)
        await emit(emissions[third : 2 * third])
        with _tracker(commands, tmp_path / "3.log"):
            crashing.kill()
            await emit(emissions[2 * third :])
            with _tracker(commands, tmp_path / "4.log"):
                await settled(commands.parsed, placed, within=120)
    # then
    verdict = await audit(commands.parsed, load_catalog(CATALOG.read_bytes()).compiled, placed)
    assert {name: places for name, places in verdict.faults.items() if places} == {}
    assert code == 0
    assert verdict.awarded > LEARNERS
    assert verdict.revoked > LEARNERS / 20
    assert set(verdict.dead_letters) == set(REASONS.items())


async def _term(sandbox: Bus, name: str) -> list[Emission]:
    press = Publisher(await publisher.register(sandbox.registry, name), name, seed=1)
    return list(press.spoil(press.publish(lms.term(1, LEARNERS)), repeated=0.03, rubbish=0.02))


@contextmanager
def _tracker(commands: Commands, log: Path) -> Iterator[Process]:
    worker = commands.start("tracker", log=log)
    try:
        yield worker
    except BaseException as error:
        error.add_note(f"{log.name} ends with:\n{tail(log)}")
        raise
    finally:
        worker.kill()

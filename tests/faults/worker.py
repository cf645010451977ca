"""The tracker with a fault built in: `python -m tests.faults.worker`, the fault in `FAULT`.

kill:STEP:N      the process is killed when step STEP of a commit is reached the Nth time
raise:N          the agent `track` raises in its Nth unit
hang:N           the Nth commit never comes to its end; a commit's limit is a few seconds
poison:SUFFIX    the core raises on every activity whose id ends with SUFFIX
idle:N           idle connections are closed N times sooner than they are set to be
clock:SECONDS    every SECONDS the clock jumps: an hour ahead, an hour behind, right
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.producer.message_accumulator import BatchBuilder

from streams.badges import Activity, Catalog, Import, Judgement, Order, Progress, decide
from streams.errors import ConfigurationError
from streams.runtime import transaction, worker
from streams.tracker import agents, tracking

STEPS = {
    "before begin": ("before", "begin_transaction"),
    "after send": ("before", "send_offsets_to_transaction"),
    "after offsets sent": ("after", "send_offsets_to_transaction"),
    "before commit": ("before", "commit_transaction"),
    "after commit": ("after", "commit_transaction"),
}
"""The steps of a commit, each as the call of the producer that it lies before or after."""
JUMPS = (0, 3600, -3600)
"""Seconds by which a clock is wrong in turn."""


def main() -> None:
    build_in()
    try:
        worker.run(agents.build)
    except ConfigurationError as error:
        raise SystemExit(f"{error}") from None


def build_in() -> None:
    """Build the fault into this process."""
    kind, _, argument = os.environ.get("FAULT", "none:").partition(":")
    FAULTS[kind](argument)


def kill(argument: str) -> None:
    step, _, nth = argument.partition(":")
    when, name = STEPS[step]
    method, times = getattr(AIOKafkaProducer, name), count(1)

    async def killing(self: AIOKafkaProducer, *arguments: object) -> None:
        strikes = next(times) == int(nth)
        if strikes and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await method(self, *arguments)
        if strikes:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(AIOKafkaProducer, name, killing)


def raise_in_agent(nth: str) -> None:
    store, times = tracking.Tracking.store, count(1)

    def raising(self: tracking.Tracking) -> None:
        store(self)
        if next(times) == int(nth):
            raise RuntimeError("the agent fails")

    tracking.Tracking.store = raising  # type: ignore[method-assign]


def hang_in_commit(nth: str) -> None:
    commit, times = AIOKafkaProducer.commit_transaction, count(1)

    async def hanging(self: AIOKafkaProducer) -> None:
        if next(times) == int(nth):
            await asyncio.Event().wait()
        await commit(self)

    AIOKafkaProducer.commit_transaction = hanging
    transaction.COMMIT_SECONDS = 3


def poison(suffix: str) -> None:
    def poisoned(
        catalog: Catalog, progress: Progress, happened: Activity | Order | Import
    ) -> Judgement | None:
        if happened.id.endswith(suffix):
            raise LookupError("the core fails")
        return decide(catalog, progress, happened)

    known = vars(tracking)
    assert "decide" in known  # else nothing would be replaced
    known["decide"] = poisoned


def close_idle(times: str) -> None:
    make = AIOKafkaClient.__init__

    def making(self: AIOKafkaClient, *, connections_max_idle_ms: int = 540_000, **options: Any) -> None:
        make(self, connections_max_idle_ms=connections_max_idle_ms / float(times), **options)

    AIOKafkaClient.__init__ = making


def jump(seconds: str) -> None:
    right, ticks, begun = time.time, time.monotonic, time.monotonic()
    append = BatchBuilder.append

    def jumping() -> float:
        return right() + JUMPS[int((ticks() - begun) / float(seconds)) % len(JUMPS)]

    def appending(self: BatchBuilder, *, timestamp: int | None, **record: Any) -> Any:
        # The compiled builder looks at the system's clock itself.
        return append(self, timestamp=timestamp or int(jumping() * 1000), **record)

    time.time = jumping
    BatchBuilder.append = appending


FAULTS: Mapping[str, Callable[[str], None]] = {
    "none": lambda _: None,
    "kill": kill,
    "raise": raise_in_agent,
    "hang": hang_in_commit,
    "poison": poison,
    "idle": close_idle,
    "clock": jump,
}

if __name__ == "__main__":
    main()

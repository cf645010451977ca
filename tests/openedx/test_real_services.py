"""The real Open edX packages feed the tracker, and receive every badge event."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from streams.sandbox.bus import Bus
from tests.here import on_bus
from tests.openedx.groups import begin_at_the_beginning

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "streams" / "sandbox" / "catalog.yaml"
APPRENTICE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
KAFKA101 = "course-v1:DemoX+Kafka101+2026"
LEARNERS = range(1, 41)
WITHIN = 60.0


def test_the_real_consumer_receives_what_the_real_producer_caused(
    openedx_python: Path, sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=4)
    commands.run("topics", "--create", "--all")
    address = ("kafka", sandbox.kafka, sandbox.registry, app_prefix)
    group = f"{app_prefix}-credentials"
    begin_at_the_beginning(sandbox.kafka, group, f"{app_prefix}-learning-badges-lifecycle", 4)
    passed = [{"learner": n, "course": KAFKA101, "is_passing": True} for n in LEARNERS]
    lost = [{"learner": n, "course": KAFKA101, "is_passing": False} for n in LEARNERS if n % 4 == 0]

    with ExitStack() as ends:
        ends.callback(commands.start("tracker", log=tmp_path / "tracker.log").stop)
        received = ends.enter_context(consumer(openedx_python, group, *address))
        produce(openedx_python, address, passed)
        awarded = [received.next() for _ in passed]
        produce(openedx_python, address, lost)
        revoked = [received.next() for _ in lost]

    assert {event["type"].split(".")[-2] for event in awarded} == {"awarded"}
    assert sorted(event["learner"] for event in awarded) == list(LEARNERS)
    assert {event["type"].split(".")[-2] for event in revoked} == {"revoked"}
    assert sorted(event["learner"] for event in revoked) == [told["learner"] for told in lost]
    assert {(event["template"], event["origin"]) for event in awarded} == {(APPRENTICE, "credly")}
    assert {event["name"] for event in awarded} == {f"Learner {n}" for n in LEARNERS}


class Received:
    """The lines that the consumer prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: Queue[str] = Queue()
        self._process = process
        self._pumping = Thread(target=self._pump, daemon=True)
        self._pumping.start()

    def next(self) -> dict[str, Any]:
        """The next badge event that reached a receiver."""
        try:
            event: dict[str, Any] = json.loads(self._lines.get(timeout=WITHIN))
        except Empty:
            raise AssertionError(f"no further badge event within {WITHIN:.0f} s") from None
        return event

    def end(self) -> None:
        """End the consumer, and read on until it has."""
        self._process.kill()
        self._pumping.join()

    def _pump(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(line)


@contextmanager
def consumer(python: Path, *arguments: str) -> Iterator[Received]:
    """What the real consumer receives, by its group and an address of `services`."""
    command = [str(python), "-W", "default", "-m", "tests.openedx.consumer", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        received = Received(process)
        try:
            yield received
        finally:
            received.end()


def produce(python: Path, address: Sequence[str], told: Iterable[Mapping[str, object]]) -> None:
    """Have the real producer emit what is told, by an address of `services`."""
    command = [str(python), "-W", "default", "-m", "tests.openedx.producer", *address]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as sends:
        assert sends.stdin is not None
        for line in told:
            print(json.dumps(line), file=sends.stdin, flush=True)
        sends.stdin.close()
        assert sends.wait(WITHIN) == 0

"""Trackers as processes, which are started again when they end: what a supervisor does."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streams.sandbox.commands import Commands
from streams.sandbox.process import Process, tail

PAUSE_SECONDS = 0.5
"""A supervisor's pause before it starts a worker again."""
READY = ": ready at offset"


@dataclass
class Worker:
    """A worker of the fleet by its name, through restarts: `process` is None between two of them."""

    name: str
    log: Path
    faults: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    wanted: bool = True
    begun: int = 0
    exits: list[int] = field(default_factory=list)

    def said(self, what: str, *, since: int = 0) -> int:
        """How often its log holds `what`, from the byte `since` on."""
        try:
            return self.log.read_bytes()[since:].count(what.encode())
        except FileNotFoundError:
            return 0


class Fleet:
    """Trackers, which are started again where they end by themselves; or other workers, by their command.

    `settings` has what each of them, by its name, is given at each start besides the common ones.
    """

    def __init__(
        self,
        commands: Commands,
        folder: Path,
        settings: Callable[[str], Mapping[str, str]],
        *,
        runs: str = "",
    ) -> None:
        self.workers: dict[str, Worker] = {}
        self._commands = commands
        self._folder = folder
        self._settings = settings
        self._runs = runs
        self._abandoned: list[Process] = []
        self._supervisor: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Fleet":
        self._supervisor = asyncio.ensure_future(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        running = [worker.process for worker in self.workers.values() if worker.process is not None]
        for process in (*running, *self._abandoned):
            process.kill()

    def start(self, name: str, **settings: str) -> Worker:
        """Start a worker; `settings` are for this start only."""
        worker = self.workers.setdefault(name, Worker(name, self._folder / f"{name}.log"))
        worker.wanted = True
        worker.begun = worker.log.stat().st_size if worker.log.exists() else 0
        given = {**self._settings(name), **settings}
        if self._runs:
            worker.process = self._commands.start(self._runs, log=worker.log, **given)
        else:
            command = [sys.executable, "-m", "tests.faults.worker"]
            worker.process = self._commands.launch(command, log=worker.log, **given)
        return worker

    async def stop(self, name: str) -> int:
        """End a worker as an operator does, for good; returns its exit code."""
        worker = self.workers[name]
        process, worker.wanted, worker.process = worker.process, False, None
        code = await asyncio.to_thread(process.stop, 40.0) if process else 0
        worker.exits.append(code)
        return code

    def pause(self, name: str) -> None:
        """Freeze a worker."""
        process = self.workers[name].process
        if process is not None:
            process.send(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused worker go on, as a zombie if it was replaced meanwhile."""
        process = self.workers[name].process
        if process is not None:
            process.send(signal.SIGCONT)

    def kill(self, name: str) -> None:
        """End a worker as a crash does; the supervisor starts it again."""
        process = self.workers[name].process
        if process is not None:
            process.send(signal.SIGKILL)

    def is_ready(self, name: str) -> bool:
        """Whether a worker has got partitions since its last start, according to its log."""
        worker = self.workers[name]
        return worker.said(READY, since=worker.begun) > 0

    def abandon(self, worker: Worker) -> None:
        """Let a paused worker go on after another took its place; it is not started again."""
        assert worker.process is not None
        self._abandoned.append(worker.process)
        worker.process.send(signal.SIGCONT)

    @property
    def running(self) -> list[str]:
        """The names of the workers that run now."""
        return [w.name for w in self.workers.values() if w.process and w.process.exit_code is None]

    @property
    def ends(self) -> int:
        """How often a worker ended by itself or was killed."""
        return sum(sum(code != 0 for code in worker.exits) for worker in self.workers.values())

    def lines(self, what: str, *, but: str = "") -> int:
        """How many lines of the workers, one left out, hold `what`."""
        return sum(worker.said(what) for worker in self.workers.values() if worker.name != but)

    def tails(self) -> str:
        """The end of every worker's log."""
        return "\n".join(f"--- {w.name} {w.exits}\n{tail(w.log)}" for w in self.workers.values())

    async def _supervise(self) -> None:
        while True:
            for worker in self.workers.values():
                if worker.process is not None and worker.process.exit_code is not None:
                    worker.exits.append(worker.process.kill())
                    worker.process = None
                    await asyncio.sleep(PAUSE_SECONDS)
                    if worker.wanted:
                        self.start(worker.name)
            await asyncio.sleep(0.1)


async def until(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait until `condition()` is true; `TimeoutError` after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.1)

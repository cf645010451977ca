"""A worker as a child process: started with a socket for its pages, collected when it has ended."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PARENT_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of Linux' prctl."""
READ_BYTES = 65_536
"""What a pipe holds."""
LONGEST_LINE = 1024 * 1024
"""What is longer is cut, so that garbage cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What is to run: the worker's name, the program with its arguments, and settings of its own."""

    name: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)


def badge_streams(*arguments: str) -> list[str]:
    """`badge-streams` with these arguments, run by this interpreter from what is installed for it."""
    return [sys.executable, "-c", "from streams.cli import main; main(prog_name='badge-streams')", *arguments]


class Child:
    """One run of a worker. `ended` has its exit code, which is negative if a signal has ended it."""

    def __init__(self, worker: Worker, pages: socket.socket, take: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._take = take
        self._rest = b""
        self._output, theirs = os.pipe()
        os.set_blocking(self._output, False)
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, or a test's
            worker.command,
            env=environment({**os.environ, **worker.settings}, pages),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            pass_fds=[pages.fileno()],
            # A terminal's Ctrl-C is for the supervisor alone, which then ends the workers.
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        os.close(theirs)
        self._loop.add_reader(self._output, self._read)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def collected(self, code: int) -> None:
        """It has ended with this code: take the rest of its output."""
        # Else it would ask for the process itself, whose number may be another's by then.
        self._process.returncode = code
        while self._read():
            pass
        if self._rest:
            self._take(self._rest)
        self._loop.remove_reader(self._output)
        os.close(self._output)
        self.ended.set_result(code)

    def _read(self) -> bool:
        """Give the lines that have come; false where nothing has."""
        with suppress(BlockingIOError):
            came = os.read(self._output, READ_BYTES)
            *lines, self._rest = (self._rest + came).split(b"\n")
            if len(self._rest) > LONGEST_LINE:
                lines.append(self._rest)
                self._rest = b""
            for line in lines:
                self._take(line)
            if not came:
                self._loop.remove_reader(self._output)
            return bool(came)
        return False


class Nursery:
    """Starts children, and collects every one that ends: as process 1 also those of others.

    A container's process 1 inherits orphans; asyncio's own child watchers know only what they started.
    """

    def __init__(self) -> None:
        self._running: dict[int, Child] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._collect)

    def start(self, worker: Worker, pages: socket.socket, take: Callable[[bytes], None]) -> Child:
        """Start a worker that serves `pages`; each line of its output is given to `take`."""
        child = Child(worker, pages, take)
        self._running[child.pid] = child
        return child

    def _collect(self) -> None:
        with suppress(ChildProcessError):
            while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = waited
                if pid in self._running:
                    self._running.pop(pid).collected(os.waitstatus_to_exitcode(status))


def environment(given: Mapping[str, str], pages: socket.socket) -> dict[str, str]:
    """The child's: as ours, but for where its pages are. A setting may be written in any case."""
    kept = {name: value for name, value in given.items() if name.upper() != "BADGES_HTTP"}
    return kept | {"BADGES_HTTP": f"fd:{pages.fileno()}"}


def _end_with_parent() -> None:
    """So that a supervisor that was killed leaves no workers which its successor knows nothing of."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)

"""Servers that run from here until the end of their context, with their files in a folder of their own."""

import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from streams.sandbox.process import READY_SECONDS, Deadline, Process, tail


class Server(ABC):
    """Runs from `start` to `close`; its folder `scratch` is removed at the end, however this process ends.

    `name` is what its messages call it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.scratch = Path(mkdtemp(prefix=f"badge-streams-{name.lower()}-"))

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def start(self) -> None:
        """Start it, with what an earlier run has left in its folder, and wait until it answers."""

    @abstractmethod
    def close(self) -> None:
        """End it and remove its files."""


class OneProcess(Server):
    """A server that is one process."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._process: Process | None = None

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.scratch / f"{self.name.lower()}.log"

    def start(self) -> None:
        """Start it, with what an earlier run has left in its folder, and wait until it answers."""
        self._process = Process(self.command(), log=self.log, env=self.environment(), scratch=self.scratch)
        deadline = Deadline(READY_SECONDS, f"{self.name} is not ready")
        while not self.answers():
            if self._process.exit_code is not None:
                raise RuntimeError(f"{self.name} ended: {tail(self.log)}")
            deadline.wait()

    def stop(self) -> None:
        """End it as a service manager does; its port refuses connections until it is started again."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def pause(self) -> None:
        """Freeze it: connections are accepted, but nothing answers."""
        if self._process is not None:
            self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            self._process.send(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it."""

    def environment(self) -> Mapping[str, str] | None:
        """The variables that it gets; None: ours."""
        return None

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients."""

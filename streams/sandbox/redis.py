"""A real Redis, run from here: the one on the path, or Debian's packages, unpacked and not installed."""

import os
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from streams.sandbox.debian import libraries, unpacked
from streams.sandbox.kafka import free_ports
from streams.sandbox.process import READY_SECONDS, Deadline, Process, tail

PACKAGES = (
    "redis-server",
    "redis-tools",
    "libjemalloc2",
    "liblua5.1-0",
    "lua-cjson",
    "lua-bitop",
    "liblzf1",
    "libatomic1",
)
"""The server and what it links to, besides what every Debian has."""
ANSWER_SECONDS = 5.0
"""A Redis answers in a millisecond; a frozen one never does."""


class Redis:
    """A server of our own on a free port of 127.0.0.1; its files are in a temporary folder, removed with it.

    `appendonly` writes each command to a file before a restart needs it, as Tutor's does; without, a server
    that ends loses all. `options` are lines of its configuration, like `{"maxmemory": "20mb"}`.
    """

    def __init__(self, *, appendonly: bool = False, options: Mapping[str, str] | None = None) -> None:
        self.scratch = Path(mkdtemp(prefix="badge-streams-redis-"))
        self.port = free_ports(1)[0]
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.scratch),
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            **(options or {}),
        }
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """What clients connect to: database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.scratch / "redis.log"

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

    def start(self) -> None:
        """Start it, with what an earlier run left in its folder, and wait until it has read that."""
        program = redis_program()
        config = self.scratch / "redis.conf"
        config.write_text("".join(f'{name} "{value}"\n' for name, value in self._options.items()))
        self._process = Process(
            [str(program), str(config)],
            log=self.log,
            env={**os.environ, "LD_LIBRARY_PATH": libraries(program.parents[1].parent)},
            scratch=self.scratch,
        )
        deadline = Deadline(READY_SECONDS, "Redis is not ready")
        while not self._answers():
            if self._process.exit_code is not None:
                raise RuntimeError(f"Redis ended: {tail(self.log)}")
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

    def _answers(self) -> bool:
        """Whether it serves clients; while it reads its file again, it tells them to wait."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                said = connection.recv(100)
        except OSError:
            return False
        return said.startswith((b"+PONG", b"-NOAUTH"))


def redis_program() -> Path:
    """The server's program, fetched if there is none; raises `ConfigurationError` where it cannot be had."""
    if found := shutil.which("redis-server"):
        return Path(found)
    return unpacked("redis", PACKAGES) / "usr" / "bin" / "redis-server"

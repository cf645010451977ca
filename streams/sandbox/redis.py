"""A real Redis, run from here: the one on the path, or Debian's packages, unpacked and not installed."""

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.sandbox.debian import libraries, unpacked
from streams.sandbox.kafka import free_ports
from streams.sandbox.server import OneProcess

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


class Redis(OneProcess):
    """A server of our own on a free port of 127.0.0.1; its files are in a temporary folder, removed with it.

    `appendonly` writes each command to a file before a restart needs it, as Tutor's does; without, a server
    that ends loses all. `options` are lines of its configuration, like `{"maxmemory": "20mb"}`.
    """

    def __init__(self, *, appendonly: bool = False, options: Mapping[str, str] | None = None) -> None:
        super().__init__("Redis")
        self.port = free_ports(1)[0]
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.scratch),
            "save": "",
            "appendonly": "yes" if appendonly else "no",
            **(options or {}),
        }

    @property
    def url(self) -> str:
        """What clients connect to: database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """The server, with a file of its options."""
        config = self.scratch / "redis.conf"
        config.write_text("".join(f'{name} "{value}"\n' for name, value in self._options.items()))
        return [str(redis_program()), str(config)]

    def environment(self) -> Mapping[str, str]:
        """Where its libraries are."""
        return {**os.environ, "LD_LIBRARY_PATH": libraries(redis_program().parents[1].parent)}

    def answers(self) -> bool:
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

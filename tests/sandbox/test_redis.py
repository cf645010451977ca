import os
import socket
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.sandbox.redis import Redis, redis_program


def test_a_server_with_an_appendonly_file_has_its_entries_after_a_crash() -> None:
    with Redis(appendonly=True, options={"appendfsync": "always"}) as redis:
        _say(redis, "XADD dev-stream * type a")

        redis.kill()
        redis.start()

        assert _say(redis, "XLEN dev-stream") == ":1"


def test_a_server_without_one_has_lost_them() -> None:
    with Redis() as redis:
        _say(redis, "XADD dev-stream * type a")

        redis.stop()
        redis.start()

        assert _say(redis, "XLEN dev-stream") == ":0"


def test_a_server_has_the_memory_and_the_eviction_that_were_asked_for() -> None:
    with Redis(options={"maxmemory": "20mb", "maxmemory-policy": "allkeys-lru"}) as redis:
        assert _say(redis, "CONFIG GET maxmemory-policy").endswith("allkeys-lru")


def test_a_server_that_wants_a_password_is_ready_too() -> None:
    with Redis(options={"requirepass": "opensesame"}) as redis:
        assert _say(redis, "XLEN dev-stream").startswith("-NOAUTH")


def test_a_closed_server_leaves_nothing(redis_server: Redis) -> None:
    redis_server.close()

    assert not redis_server.scratch.exists()


def test_a_server_on_the_path_goes_before_debians(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "redis-server"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert redis_program() == installed


def test_a_machine_that_cannot_have_one_is_told_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    with pytest.raises(ConfigurationError, match=r"^the sandbox needs redis: .*$"):
        redis_program()


def _say(redis: Redis, command: str) -> str:
    with socket.create_connection(("127.0.0.1", redis.port)) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1_000).decode().strip()

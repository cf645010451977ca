"""A command whose Kafka or registry does not answer says why, in one line, soon."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import main
from streams.cli.options import WAIT_SECONDS
from tests.certificates import certificate

SOON = WAIT_SECONDS + 8
"""Seconds that a command in this process may take, on a busy machine."""
COMMANDS = [
    ("topics",),
    ("topics", "--create"),
    ("record",),
    ("explain", "--learner", "1"),
    ("forget", "--learner", "1"),
    ("reconcile",),
    ("status",),
    ("catalog", "history"),
    ("catalog", "show"),
    ("catalog", "publish", "streams/sandbox/catalog.yaml"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "0:0"),
    ("dead-letters", "redrive", "--all"),
]


def said(*arguments: str, **settings: str) -> tuple[int, list[str], float]:
    """The exit code, the lines on standard error, the seconds that it took."""
    others: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BADGES_")}
    began = time.monotonic()
    ran = CliRunner().invoke(main, arguments, env=others | settings)
    seconds = time.monotonic() - began
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.stdout == ""
    return ran.exit_code, ran.stderr.splitlines(), seconds


def said_by_a_process(*arguments: str, **settings: str) -> tuple[int, list[str]]:
    """The exit code, the lines on standard error, of a command that is run as an operator does."""
    program = [sys.executable, "-c", "from streams.cli import main; main(prog_name='badge-streams')"]
    run = subprocess.run(
        [*program, *arguments], env=settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout == ""
    return run.returncode, run.stderr.splitlines()


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """An address at which somebody listens: closes after `answer`, or with None says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                taken.append(connection)
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        host, port = server.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                connection.close()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_at_an_address_where_nobody_listens(arguments: tuple[str, ...]) -> None:
    code, lines, seconds = said(*arguments, "--wait", "0.5", BADGES_KAFKA="127.0.0.1:1")

    assert code == 1
    [line] = lines
    assert line.startswith("Kafka at 127.0.0.1:1 cannot be reached within 0.5 s: ")
    assert "Connect call failed" in line
    assert seconds < SOON


def test_a_command_gives_up_by_itself() -> None:
    code, [line] = said_by_a_process("topics", BADGES_KAFKA="127.0.0.1:1")

    assert code == 1
    assert "Connect call failed" in line
    assert f"within {WAIT_SECONDS:g} s" in line


def test_a_name_that_there_is_not() -> None:
    code, [line], _ = said("topics", "--wait", "0.5", BADGES_KAFKA="kafka.invalid:9092")

    assert code == 1
    assert "kafka.invalid:9092: " in line


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silence", "HTTP"])
def test_somebody_else_than_kafka_listens(answer: bytes | None) -> None:
    with listening(answer) as address:
        code, lines, seconds = said("topics", "--wait", "1", BADGES_KAFKA=address)

    assert (code, len(lines), seconds < SOON) == (1, 1, True)
    assert lines[0].startswith(f"Kafka at {address} cannot be reached within 1 s: ")


def test_a_wrong_authority_is_named_at_once(tmp_path: Path) -> None:
    authority, other = certificate(tmp_path, "one"), certificate(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)

    async def scenario() -> tuple[int, list[str], float]:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(
                said,
                "topics",
                BADGES_KAFKA=f"127.0.0.1:{port}",
                BADGES_KAFKA_SECURITY_PROTOCOL="SSL",
                BADGES_KAFKA_CA_FILE=str(other[0]),
            )

    code, lines, _ = asyncio.run(scenario())

    assert (code, len(lines)) == (1, 1)
    assert "its certificate is not trusted" in lines[0]
    assert "BADGES_KAFKA_CA_FILE" in lines[0]

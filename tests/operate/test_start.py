"""A command starts without what only a worker needs."""

import subprocess
import sys
from pathlib import Path

import pytest

import streams.operate

FOLDER = Path(streams.operate.__file__).parent
COMMANDS = sorted(f"streams.operate.{file.stem}" for file in FOLDER.glob("[a-z]*.py"))
WORKER = ("faust", "mode", "streams.runtime")
NETWORK = ("aiohttp", "prometheus_client", "stamina", "streams.issuers.known")
HTTP = {
    "streams.operate.api",
    "streams.operate.asking",
    "streams.operate.catch_up",
    "streams.operate.decoding",
    "streams.operate.reconcile",
    "streams.operate.record",
    "streams.operate.redrive",
    "streams.operate.status",
    "streams.operate.rotate",
    "streams.operate.templates",
    "streams.operate.try_key",
}
"""They ask an issuer, the registry or the API, or know how one is asked."""


def imported(statement: str) -> set[str]:
    """The modules of a fresh process after the statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_nothing_of_a_workers(command: str) -> None:
    found = imported(f"import {command}")
    assert command in found
    assert found.isdisjoint({*WORKER, *(() if command in HTTP else NETWORK)})


@pytest.mark.parametrize("module", ["streams.cli", "streams.tracker", "streams.relay", "streams.catalog"])
def test_what_needs_no_broker_imports_no_client_of_one(module: str) -> None:
    found = imported(f"import {module}")
    assert module in found
    assert found.isdisjoint({*WORKER, "aiokafka", "prometheus_client"})


@pytest.mark.parametrize("module", ["streams.cli", "streams.catalog", "streams.operate.simulate"])
def test_what_asks_nobody_imports_no_event_loop(module: str) -> None:
    assert "asyncio" not in imported(f"import {module}")

"""A tracker as an operator meets it: its pages, its end, Faust's own command line."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.process import Deadline, Process
from tests import pages
from tests.here import on_bus

CATALOG = Path(__file__).parents[2] / "streams" / "sandbox" / "catalog.yaml"
FAUST = [sys.executable, "-m", "faust", "-A", "streams.tracker"]


@pytest.fixture
def commands(sandbox: Bus, app_prefix: str) -> Commands:
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=2)
    commands.run("topics", "--create", "--all")
    return commands


def test_the_pages_say_how_the_tracker_is(commands: Commands, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n")
    tracker = commands.start("tracker", log=tmp_path / "log", BADGES_HTTP_TOKEN_FILE=str(token))
    try:
        address = _address(tracker)
        _eventually(lambda: _get(f"{address}/ready")[0] == 200, "the tracker is ready")

        assert _get(f"{address}/live")[0] == 200
        _, health = _get(f"{address}/health")
        assert commands.settings["BADGES_APP_ID"] not in health
        status, health = _get(f"{address}/health", token="a-token")
        assert status == 200
        told = json.loads(health)
        assert "org.openedx.learning.certificate.created.v1" in told["event_types"]
        assert told["catalog"]["templates"] == 8
        assert told["registry"] == commands.settings["BADGES_REGISTRY"]
        assert all(partition["ready"] for partition in told["partitions"].values())
        _, metrics = _get(f"{address}/metrics", token="a-token")
        assert 'badges_catalog_templates{state="active"} 8.0' in metrics
        assert re.search(r'badges_build_info{python="3\.\d+\.\d+",version="[^"]+"} 1\.0', metrics)
    finally:
        code = tracker.stop()

    assert code == 0


def test_a_tracker_without_its_topics_says_so_in_one_line_and_ends(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    commands = on_bus(sandbox, app_prefix, catalog=CATALOG, partitions=2)
    tracker = commands.start("tracker", log=tmp_path / "log")

    assert tracker.wait(30) == 1
    log = tracker.log.read_text()
    assert f"topic {app_prefix}-tracker-activities does not exist" in log
    assert "Traceback" not in log


def test_a_tracker_whose_topics_have_other_partitions_says_so_and_ends(
    commands: Commands, tmp_path: Path
) -> None:
    tracker = commands.start("tracker", log=tmp_path / "log", BADGES_PARTITIONS="3")

    assert tracker.wait(30) == 1
    assert re.search(
        r"topic \S+-progress-changelog has 2 partitions, the settings want 3", tracker.log.read_text()
    )


@pytest.mark.parametrize("worker", ["tracker", "relay"])
def test_a_worker_without_a_catalog_waits_alive_until_one_is_published(
    commands: Commands, tmp_path: Path, worker: str
) -> None:
    waiting = commands.start(worker, log=tmp_path / "log", BADGES_CATALOG="")
    try:
        address = _address(waiting)
        _eventually(lambda: "catalog publish" in _get(f"{address}/ready")[1], "it says what it waits for")
        assert _get(f"{address}/ready")[0] == 503
        assert _get(f"{address}/live")[0] == 200
        assert _get(f"{address}/health")[0] == 200

        commands.run("catalog", "publish", "-", given=CATALOG.read_text())

        _eventually(lambda: _get(f"{address}/ready")[0] == 200, "it is ready")
    finally:
        assert waiting.stop() == 0


def test_a_worker_that_waits_for_a_catalog_ends_when_it_is_told_to(
    commands: Commands, tmp_path: Path
) -> None:
    waiting = commands.start("tracker", log=tmp_path / "log", BADGES_CATALOG="")
    _eventually(lambda: "waits for a catalog" in waiting.log.read_text(), "it waits")

    assert waiting.stop() == 0


def test_of_two_workers_with_one_instance_id_the_first_ends_and_says_why(
    commands: Commands, tmp_path: Path
) -> None:
    first = commands.start("tracker", log=tmp_path / "first", BADGES_INSTANCE_ID="one")
    try:
        _eventually(lambda: _get(f"{_address(first)}/ready")[0] == 200, "the first is ready")

        second = commands.start("tracker", log=tmp_path / "second", BADGES_INSTANCE_ID="one")
        try:
            assert first.wait(30) == 1
            assert "another one has joined with its BADGES_INSTANCE_ID, one" in first.log.read_text()
            _eventually(lambda: _get(f"{_address(second)}/ready")[0] == 200, "the second is ready")
        finally:
            second.kill()
    finally:
        first.kill()


def test_fausts_own_command_line_works(commands: Commands) -> None:
    environment = {**os.environ, **commands.settings}

    for command, shown in ((("tables",), "progress"), (("agents",), "rekey")):
        ran = subprocess.run([*FAUST, *command], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert shown in ran.stdout


def test_faust_runs_the_tracker_too(commands: Commands, tmp_path: Path) -> None:
    log = tmp_path / "log"
    tracker = Process([*FAUST, "worker", "-l", "info"], log=log, env={**os.environ, **commands.settings})
    try:
        address = _address(tracker)
        _eventually(lambda: _get(f"{address}/ready")[0] == 200, "the tracker is ready")
        tracker.send(signal.SIGTERM)
        assert tracker.wait(20) == 0
    finally:
        tracker.kill()


def _address(tracker: Process) -> str:
    """Where the pages are, out of the worker's log."""
    _eventually(lambda: pages.address(tracker.log.read_text()), "the pages are served")
    found = pages.address(tracker.log.read_text())
    assert found is not None
    return found


def _get(url: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _eventually(holds: Callable[[], Any], what: str) -> None:
    deadline = Deadline(30, what)
    while not holds():
        deadline.wait()

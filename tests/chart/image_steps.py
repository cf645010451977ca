"""The Dockerfile's steps without an engine: `make test-helm` runs this file.

The build stage's COPY and RUN are done in a folder, `/opt/badge-streams` being another one; the image
itself is never built here.
"""

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest

from streams.sandbox.bus import Bus
from streams.sandbox.commands import on_bus
from streams.sandbox.process import Deadline
from tests import pages

from .chart_files import ROOT
from .dockerfile import stages, words

INSTALLED = "/opt/badge-streams"
CATALOG = ROOT / "streams" / "sandbox" / "catalog.yaml"
UNSHARED = ["unshare", "--mount", "/bin/sh", "-c"]
READ_ONLY = 'mount -o remount,bind,ro / && cd / && ! test -w / && exec "$@"'
"""Runs its arguments where not even /tmp can be written to, unless that is a file system of its own."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage leaves behind for the final one."""
    [build, _] = stages()
    source, installed = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("opt") / "badge-streams"
    for copy in words(build, "COPY"):
        for name in copy.sources:
            copy_into(source, name)
    for step in words(build, "RUN"):
        command = step.rest.replace(INSTALLED, str(installed)).replace("python -m", f"{sys.executable} -m")
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=source, env=clean(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return installed


def clean() -> dict[str, str]:
    """The environment as a builder of images has it: the tests' own turns warnings into errors."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("BADGES_", "PYTHON"))}


def copy_into(folder: Path, name: str) -> None:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / name).is_dir():
        shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(ROOT / name, target)


def run(environment: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=environment.parent,
        env=clean(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("command", ["tracker", "relay", "site", "topics"])
def test_the_image_has_the_commands_that_run_in_it(environment: Path, command: str) -> None:
    answered = run(environment, "badge-streams", command, "--help")

    assert answered.returncode == 0, answered.stderr
    assert command != "topics" or "--create" in answered.stdout


def test_the_image_holds_the_constraints_versions_and_no_development_tool(environment: Path) -> None:
    listed = (
        "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    )

    installed = {pin(line) for line in run(environment, "python", "-c", listed).stdout.split()}

    pinned = {pin(line) for line in (ROOT / "constraints.txt").read_text().split()}
    assert {one for one in installed if not one.startswith("badge-streams==")} <= pinned
    assert {
        name for name in ("pytest", "mypy", "ruff", "pip") if any(f"{name}==" in one for one in installed)
    } == set()


def pin(line: str) -> str:
    return line.lower().replace("_", "-")


def test_the_image_carries_the_events_schemas(environment: Path) -> None:
    folder = "import pathlib, streams; print(pathlib.Path(streams.__file__).parent / 'schemas')"

    schemas = Path(run(environment, "python", "-c", folder).stdout.strip())

    assert {path.name for path in schemas.glob("*.avsc")} == {
        path.name for path in (ROOT / "avro").glob("*.avsc")
    }


def may_mount() -> bool:
    """Whether this process may make a file system of its own read-only."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*UNSHARED, READ_ONLY, "sh", "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs unshare, and root's right to mount")
@pytest.mark.parametrize("worker", ["tracker", "relay", "site"])
def test_a_worker_becomes_ready_on_a_read_only_file_system(
    environment: Path, sandbox: Bus, tmp_path: Path, worker: str
) -> None:
    commands = on_bus(sandbox, f"image-{uuid4().hex[:8]}", catalog=CATALOG, partitions=2)
    commands.run("topics", "--create", "--all")
    program = environment / "bin" / "badge-streams"

    started = commands.launch(
        [*UNSHARED, READ_ONLY, "sh", str(program), worker], log=tmp_path / "log", HOME="/"
    )

    try:
        deadline = Deadline(30, f"the {worker} is ready")
        while not is_ready(started.log.read_text()):
            deadline.wait()
    finally:
        code = started.stop()
    assert code == 0, started.log.read_text()


def is_ready(log: str) -> bool:
    """Whether the worker, whose address its log names, says that it is ready."""
    found = pages.address(log)
    try:
        return found is not None and urllib.request.urlopen(f"{found}/ready", timeout=5).status == 200
    except urllib.error.HTTPError:
        return False

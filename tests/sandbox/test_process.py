import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from streams.sandbox.process import Deadline, Process, tail


def test_a_stopped_child_has_had_its_chance_to_clean_up(tmp_path: Path) -> None:
    # given
    script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"
    child = Process(["sh", "-c", script], log=tmp_path / "log")
    _until(lambda: "up" in tail(child.log))
    # when
    code = child.stop()
    # then
    assert code == 7
    _until(lambda: not _group_exists(child.pid))


def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    child = Process(["sleep", "60"], log=tmp_path / "log")
    child.send(signal.SIGSTOP)
    assert child.stop() == -signal.SIGTERM


def test_a_child_that_ends_by_itself_tells_its_exit_code(tmp_path: Path) -> None:
    child = Process(["sh", "-c", "echo said; exit 3"], log=tmp_path / "log")
    assert child.wait(10) == 3
    assert tail(child.log) == "said"
    _until(lambda: not _group_exists(child.pid))


def test_waiting_for_a_child_has_a_limit(tmp_path: Path) -> None:
    child = Process(["sleep", "60"], log=tmp_path / "log")
    with pytest.raises(TimeoutError):
        child.wait(0.01)
    assert child.kill() == -signal.SIGKILL


def test_a_child_dies_with_its_parent_and_its_scratch_folder_goes(tmp_path: Path) -> None:
    # given
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    parent = textwrap.dedent(f"""
        import pathlib, time
        from streams.sandbox.process import Process
        child = Process(["sleep", "600"], log=pathlib.Path({str(tmp_path / "log")!r}),
                        scratch=pathlib.Path({str(scratch)!r}))
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    # when
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    # then
    _until(lambda: not _group_exists(pid))
    _until(lambda: not scratch.exists())


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(holds: object) -> None:
    assert callable(holds)
    deadline = Deadline(20, "the condition does not come true", pause=0.01)
    while not holds():
        deadline.wait()

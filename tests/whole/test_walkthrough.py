"""`docs/walkthrough.md`, followed to the letter."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from select import select

import pytest

from streams.sandbox.process import Deadline

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "walkthrough.md"
WITHIN = 90.0
END = "--- this is what the command has said ---"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and what it says; `…` stands for anything."""

    command: str
    says: str


def steps(document: str) -> Iterator[Step]:
    for block in re.findall(r"```console\n(.*?)```", document, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            more = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
            command = [lines[0], *(line[2:] for line in lines[1:more])]
            yield Step("\n".join(command), "\n".join(lines[more:]))


class Shell:
    """One bash, which is told a command after the other, and all that it has started."""

    def __init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BADGES_")}
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=kept | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )

    def says(self, command: str) -> str:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{command}\necho '{END}'\n".encode())
        self._bash.stdin.flush()
        said = b""
        while not said.endswith(f"{END}\n".encode()):
            ready, _, _ = select([self._bash.stdout], [], [], WITHIN)
            assert ready, f"{command!r} has said nothing for long, before that: {said.decode()}"
            part = os.read(self._bash.stdout.fileno(), 65_536)
            assert part, f"the shell ended at {command!r}: {said.decode()}"
            said += part
        return said.decode().removesuffix(f"{END}\n").rstrip()

    def end(self) -> None:
        """End it and all that it has started and not ended."""
        with self._bash, suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGTERM)
            self._bash.wait(10)
            with suppress(TimeoutError):
                deadline = Deadline(20, "what the shell has started has ended")
                while True:
                    os.killpg(self._bash.pid, 0)
                    deadline.wait()
            os.killpg(self._bash.pid, signal.SIGKILL)


def as_shown(shown: str, said: str) -> bool:
    pattern = ".*".join(map(re.escape, shown.rstrip().split("…")))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


@pytest.mark.broker
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform == "win32", reason="a walk in bash")
def test_the_walkthrough_goes_as_it_says() -> None:
    shell = Shell()
    try:
        for step in steps(DOCUMENT.read_text()):
            said = shell.says(step.command)
            assert as_shown(step.says, said), f"$ {step.command}\n{said}\n--- and not\n{step.says}"
    finally:
        shell.end()

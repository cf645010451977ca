"""Child processes that never outlive this one."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

READY_SECONDS = 60.0
"""Until a Java server answers: it needs a few seconds, the rest is for a busy machine."""

# The child's process group has a guard in it, which waits until our end of a pipe closes: that happens even
# after `kill -9`. While the guard lives, no other group gets the number, so it cannot kill a stranger.
_GUARDED = """
exec 3<&0 </dev/null
(cat >/dev/null; kill -KILL $$; [ -n "$0" ] && rm -rf "$0") <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class Process:
    """A running child in a process group of its own; its output goes to `log`.

    However this process ends, the child is killed then, and the folder `scratch` is removed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDED, str(scratch or ""), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's own process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The child's exit code: None while it runs, negative if a signal has ended it."""
        return self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child, if it still runs."""
        if self.exit_code is None:
            self._child.send_signal(number)

    def stop(self, within: float = 20.0) -> int:
        """Ask the child to end, and kill it after `within` seconds; returns its exit code."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        return self._bury()

    def kill(self) -> int:
        """End the child at once, as a crash would; returns its exit code."""
        self.send(signal.SIGKILL)
        return self._bury()

    def wait(self, within: float) -> int:
        """The exit code of a child that ends by itself; `TimeoutError` after `within` seconds."""
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} still runs after {within:g} s") from None
        return self._bury()

    def _bury(self) -> int:
        code = self._child.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if self._child.stdin is not None:
            self._child.stdin.close()
        return code


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


class Deadline:
    """A limit for a loop that waits: `wait` pauses, and raises `TimeoutError` after `seconds`."""

    def __init__(self, seconds: float, what: str, pause: float = 0.05) -> None:
        self._until = time.monotonic() + seconds
        self._what = what
        self._pause = pause

    def wait(self) -> bool:
        """Pause for a moment, then return True; raises `TimeoutError` when the limit has passed."""
        if time.monotonic() > self._until:
            raise TimeoutError(self._what)
        time.sleep(self._pause)
        return True

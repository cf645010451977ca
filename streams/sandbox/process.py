"""Child processes that never outlive us."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

READY_SECONDS = 60.0
"""Until a Java server answers: it needs a few seconds, the rest is for a busy machine."""

# The child's group has a guard in it, which waits for our end of a pipe to close: also after our `kill -9`.
# The group's number stays taken while the guard lives, so that it can never kill a stranger.
_GUARDED = """
exec 3<&0 </dev/null
(cat >/dev/null; kill -KILL $$; [ -n "$0" ] && rm -rf "$0") <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class Process:
    """A running child in a process group of its own.

    What it says goes to `log`. However this process ends, so does the child, and then `scratch` is removed.
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
        """None while the child runs; negative: the signal that ended it."""
        return self._child.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the child, if it still runs."""
        if self.exit_code is None:
            self._child.send_signal(number)

    def stop(self, within: float = 20.0) -> int:
        """Ask the child to end, kill it if it has not after `within` seconds; return its exit code."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        return self._bury()

    def kill(self) -> int:
        """End the child at once, as a crash would; return its exit code."""
        self.send(signal.SIGKILL)
        return self._bury()

    def wait(self, within: float) -> int:
        """Wait until the child has ended by itself; raise `TimeoutError` after `within` seconds."""
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
    """A limit for waiting: `while deadline.wait():` ends the loop with `TimeoutError` once it has passed."""

    def __init__(self, seconds: float, what: str, pause: float = 0.05) -> None:
        self._until = time.monotonic() + seconds
        self._what = what
        self._pause = pause

    def wait(self) -> bool:
        """Pause for a moment; raise `TimeoutError` when the limit has passed."""
        if time.monotonic() > self._until:
            raise TimeoutError(self._what)
        time.sleep(self._pause)
        return True

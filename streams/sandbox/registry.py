"""A real schema registry, run from here: Apicurio, with its Confluent-compatible API."""

import json
import shutil
import signal
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

from streams.sandbox.jars import JVM, jars, java
from streams.sandbox.kafka import free_ports
from streams.sandbox.process import READY_SECONDS, Deadline, Process, tail


class Apicurio:
    """A registry of our own, in memory, on a free port of 127.0.0.1.

    Its compatibility is BACKWARD, as Confluent's is at first. When it ends it loses what was registered; an
    outage that loses nothing is `pause` and `resume`.
    """

    def __init__(self) -> None:
        self.scratch = Path(mkdtemp(prefix="badge-streams-registry-"))
        self._port = free_ports(1)[0]
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where its Confluent-compatible API is."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.scratch / "registry.log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = Process(self._command(), log=self.log, scratch=self.scratch)
        deadline = Deadline(READY_SECONDS, "the registry is not ready")
        while not self._configured():
            if self._process.exit_code is not None:
                raise RuntimeError(f"the registry ended: {tail(self.log)}")
            deadline.wait()

    def stop(self) -> None:
        """End it; its port refuses connections until it is started again."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def pause(self) -> None:
        """Freeze it: connections are accepted, but nothing answers."""
        if self._process is not None:
            self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._process is not None:
            self._process.send(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _command(self) -> list[str]:
        options = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self._port),
            # Recognize a schema however its text is formatted, as Confluent's registry does.
            "registry.ccompat.use-canonical-hash": "true",
            "java.io.tmpdir": str(self.scratch),
        }
        return [java(), *JVM, *(f"-D{k}={v}" for k, v in options.items()), "-jar", str(jars().registry)]

    def _configured(self) -> bool:
        body = json.dumps({"compatibility": "BACKWARD"}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/config", body, headers, method="PUT")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

"""A real schema registry, run from here: Apicurio, with its Confluent-compatible API."""

import json
import urllib.error
import urllib.request

from streams.sandbox.jars import JVM, jars, java
from streams.sandbox.kafka import free_ports
from streams.sandbox.server import OneProcess


class Apicurio(OneProcess):
    """A registry of our own, in memory, on a free port of 127.0.0.1.

    Its compatibility is BACKWARD, as Confluent's is at first. When it ends it loses what was registered; an
    outage that loses nothing is `pause` and `resume`.
    """

    def __init__(self) -> None:
        super().__init__("registry")
        self._port = free_ports(1)[0]

    @property
    def url(self) -> str:
        """Where its Confluent-compatible API is."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def stop(self) -> None:
        """End it; its port refuses connections until it is started again."""
        # It keeps nothing: to wait until it has closed everything costs seconds.
        self.kill()

    def command(self) -> list[str]:
        """What starts it, in memory."""
        options = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self._port),
            # Recognize a schema however its text is formatted, as Confluent's registry does.
            "registry.ccompat.use-canonical-hash": "true",
            "java.io.tmpdir": str(self.scratch),
        }
        return [java(), *JVM, *(f"-D{k}={v}" for k, v in options.items()), "-jar", str(jars().registry)]

    def answers(self) -> bool:
        """Whether it takes its configuration."""
        body = json.dumps({"compatibility": "BACKWARD"}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/config", body, headers, method="PUT")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

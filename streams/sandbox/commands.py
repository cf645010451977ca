"""Runs the product's own commands as an operator does: one process each, settings from the environment."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.errors import FatalError
from streams.sandbox import publisher
from streams.sandbox.bus import Bus
from streams.sandbox.process import Process
from streams.settings import Settings
from streams.supervisor.child import badge_streams


@dataclass(frozen=True, slots=True)
class Commands:
    """`badge-streams` with these `BADGES_` settings and no others."""

    settings: Mapping[str, str]

    @property
    def parsed(self) -> Settings:
        """The settings as the commands see them."""
        return Settings.model_validate(
            {name.removeprefix("BADGES_").lower(): value for name, value in self.settings.items()}
        )

    def run(
        self, *arguments: str, within: float = 60.0, given: str = "", codes: tuple[int, ...] = (0,)
    ) -> str:
        """Run a command to its end, `given` on its standard input; returns what it printed.

        Raises `FatalError` for another exit code than `codes`.
        """
        run = subprocess.run(
            badge_streams(*arguments),
            env=self._environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
        if run.returncode not in codes:
            raise FatalError(
                f"badge-streams {' '.join(arguments)} ended with {run.returncode}: {run.stderr or run.stdout}"
            )
        return run.stdout

    def start(self, *arguments: str, log: Path, **settings: str) -> Process:
        """Start a worker, with `settings` in addition to the common ones."""
        return self.launch(badge_streams(*arguments), log=log, **settings)

    def launch(self, command: Sequence[str], *, log: Path, **settings: str) -> Process:
        """Start any program in the way a worker is started."""
        return Process(command, log=log, env=self._environment() | settings)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BADGES_")}
        return kept | dict(self.settings)


def on_bus(bus: Bus, name: str, *, catalog: Path, partitions: int, **more: str) -> Commands:
    """The commands on a sandbox's bus; topics and groups begin with `name`, and the LMS's topics are read.

    `more` are further settings, by their full names.
    """
    return Commands(
        {
            "BADGES_KAFKA": bus.kafka,
            "BADGES_REGISTRY": bus.registry,
            "BADGES_APP_ID": f"{name}-tracker",
            "BADGES_RELAY_ID": f"{name}-relay",
            "BADGES_TOPIC_PREFIX": name,
            "BADGES_SOURCE_TOPICS": ",".join(publisher.source_topics(name)),
            "BADGES_CATALOG": str(catalog),
            "BADGES_PARTITIONS": str(partitions),
            "BADGES_REPLICATION": "1",
            "BADGES_HTTP": "127.0.0.1:0",
            # The sandbox's registry is one node, which knows a schema at once.
            "BADGES_SCHEMA_WAIT_SECONDS": "1",
        }
        | ({"BADGES_BUS": "redis", "BADGES_REDIS": bus.redis} if bus.redis else {})
        | more
    )

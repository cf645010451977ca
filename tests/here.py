"""The product's commands, run in the tests' own process; workers are processes, as ever.

To start Python and import the product takes a second of a processor for each command, and most broker tests
begin with one.
"""

import os
from pathlib import Path
from threading import Lock

from click.testing import CliRunner

from streams.cli import main
from streams.errors import FatalError
from streams.sandbox import commands
from streams.sandbox.bus import Bus

ALONE = Lock()
"""A command that runs here has the process's output and environment for itself."""

UNCLOSED = "error,ignore::ResourceWarning"
"""Nor need a process say, as it ends, that it has left a connection to the system to close."""


class Here(commands.Commands):
    """Runs commands in this process, one at a time; in an event loop, through `asyncio.to_thread`.

    Those that speak TLS to Kafka run as processes.
    """

    __slots__ = ()

    def run(
        self, *arguments: str, within: float = 60.0, given: str = "", codes: tuple[int, ...] = (0,)
    ) -> str:
        if self.settings.get("BADGES_KAFKA_SECURITY_PROTOCOL", "").endswith("SSL"):
            # A command ends without waiting for a broker's answer to its goodbye by TLS. With its process all
            # is closed; here, asyncio would complain of it in the midst of some later test.
            alone = commands.Commands(dict(self.settings) | {"PYTHONWARNINGS": UNCLOSED})
            return alone.run(*arguments, within=within, given=given, codes=codes)
        others = {name: None for name in os.environ if name.startswith("BADGES_")}
        if not ALONE.acquire(blocking=False):
            raise RuntimeError("what runs at the same time as another command runs as a process")
        try:
            ran = CliRunner().invoke(main, arguments, input=given, env=others | dict(self.settings))
        finally:
            ALONE.release()
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        if ran.exit_code not in codes:
            raise FatalError(
                f"badge-streams {' '.join(arguments)} ended with {ran.exit_code}: {ran.stderr or ran.stdout}"
            )
        return ran.stdout


def on_bus(bus: Bus, name: str, *, catalog: Path, partitions: int, **more: str) -> Here:
    """The commands on a sandbox's bus, as `streams.sandbox.commands.on_bus` has them."""
    return Here(commands.on_bus(bus, name, catalog=catalog, partitions=partitions, **more).settings)

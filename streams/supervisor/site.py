"""Which workers a site needs by its settings, and running them."""

import asyncio
import logging.config
import sys
from collections.abc import Callable, Collection
from typing import Literal

import orjson

from streams import logs
from streams.settings import Settings, load_settings
from streams.supervisor import WORKERS
from streams.supervisor.child import Worker, badge_streams
from streams.supervisor.supervisor import Supervisor

DEFAULT_HTTP = "127.0.0.1:8080"


def run(without: Collection[str]) -> None:
    """Run the site's workers but those named, until a signal.

    Raises `ConfigurationError` where one cannot run.
    """
    settings = load_settings()
    logging.config.dictConfig(logs.configuration(settings.log_format))
    names = [name for name in wanted(settings) if name not in without]
    workers = [Worker(name, badge_streams(name), of_its_own(name, settings)) for name in names]
    supervisor = Supervisor(workers, settings.http or DEFAULT_HTTP, to_stderr(settings.log_format))
    asyncio.run(supervisor.run())


def wanted(settings: Settings) -> list[str]:
    """The workers that a site with these settings needs.

    The relay is among them though no badge may be for it to issue: another catalog may name one at any time.
    The API believes nobody without the LMS's keys.
    """
    unneeded = set() if settings.bus == "redis" else {"bridge"}
    if not (settings.api_keys_file or settings.api_keys_url or settings.api_demo_login):
        unneeded.add("api")
    return [name for name in WORKERS if name not in unneeded]


def of_its_own(worker: str, settings: Settings) -> dict[str, str]:
    """A worker's settings besides the site's: the API's console asks for the pages of this site."""
    host, _, port = (settings.http or DEFAULT_HTTP).rpartition(":")
    if worker != "api" or settings.console_workers or host == "fd" or port == "0":
        return {}
    return {"BADGES_CONSOLE_WORKERS": f"{'127.0.0.1' if host == '*' else host}:{port}"}


def named(worker: str, line: bytes, log_format: Literal["console", "json"]) -> bytes:
    """A line of a worker's log, with the worker's name; where lines are JSON, another text becomes that."""
    if log_format == "console":
        return b"%s: %s\n" % (worker.encode(), line)
    if line.startswith(b'{"') and line.endswith(b"}"):
        return b'{"worker":"%s",%s\n' % (worker.encode(), line[1:])
    return orjson.dumps({"worker": worker, "message": line.decode(errors="replace")}) + b"\n"


def to_stderr(log_format: Literal["console", "json"]) -> Callable[[str, bytes], None]:
    """What writes the workers' lines to standard error, where ours are."""

    def write(worker: str, line: bytes) -> None:
        sys.stderr.buffer.write(named(worker, line, log_format))
        sys.stderr.buffer.flush()

    return write

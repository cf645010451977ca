"""The demo's site after the demo: it stays, to be looked at, until somebody ends it."""

import asyncio
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from streams.errors import FatalError
from streams.sandbox.process import Process, tail

ADDRESS = re.compile(r"api at (http://[^/\s]+)/")
LISTENS_SECONDS = 20.0
"""A limit, not a wait: the API was started with the other workers, before the demo."""
LOOK_SECONDS = 0.2


async def keep(
    console: Console,
    settings: Mapping[str, str],
    workers: Mapping[str, Process],
    folder: Path,
    learner: int,
    credential: str,
) -> None:
    """Say where to look, and return at Ctrl-C or SIGTERM; `FatalError` where a worker ends before that."""
    from streams.api.demo import CONSOLE, PATH  # needs the extra `api`

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    try:
        address = await _address(workers["api"].log)
        environment = folder / "site.env"
        environment.write_text(_exports(settings))
        console.rule("The site stays until Ctrl-C")
        said = {
            f"Learner {learner}'s page": f"{address}{PATH}?lms_user_id={learner}",
            "The console, for administrators": f"{address}{PATH}?lms_user_id={learner}&next={CONSOLE}",
            "An Open Badge": f"{address}{urlsplit(credential).path}",
            "Commands at this site": f". {environment} && badge-streams explain --learner {learner}",
        }
        for what, where in said.items():
            console.print(f"{what}: {where}", markup=False, highlight=False, soft_wrap=True)
        while not over.is_set():
            _all_run(workers)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), LOOK_SECONDS)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _exports(settings: Mapping[str, str]) -> str:
    """What makes a shell one of this site's: its settings, and `badge-streams` on the path."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    return f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n' + "".join(lines)


async def _address(log: Path) -> str:
    """Where the API listens, as its log has it."""
    try:
        async with asyncio.timeout(LISTENS_SECONDS):
            while (found := ADDRESS.search(tail(log, lines=1_000))) is None:
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise FatalError(f"the api does not listen:\n{tail(log)}") from None
    return found[1]


def _all_run(workers: Mapping[str, Process]) -> None:
    for name, worker in workers.items():
        if worker.exit_code is not None:
            raise FatalError(f"the {name} ended with {worker.exit_code}:\n{tail(worker.log)}")

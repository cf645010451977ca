"""Running a Faust app as a worker process."""

import asyncio
from collections.abc import Callable
from typing import NoReturn

from faust.worker import Worker

from streams.runtime import App
from streams.settings import Settings, load_settings


def run(build: Callable[[Settings], App]) -> NoReturn:
    """Run the app that `build` makes until a signal or a fatal error; never returns.

    Raises `ConfigurationError` where a setting is wrong.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build(load_settings())
    app.finalize()
    Worker(app, loglevel="info", loop=loop).execute_from_commandline()
    raise SystemExit(0)

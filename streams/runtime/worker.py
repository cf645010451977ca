"""Running a Faust app as a worker process."""

import asyncio
import gc
from collections.abc import Callable
from typing import NoReturn

from faust.worker import Worker

from streams.runtime.app import App
from streams.settings import Settings, load_settings

GARBAGE_THRESHOLDS = (100_000, 20, 50)
"""The progress that a unit holds is tens of thousands of small objects that live and die together, without
cycles: looking for cycles among them as often as Python does by default took a twentieth of the worker's
processor time."""


def run(build: Callable[[Settings], App]) -> NoReturn:
    """Run the app that `build` makes until a signal or a fatal error; never returns.

    Raises `ConfigurationError` where a setting is wrong.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    app = build(load_settings())
    app.finalize()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    Worker(app, loglevel="info", loop=loop).execute_from_commandline()
    raise SystemExit(0)

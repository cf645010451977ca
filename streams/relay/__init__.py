"""The relay, a worker: from badge events to badges at their issuer (decision 0018).

`app` (for `faust -A streams.relay`) is built when first asked for, so importing this package neither
reads the environment nor connects.
"""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.runtime.app import App


@functools.cache
def _app() -> "App":
    from streams.relay.agents import build
    from streams.settings import load_settings

    return build(load_settings())


def __getattr__(name: str) -> "App":
    if name == "app":
        return _app()
    raise AttributeError(name)

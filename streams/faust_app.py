"""How a worker's package has the `app` that `faust -A` asks for."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streams.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.settings import Settings

Build = Callable[["Settings"], Any]


def on_demand(build: Callable[[], Build]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose `app` is built, once, when it is first asked for.

    So importing the package neither reads the environment nor connects; `build` imports what builds the app.
    """
    built: list[Any] = []

    def get(name: str) -> Any:
        if name != "app":
            raise AttributeError(name)
        if not built:
            from streams.settings import load_settings

            try:
                built.append(build()(load_settings()))
            except ConfigurationError as error:
                # Faust would print where in our code it was raised, and end with 1.
                print(error, file=sys.stderr)
                raise SystemExit(2) from None
        return built[0]

    return get

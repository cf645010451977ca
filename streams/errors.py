"""The tree of errors.

::

    BadgeStreamsError
    ├── ConfigurationError      a setting or a catalog is wrong; one clear line, exit code 2
    │   └── CatalogError        carries every fault with its place
    ├── UnreadableError         a record cannot be read or judged; it goes to the dead letters
    └── FatalError              the worker must stop; one clear line, the supervisor restarts it
"""

from collections.abc import Awaitable, Callable, Sequence

from streams.logs import blanked

FAULT_CHARACTERS = 1_000
"""Of a line about a fault, which quotes what is wrong: a screen of them."""


class BadgeStreamsError(Exception):
    """Any error that this product raises on purpose."""


class ConfigurationError(BadgeStreamsError):
    """A setting or document of the operator's is wrong; the message says which and why."""


class CatalogError(ConfigurationError):
    """A catalog was refused. `faults` has a line for each fault, which begins with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        # They quote a document of which anybody may be the author.
        self.faults = tuple(
            blanked(fault if len(fault) <= FAULT_CHARACTERS else f"{fault[:FAULT_CHARACTERS]}…")
            for fault in faults
        )
        super().__init__("\n".join(self.faults))


class UnreadableError(BadgeStreamsError):
    """A record that can never be read; `reason` is a stable word, `detail` holds no personal data."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class FatalError(BadgeStreamsError):
    """The worker cannot go on without breaking a promise."""


class WaitNeeded(Exception):  # noqa: N818 - not an error: it asks for something
    """A record cannot be judged before something has come: await `until()`, then take it again.

    `what` says to an operator what is waited for.
    """

    def __init__(self, what: str, until: Callable[[], Awaitable[None]]) -> None:
        super().__init__(what)
        self.what = what
        self.until = until

"""The receiver behind HTTP.

Under `/_sandbox/` it can be looked at and given orders: `journal`, `badges` (GET), `faults` (POST a JSON
list, which replaces the schedule).
"""

from typing import Any

from streams.sandbox.issuers.server import IssuerServer
from streams.sandbox.webhook.receiver import Receiver


class Server(IssuerServer):
    """Serves a `Receiver` on a port, 0 for any free one, as long as its context lasts."""

    def __init__(self, receiver: Receiver, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(receiver, host, port)
        self.receiver = receiver

    def shown(self, what: str) -> list[Any]:
        """What it was told of badges, besides the journal."""
        return {"badges": list(self.receiver.badges.values())}[what]

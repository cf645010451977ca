"""The service behind HTTP.

Under `/_sandbox/` it can be looked at and given orders: `journal`, `badges` (GET), `accounts`, `groups`,
`credits`, `faults`, `habits` (POST a JSON list; for faults it replaces the schedule, for habits an item
changes what it names).
"""

from dataclasses import replace
from typing import Any

from streams.sandbox.accredible.service import AccredibleSimulator
from streams.sandbox.issuers.server import IssuerServer, Orders


class Server(IssuerServer):
    """Serves an `AccredibleSimulator` on a port, 0 for any free one, as long as its context lasts."""

    def __init__(self, accredible: AccredibleSimulator, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(accredible, host, port)
        self.accredible = accredible

    @property
    def orders(self) -> Orders:
        """The orders that it takes, besides `faults`."""
        return {
            "accounts": self.accredible.add_account,
            "groups": self.accredible.add_group,
            "credits": lambda account, left: self.accredible.credits.update({account: left}),
            "habits": self._change_habits,
        }

    def shown(self, what: str) -> list[Any]:
        """The credentials, besides the journal."""
        return {"badges": list(self.accredible.badges.values())}[what]

    def _change_habits(self, **changes: Any) -> None:
        self.accredible.habits = replace(self.accredible.habits, **changes)

"""The service behind HTTP.

Under `/_sandbox/` it can be looked at and given orders: `journal`, `badges` (GET), `organizations`, `tokens`,
`accounts`, `templates`, `badges`, `replacements`, `events`, `faults`, `manners` (POST a JSON list; for faults
it replaces the schedule, for manners an item changes what it names).
"""

from dataclasses import replace
from typing import Any

from streams.sandbox.credly.service import CredlySimulator
from streams.sandbox.credly.tokens import Token
from streams.sandbox.issuers.server import IssuerServer, Orders


class Server(IssuerServer):
    """Serves a `CredlySimulator` on a port, 0 for any free one, as long as its context lasts."""

    def __init__(self, credly: CredlySimulator, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(credly, host, port)
        self.credly = credly

    @property
    def orders(self) -> Orders:
        """The orders that it takes, besides `faults`."""
        return {
            "organizations": self.credly.add_organization,
            "templates": self.credly.add_template,
            "badges": self.credly.set_state,
            "tokens": lambda **token: self.credly.add_token(Token(**token)),
            "accounts": lambda emails: self.credly.add_account(*emails),
            "replacements": self.credly.replace,
            "events": self.credly.tell,
            "manners": self._change_manners,
        }

    def shown(self, what: str) -> list[Any]:
        """The badges, besides the journal."""
        return {"badges": list(self.credly.badges.values())}[what]

    def _change_manners(self, **changes: Any) -> None:
        self.credly.manners = replace(self.credly.manners, **changes)

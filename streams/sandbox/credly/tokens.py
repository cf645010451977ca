"""The tokens by which organizations call, and what each may do."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streams.sandbox.issuers.calls import Incoming, RefusalError

EXPIRES_AT = "2030-01-01T00:00:00.000+00:00"
"""A time that no test reaches."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an organization and its rights; with an empty `expires_at` it never ends."""

    organization: str
    value: str
    read_enabled: bool = True
    write_enabled: bool = True
    delete_enabled: bool = True
    expires_at: str = EXPIRES_AT

    @property
    def header(self) -> str:
        """The authorization by which it is used."""
        return "Basic " + base64.b64encode(f"{self.value}:".encode()).decode()

    def may(self, method: str) -> bool:
        """Whether the token has the right for a method."""
        match method:
            case "GET":
                return self.read_enabled
            case "DELETE":
                return self.delete_enabled
        return self.write_enabled

    def lasts(self, now: float) -> bool:
        """Whether it has not expired, `now` in seconds since 1970."""
        return not self.expires_at or now < datetime.fromisoformat(self.expires_at).timestamp()


class Tokens:
    """All tokens of all organizations. Two organizations may be called by one value."""

    def __init__(self) -> None:
        self._tokens: list[Token] = []

    def add(self, token: Token) -> None:
        """Know a token."""
        self._tokens = [
            t for t in self._tokens if (t.organization, t.value) != (token.organization, token.value)
        ]
        self._tokens.append(token)

    def only(self, token: Token) -> None:
        """Know this token of its organization, and no other any more."""
        self._tokens = [t for t in self._tokens if t.organization != token.organization]
        self.add(token)

    def documents(self, organization: str) -> list[dict[str, Any]]:
        """The organization's tokens as Credly shows them, with their values."""
        return [_document(token) for token in self._tokens if token.organization == organization]

    def check(self, call: Incoming, now: float) -> None:
        """Raise `RefusalError` unless a token allows the call.

        An organization that is not the token's own does not exist for it.
        """
        sent = call.header("authorization")
        good = [token for token in self._tokens if token.header == sent and token.lasts(now)]
        if not good:
            raise RefusalError(401, {"data": {"message": "Invalid authorization token"}, "metadata": {}})
        own = next((token for token in good if token.organization == call.organization), None)
        if own is None:
            raise RefusalError(404, {"message": "resource not found"})
        if not own.may(call.method):
            message = "The authorization token does not allow this"
            raise RefusalError(403, {"data": {"message": message}, "metadata": {}})


def _document(token: Token) -> dict[str, Any]:
    return {
        "token": token.value,
        "expires_at": token.expires_at or None,
        "read_enabled": token.read_enabled,
        "write_enabled": token.write_enabled,
        "delete_enabled": token.delete_enabled,
    }

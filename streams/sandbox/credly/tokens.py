"""The tokens by which organizations call, and what each may do."""

import base64
import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from streams.sandbox.issuers.calls import Incoming, RefusalError

EXPIRES_AT = "2030-01-01T00:00:00.000+00:00"
"""A time that no test reaches."""
LIFE_SECONDS = 180 * 86_400.0
"""Of a token."""


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


@dataclass(frozen=True, slots=True)
class Client:
    """A client of OAuth 2, whose tokens last for so many seconds."""

    organization: str
    id: str
    secret: str
    lasts: float


class Tokens:
    """All tokens of all organizations. Two organizations may be called by one value."""

    def __init__(self) -> None:
        self._tokens: list[Token] = []
        self._clients: dict[str, Client] = {}
        self._granted: dict[str, tuple[str, float]] = {}
        self._numbers = itertools.count(1)

    def add_client(self, client: Client) -> None:
        """Know a client."""
        self._clients[client.id] = client

    def grant(self, body: bytes, now: float) -> dict[str, Any]:
        """Grant a client a token, as its document; raises `RefusalError` for one that is not known."""
        fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        client = self._clients.get(fields.get("client_id", ""))
        if client is None or fields.get("client_secret") != client.secret:
            raise RefusalError(401, {"error": "invalid_client"})
        if fields.get("grant_type") != "client_credentials":
            raise RefusalError(400, {"error": "unsupported_grant_type"})
        token = f"granted-{next(self._numbers):08}"
        self._granted[f"Bearer {token}"] = (client.organization, now + client.lasts)
        return {"access_token": token, "token_type": "Bearer", "expires_in": client.lasts}

    def end_grants(self) -> None:
        """Know no granted token any more."""
        self._granted.clear()

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

    def rotate(self, call: Incoming, now: float) -> dict[str, Any]:
        """Replace the token that calls by a new one, as its document: the old one is over."""
        sent = call.header("authorization")
        old = next(t for t in self._tokens if t.header == sent and t.organization == call.organization)
        until = datetime.fromtimestamp(now + LIFE_SECONDS, UTC).isoformat()
        new = replace(old, value=f"rotated-{next(self._numbers):08}", expires_at=until)
        self._tokens[self._tokens.index(old)] = new
        return _document(new)

    def documents(self, organization: str) -> list[dict[str, Any]]:
        """The organization's tokens as Credly shows them, with their values."""
        return [_document(token) for token in self._tokens if token.organization == organization]

    def check(self, call: Incoming, now: float) -> None:
        """Raise `RefusalError` unless a token allows the call.

        An organization that is not the token's own does not exist for it.
        """
        sent = call.header("authorization")
        organization, until = self._granted.get(sent or "", ("", 0.0))
        if now < until and organization == call.organization:
            return
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

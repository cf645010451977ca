"""The receiver: which messages it believes, and what it knows by them."""

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from streams.sandbox.issuers.calls import Endpoint, Entry, Incoming, RefusalError, Reply
from streams.sandbox.issuers.simulator import Simulator

TOLERANCE = 300
"""Seconds by which a message may be old, or early: as in the standard's own libraries."""
ENDPOINTS: Mapping[str, Endpoint] = {
    "badge.awarded": "issue",
    "badge.revoked": "revoke",
    "badge.forgotten": "erase",
}

Believes = Callable[[str, str, bytes], str]
"""The signature that a message's id, timestamp and body should have, as `v1,…`."""


def hmac_of(secret: str) -> Believes:
    """What a secret, `whsec_…`, makes of a message."""
    key = b64decode(secret.removeprefix("whsec_"))

    def signature(id: str, seconds: str, body: bytes) -> str:
        content = b".".join((id.encode(), seconds.encode(), body))
        return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()

    return signature


@dataclass(slots=True)
class Taken:
    """A badge as the receiver was told of it."""

    badge: str
    template: str
    earner: str
    email: str
    sequence: int
    held: bool = True
    expires_at: str = ""


class Receiver(Simulator):
    """Receives at `/hooks/ORGANIZATION`; `believes` are the signatures that it accepts, one a secret."""

    def __init__(
        self,
        *believes: Believes,
        now: Callable[[], float] = time.time,
        draw: Callable[[], float] | None = None,
        gives_ids: bool = False,
    ) -> None:
        super().__init__(now, draw)
        self.believes = believes
        self.badges: dict[str, Taken] = {}
        self.messages: list[dict[str, Any]] = []
        self._gives_ids = gives_ids
        self._seen: dict[str, Reply] = {}

    def held(self) -> list[Taken]:
        """The badges that somebody holds."""
        return [badge for badge in self.badges.values() if badge.held]

    def _incoming(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Incoming:
        url = urlsplit(target)
        parts = tuple(url.path.split("/")[1:])
        organization = parts[1] if len(parts) == 2 and parts[0] == "hooks" else ""
        type = _document(body).get("type")
        endpoint = ENDPOINTS.get(type, "other") if isinstance(type, str) else "other"
        return Incoming(method, url.path, organization, endpoint, parts, {}, headers, body, target)

    def _answer(self, call: Incoming, entry: Entry) -> tuple[Reply, Entry]:
        if not call.organization or call.method != "POST":
            raise RefusalError(404, {"error": "not found"})
        id = self._believed(call)
        message = _document(call.body)
        data = message["data"]
        entry = replace(entry, template=data["template"], earner=data["earner"], badge=data["badge"])
        if id not in self._seen:
            self.messages.append(message)
            self._seen[id] = self._told(call.endpoint, data)
            entry = replace(entry, done=True, issued_at=message["timestamp"], sequence=data["sequence"])
        return self._seen[id], entry

    def _refused(self, refusal: RefusalError) -> Reply:
        return Reply(refusal.status, orjson.dumps(refusal.body))

    def _believed(self, call: Incoming) -> str:
        """The id of a message that is signed and new; raises `RefusalError` for any other."""
        id, seconds, signatures = (
            call.header(f"webhook-{name}") or "" for name in ("id", "timestamp", "signature")
        )
        good = {believes(id, seconds, call.body) for believes in self.believes}
        if not id or good.isdisjoint(signatures.split()):
            raise RefusalError(401, {"error": "no matching signature found"})
        if not seconds.isdigit() or abs(int(seconds) - self._now()) > TOLERANCE:
            raise RefusalError(400, {"error": "message timestamp too old or too new"})
        return id

    def _told(self, endpoint: Endpoint, data: Mapping[str, Any]) -> Reply:
        badge = data["badge"]
        match endpoint:
            case "issue":
                self.badges[badge] = Taken(
                    badge,
                    data["template"],
                    data["earner"],
                    data["recipient"]["email"],
                    data["sequence"],
                    expires_at=data.get("expires_at", ""),
                )
                return Reply(200, orjson.dumps({"id": f"r-{len(self.badges)}"} if self._gives_ids else {}))
            case "revoke":
                if badge in self.badges:
                    self.badges[badge].held = False
                return Reply(202, b"")
            case "erase":
                self.badges.pop(badge, None)
                return Reply(204, b"")
        raise RefusalError(400, {"error": "unknown type"})


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}

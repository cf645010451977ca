"""OAuth 2 client credentials (RFC 6749, 4.4): a key that is a client, and the token that it gets."""

from collections.abc import Mapping
from urllib.parse import urlencode

from streams.issuers.http import Answer, Request, trouble
from streams.issuers.issuer import Call
from streams.issuers.outcomes import Deferred, Granted, GrantOutcome, KeyRefused, Refused
from streams.issuers.words import document, text

PATH = "/oauth/token"
FORM = "application/x-www-form-urlencoded"
UNSAID_SECONDS = 600.0
"""How long a token is used whose life is not said: the shortest that services give is longer."""


def no_client(key: str) -> str:
    """Why a key can be no client; empty if it may be one."""
    id, colon, secret = key.partition(":")
    return "" if id and colon and secret else "its key is not a client's id and secret with a colon between"


def grant(client: str, scope: str) -> Call[GrantOutcome]:
    """Ask for a token; `client` is its id and its secret with a colon between."""
    id, _, secret = client.partition(":")
    fields = {"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "scope": scope}
    body = urlencode(fields).encode()
    return Call[GrantOutcome]("token", Request("POST", PATH, body, (secret,), type=FORM), _granted)


def bearer(token: str) -> Mapping[str, str]:
    """The header by which a token is used."""
    return {"Authorization": f"Bearer {token}"}


def _granted(answer: Answer) -> GrantOutcome | None:
    if answer.status in (400, 401, 403):
        # A client that is not known, or may not do what it asks for, is refused with any of them.
        return KeyRefused(answer.why)
    if answer.status != 200:
        # Whatever is wrong here is no fault of a badge, which a refusal would be.
        outcome = trouble(answer, answer.at)
        return Deferred(answer.why, ambiguous=False) if isinstance(outcome, Refused) else outcome
    said = document(answer.body)
    token, seconds = text(said.get("access_token")), said.get("expires_in")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        return Deferred("200 without a token", ambiguous=False)
    if not isinstance(seconds, int | float) or seconds <= 0:
        return Granted(token, UNSAID_SECONDS)
    return Granted(token, float(seconds))

"""Who asks, by the LMS's token: a JWT that it has signed, as edx-drf-extensions reads it (OEP-42)."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from streams.api.keys import Keys
from streams.api.rows import LARGEST
from streams.clock import Clock

ALGORITHMS = ("RS512", "RS256")
"""Of all that there are, those by which the LMS signs. With the others a public key could be taken for a
secret, or no signature would be needed."""
LONGEST = 8_192
"""Characters of a token: the LMS's have about a thousand, and a browser sends no more in a cookie pair."""
LEEWAY_SECONDS = 5
"""By how much the LMS's clock may be ahead of ours."""
KEPT_SECONDS = 60.0
"""How long a token is believed without a look: less than a key that the LMS has withdrawn is (`keys.py`)."""
MOST = 20_000
"""Tokens that are remembered so, the last ones, in five megabytes."""
NEWEST_MAJOR = 1
"""Version of the LMS's tokens: a later one may mean something else."""
HEADER_PAYLOAD = "edx-jwt-cookie-header-payload"
SIGNATURE = "edx-jwt-cookie-signature"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `user_id` is the LMS user id, None where the token names none."""

    user_id: int | None
    username: str
    administrator: bool


class RefusedError(Exception):
    """The token says nothing that is believed; the message says why, for a person who has shown it."""


class Tokens:
    """Reads tokens for one audience, of these issuers.

    What was believed is believed again for `KEPT_SECONDS` without a look: a page asks several times.
    """

    def __init__(self, keys: Keys, issuers: tuple[str, ...], audience: str, clock: Clock) -> None:
        self._keys = keys
        self._issuers = issuers
        self._audience = audience
        self._clock = clock
        self._believed: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who shows this token. Raises `RefusedError`; `KeysMissingError` where none can be checked."""
        if len(token) > LONGEST:
            raise RefusedError("the token is too long")
        now, digest = (
            self._clock.wall().timestamp(),
            sha256(token.encode("utf-8", "surrogateescape")).digest(),
        )
        caller, until = self._believed.get(digest, (None, 0.0))
        if caller is not None and now < until:
            return caller
        claims = await self._verified(token)
        caller = _caller(claims)
        self._believed[digest] = caller, min(now + KEPT_SECONDS, float(claims["exp"]))
        if len(self._believed) > MOST:
            self._believed.popitem(last=False)
        return caller

    async def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise RefusedError("no JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise RefusedError(f"not signed by {' or '.join(ALGORITHMS)}")
        kid = header.get("kid")
        for key in await self._keys.find(kid if isinstance(kid, str) else None):
            try:
                return self._claims(token, key)
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                raise RefusedError(str(error)) from None
        raise RefusedError("signed by a key that is none of the LMS's")

    def _claims(self, token: str, key: Any) -> Mapping[str, Any]:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self._audience,
            issuer=list(self._issuers),
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        return claims


def token_of(authorization: str | None, cookies: Mapping[str, str]) -> str | None:
    """The token that a request shows: in `Authorization: JWT`, else in the pair of cookies."""
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() == "jwt":
        return rest.strip()
    first, second = cookies.get(HEADER_PAYLOAD), cookies.get(SIGNATURE)
    return f"{first}.{second}" if first and second else None


def _caller(claims: Mapping[str, Any]) -> Caller:
    major = str(claims.get("version", NEWEST_MAJOR)).partition(".")[0]
    if not (re.fullmatch(r"[0-9]{1,9}", major) and int(major) <= NEWEST_MAJOR):
        raise RefusedError(f"a token of version {claims.get('version')!s:.20}")
    if claims.get("is_restricted"):
        raise RefusedError("a token of a restricted application")
    user_id = claims.get("user_id")
    # A boolean is an int in Python, and the learner 1 is somebody.
    if user_id is not None and (type(user_id) is not int or not 0 <= user_id <= LARGEST):
        raise RefusedError("user_id is no LMS user id")
    username = claims.get("preferred_username")
    return Caller(user_id, username if isinstance(username, str) else "", claims.get("administrator") is True)

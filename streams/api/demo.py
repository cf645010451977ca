"""A login of our own in place of the LMS's, to try pages and API on one machine: anybody is whom they say.

It begins only where nobody can take it for a site: what it listens at and Kafka are this machine's loopback,
and no LMS is named (decision 0079).
"""

import time
from typing import Annotated

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse

from streams.api.keys import Keys
from streams.api.rows import LARGEST
from streams.api.tokens import HEADER_PAYLOAD, SIGNATURE, Tokens
from streams.catalog.document_types import is_loopback
from streams.clock import Clock
from streams.errors import ConfigurationError
from streams.settings import Settings

ISSUER = "badge-streams demo"
AUDIENCE = "badge-streams demo"
PATH = "/badges/demo/login/"
HOME = "/badges/"
CONSOLE = "/console/"
LEARNER = f"{PATH}?lms_user_id=42"
"""Where the pages have one log in: as the learner of the walk through."""
HOUR = 3_600
"""How long a login holds: as long as an LMS's token."""


class Login:
    """Makes tokens by a key that only this process has ever had."""

    def __init__(self, settings: Settings, address: str) -> None:
        """Raises `ConfigurationError` where this could be taken for a site."""
        _refuse(settings, address)
        self._key = rsa.generate_private_key(65_537, 2_048)

    def tokens(self, clock: Clock) -> Tokens:
        """What recognizes them."""
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

        async def fetch() -> bytes:
            return public

        return Tokens(Keys(fetch, clock), (ISSUER,), AUDIENCE, clock)

    def token(self, learner: int, *, administrator: bool, now: int) -> str:
        """A token of that learner."""
        claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + HOUR, "version": "1.2.0"}
        claims |= {"user_id": learner, "preferred_username": f"learner{learner}"}
        return jwt.encode(claims | {"administrator": administrator}, self._key, algorithm="RS512")

    @property
    def router(self) -> APIRouter:
        """Where one logs in."""
        router = APIRouter()

        @router.get(PATH, include_in_schema=False)
        async def login(
            request: Request,
            lms_user_id: Annotated[int, Query(ge=0, le=LARGEST)],
            administrator: bool = False,
            next: str = HOME,
        ) -> RedirectResponse:
            # A page elsewhere could have its own name lead to this machine; what it is called shows that.
            if not is_loopback(request.url.hostname or ""):
                raise HTTPException(403, "Only as localhost.")
            # Who comes from the console is one who may see it: there is no other way for them to log in.
            console = next == CONSOLE
            token = self.token(lms_user_id, administrator=administrator or console, now=int(time.time()))
            head, payload, signature = token.split(".")
            answer = RedirectResponse(CONSOLE if console else HOME, 303)
            for name, value in ((HEADER_PAYLOAD, f"{head}.{payload}"), (SIGNATURE, signature)):
                answer.set_cookie(name, value, max_age=HOUR, httponly=True, samesite="strict")
            return answer

        return router


def _refuse(settings: Settings, address: str) -> None:
    said = []
    if not is_loopback(address.rpartition(":")[0].strip("[]")):
        said.append("BADGES_API_HTTP is reached from elsewhere")
    if not all(is_loopback(host.rpartition(":")[0].strip("[]")) for host in settings.kafka.split(",")):
        said.append("BADGES_KAFKA is elsewhere")
    if settings.api_keys_file or settings.api_keys_url or settings.api_issuers:
        said.append("an LMS is named (BADGES_API_KEYS_…, BADGES_API_ISSUERS)")
    if settings.api_origins or settings.api_proxies:
        said.append("pages or proxies are named (BADGES_API_ORIGINS, BADGES_API_PROXIES)")
    if said:
        raise ConfigurationError(
            f"BADGES_API_DEMO_LOGIN lets anybody be anybody, and this may be a site: {'; '.join(said)}"
        )

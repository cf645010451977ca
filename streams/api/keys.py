"""The LMS's public keys: from a file or its web address, kept, and read again when they may have changed."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streams.clock import Clock
from streams.errors import ConfigurationError

log = logging.getLogger(__name__)

FRESH_SECONDS = 300.0
"""A key that the LMS has withdrawn is believed for at most this long."""
UNKNOWN_SECONDS = 30.0
"""How often an unknown key has them read again: anybody can name one, and each reading asks the LMS."""
FETCH = aiohttp.ClientTimeout(total=5)
"""The LMS answers in milliseconds; meanwhile the keys that are known do."""
MOST_BYTES = 256 * 1024
"""Of a set of keys: hundreds of them. A longer answer is none."""
LEAST_BITS = 2_048
"""Of a key. Shorter ones can be broken, and no LMS has one."""

Fetch = Callable[[], Awaitable[bytes]]


class KeysMissingError(Exception):
    """No key is known, and none can be read: nobody can be recognized now."""


class Keys:
    """The keys that `fetch` reads."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._found: Sequence[tuple[str | None, RSAPublicKey]] = ()
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> list[RSAPublicKey]:
        """The keys of this name; all of them for a token that names none. Raises `KeysMissingError`."""
        if not self._found:
            await self.read()
        elif self._clock.monotonic() - self._read_at > FRESH_SECONDS:
            self._begin()
        if not (known := self._named(kid)) and self._may_try():
            await asyncio.shield(self._begin())
            known = self._named(kid)
        return known

    async def read(self) -> None:
        """Read them now, if that was not tried just now; raises `KeysMissingError` where there are none."""
        if self._may_try() or self._reading is not None:
            await asyncio.shield(self._begin())
        if not self._found:
            raise KeysMissingError

    def _may_try(self) -> bool:
        return self._clock.monotonic() - self._tried_at >= UNKNOWN_SECONDS

    def _named(self, kid: str | None) -> list[RSAPublicKey]:
        return [key for name, key in self._found if kid is None or name is None or name == kid]

    def _begin(self) -> asyncio.Task[None]:
        """The one reading that goes on."""
        if self._reading is None:
            self._tried_at = self._clock.monotonic()
            self._reading = asyncio.ensure_future(self._read())
        return self._reading

    async def _read(self) -> None:
        try:
            self._found = parsed(await self._fetch())
            self._read_at = self._clock.monotonic()
        except (ConfigurationError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("the LMS's keys cannot be read: %s", error or type(error).__name__)
        finally:
            self._reading = None


def from_file(path: Path) -> Fetch:
    """Reads a file."""

    async def fetch() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return fetch


def from_url(url: str) -> Fetch:
    """Asks a web address, and no other that it would send us to."""

    async def fetch() -> bytes:
        async with (
            aiohttp.ClientSession(timeout=FETCH) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ConfigurationError(f"{url} answers {answer.status}")
            body = await answer.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and (more := await answer.content.read(MOST_BYTES)):
                body += more
            return body

    return fetch


def parsed(text: bytes) -> list[tuple[str | None, RSAPublicKey]]:
    """The RSA keys of a JWK set, a JWK or a PEM file; raises `ConfigurationError`.

    Others are left out: an LMS's set may hold a symmetric one.
    """
    if len(text) > MOST_BYTES:
        raise ConfigurationError("too long for a set of keys")
    try:
        if text.lstrip()[:1] == b"{":
            value = json.loads(text)
            listed = value.get("keys", [value])
            found = [(one.get("kid"), _key(one)) for one in listed if one.get("kty") == "RSA"]
        else:
            key = load_pem_public_key(text)
            found = [(None, key)] if isinstance(key, RSAPublicKey) else []
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise ConfigurationError(f"no public keys: {type(error).__name__}") from None
    if not found:
        raise ConfigurationError("no RSA key among them")
    if any(key.key_size < LEAST_BITS for _, key in found):
        raise ConfigurationError(f"a key of fewer than {LEAST_BITS} bits")
    return found


def _key(value: dict[str, str]) -> RSAPublicKey:
    if "d" in value:
        raise ConfigurationError("it holds a private key: whoever has it can be anybody; give the public one")
    key = jwt.PyJWK.from_dict(value, algorithm="RS512").key
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError("no public RSA key")
    return key

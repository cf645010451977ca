"""Carries requests to issuers and brings answers back; knows nothing of what they say."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from streams.issuers.http import CALL_SECONDS, Answer, NoAnswer, Request

CONNECT_SECONDS = 10.0
"""What does not even connect is not there: the other two thirds of a call are for the answer."""
BODY_BYTES = 4 * 1024 * 1024
"""A list of 50 badges with 80 KiB each; nothing that an issuer says is longer."""
READ_BYTES = 64 * 1024
"""The size of aiohttp's read buffer."""

_UNSENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class Http:
    """The network's side. `seconds` limits a whole call."""

    def __init__(self, seconds: float = CALL_SECONDS) -> None:
        self._limits = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        """Make one call with these headers; whatever happens to it on the way is an answer, too."""
        if self._session is None:
            # How many calls are in flight is each organization's own matter.
            connector = aiohttp.TCPConnector(limit=0)
            # Cookies would mix the organizations up: they call one host.
            self._session = aiohttp.ClientSession(
                timeout=self._limits, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            url = URL(base + request.path, encoded=True)
        except ValueError as error:
            return NoAnswer(type(error).__name__, sent=False)
        try:
            async with self._session.request(
                request.method,
                url,
                data=request.body,
                headers=dict(headers),
                allow_redirects=False,
                **_proxy(url),
            ) as response:
                body, whole = await _body(response)
                return Answer(response.status, response.headers, body, whole=whole)
        except _UNSENT as error:
            return NoAnswer(type(error).__name__, sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(type(error).__name__, sent=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _proxy(url: URL) -> dict[str, Any]:
    """The proxy that the environment names for a URL (`HTTPS_PROXY`, `NO_PROXY`), as aiohttp takes it.

    Not by aiohttp's `trust_env`, which also takes passwords from `~/.netrc` in place of the key. There is no
    proxy for http, which is spoken on this machine only.
    """
    named = getproxies().get("https", "")
    if url.scheme != "https" or not named or proxy_bypass(url.raw_host or ""):
        return {}
    proxy = URL(named if "://" in named else f"http://{named}")
    if proxy.user is None:
        return {"proxy": proxy}
    credentials = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return {"proxy": proxy.with_user(None), "proxy_headers": {"Proxy-Authorization": f"Basic {credentials}"}}


async def _body(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body, and whether it came to its end; empty where it is absurdly long or breaks off."""
    parts, size = [], 0
    try:
        async for part in response.content.iter_chunked(READ_BYTES):
            size += len(part)
            if size > BODY_BYTES:
                return b"", True
            parts.append(part)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError):
        return b"", False
    return b"".join(parts), True

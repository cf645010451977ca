"""Carries requests to Credly and brings answers back; knows nothing of what they say."""

import aiohttp
from yarl import URL

from streams.issuers import credly
from streams.issuers.http import Answer, NoAnswer, Request

SECONDS = 30.0
CONNECT_SECONDS = 10.0
BODY_BYTES = 4 * 1024 * 1024

_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class Http:
    """The network's side. `seconds` limits a whole call."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._limits = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None

    async def call(self, base: str, key: str, request: Request) -> Answer | NoAnswer:
        """Make one call; whatever happens to it on the way is an answer, too."""
        if self._session is None:
            # How many calls are in flight is each organization's own affair.
            connector = aiohttp.TCPConnector(limit=0)
            # Cookies would mix the organizations up: they call one host.
            self._session = aiohttp.ClientSession(
                timeout=self._limits, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = request.headers | {"Authorization": credly.authorization(key)}
        try:
            url = URL(base + request.path, encoded=True)
        except ValueError as error:
            return NoAnswer(type(error).__name__, sent=False)
        try:
            async with self._session.request(
                request.method, url, data=request.body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await _body(response))
        except _UNSENT as error:
            return NoAnswer(type(error).__name__, sent=False)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return NoAnswer(type(error).__name__, sent=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body; empty where it is absurdly long or breaks off: the status still counts."""
    parts, size = [], 0
    try:
        async for part in response.content.iter_chunked(64 * 1024):
            size += len(part)
            if size > BODY_BYTES:
                return b""
            parts.append(part)
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError):
        return b""
    return b"".join(parts)

"""What holds for every answer: how old it may be, that nobody keeps it, and how often one address may ask."""

import math
import time
from collections.abc import Callable

import orjson
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams import metrics
from streams.api.limits import Limit, network

LAG = "X-Badges-Lag-Seconds"
HEADERS = {
    # An answer is about one person, and a proxy or a shared browser may keep what is not forbidden to it.
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
}
"""Set where an answer does not say otherwise."""
VARY = "Accept-Language, Authorization, Cookie"
"""What an answer depends on that does not say how long it is kept: it is about one person."""


class Manners:
    """Goes around the application; `lag` says how old an answer may be, in seconds."""

    def __init__(self, app: ASGIApp, lag: Callable[[], float | None], limit: Limit) -> None:
        self._app = app
        self._lag = lag
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        head = scope["method"] == "HEAD"

        async def mannerly(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(MutableHeaders(scope=message))
                metrics.API_REQUESTS.labels(str(message["status"])).inc()
                metrics.API_LATENCY.observe(time.perf_counter() - began)
            elif head:
                message = {**message, "body": b""}
            await send(message)

        client = scope.get("client")
        if wait := self._limit.wait(network(client[0] if client else "")):
            await _throttle(wait, mannerly)
        else:
            # As a GET without its body (RFC 9110, section 9.3.2), which is what FastAPI knows.
            await self._app({**scope, "method": "GET"} if head else scope, receive, mannerly)

    def _add(self, headers: MutableHeaders) -> None:
        if "cache-control" not in headers:
            headers.add_vary_header(VARY)  # besides the origin, where there are any
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if (lag := self._lag()) is not None:
            headers[LAG] = f"{lag:.1f}"


async def _throttle(wait: float, send: Send) -> None:
    seconds = math.ceil(wait)
    said = f"Request was throttled. Expected available in {seconds} seconds."
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"%d" % seconds)]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps({"detail": said})})

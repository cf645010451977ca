"""The worker's own pages: `/metrics`, `/live`, `/ready`, `/health`.

What a probe needs is for everybody; names of topics and organizations, and what is wrong with them, are for
who shows the token (decision 0049).
"""

import hmac
import logging
import platform
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import metrics
from streams.errors import ConfigurationError
from streams.settings import Settings, read_secret

if TYPE_CHECKING:
    from streams.runtime.app import App

log = logging.getLogger(__name__)

Describe = Callable[[], dict[str, Any]]


Verdict = dict[str, Any]
"""Whether (`ok`), and `why`: names stand after its colon."""


class Subject(Protocol):
    """What pages are about."""

    def live(self) -> Verdict:
        """Whether it makes progress."""

    def ready(self) -> Verdict:
        """Whether it can do its work."""

    def measure(self) -> None:
        """Set the gauges that are set when somebody looks."""

    def describe(self) -> dict[str, Any]:
        """What `/health` says besides, to who shows the token."""


class SubjectPages:
    """Serves the pages of one subject at `address`, as `serve` has it."""

    def __init__(
        self, subject: Subject, settings: Settings, address: str, more: Iterable[web.RouteDef] = ()
    ) -> None:
        self._more = more
        self._subject = subject
        self._settings = settings
        self._address = address
        self._token: bytes | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; raise `ConfigurationError` where the address cannot be used or the token not be read."""
        if self._settings.http_token_file is not None:
            self._token = (
                read_secret(self._settings.http_token_file, "BADGES_HTTP_TOKEN_FILE").strip().encode()
            )
            if not self._token:
                raise ConfigurationError("BADGES_HTTP_TOKEN_FILE: it is empty")
        metrics.BUILD.info({"version": version("badge-streams"), "python": platform.python_version()})
        self._runner = await serve(
            self._address,
            [
                web.get("/metrics", self._metrics),
                web.get("/live", self._live),
                web.get("/ready", self._ready),
                web.get("/health", self._health),
                *self._more,
            ],
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _shows_token(self, request: web.Request) -> bool:
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return self._token is not None and hmac.compare_digest(shown, b"Bearer " + self._token)

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._token is not None and not self._shows_token(request):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        metrics.READY.set(self._subject.ready()["ok"])
        self._subject.measure()
        return web.Response(
            body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _live(self, request: web.Request) -> web.Response:
        return self._answer(request, self._subject.live())

    async def _ready(self, request: web.Request) -> web.Response:
        return self._answer(request, self._subject.ready())

    def _answer(self, request: web.Request, verdict: Verdict) -> web.Response:
        shown = verdict if self._shows_token(request) else for_everybody(verdict)
        return json(200 if verdict["ok"] else 503, shown)

    async def _health(self, request: web.Request) -> web.Response:
        live, ready = self._subject.live(), self._subject.ready()
        if not self._shows_token(request):
            return json(200, {"live": for_everybody(live), "ready": for_everybody(ready)})
        return json(200, {"live": live, "ready": ready, **self._subject.describe()})


class Pages(SubjectPages):
    """Serves the pages of a worker that `app` runs; `describe` says what else it knows of itself."""

    def __init__(
        self,
        app: "App",
        settings: Settings,
        address: str,
        describe: Describe,
        more: Iterable[web.RouteDef] = (),
    ) -> None:
        super().__init__(_Worker(app, describe), settings, address, more)


class _Worker:
    """A worker as its pages see it."""

    def __init__(self, app: "App", describe: Describe) -> None:
        self._app = app
        self._describe = describe

    def live(self) -> Verdict:
        return liveness(self._app, time.monotonic())

    def ready(self) -> Verdict:
        return readiness(self._app)

    def measure(self) -> None:
        metrics.LAG.clear()
        for tp, lag in self._app.lag().items():
            metrics.LAG.labels(tp.topic, str(tp.partition)).set(lag)
        metrics.WAITING.clear()
        metrics.TABLE_KEYS.clear()
        for tp, partition in self._app.owned.items():
            metrics.WAITING.labels(tp.topic, str(tp.partition)).set(bool(partition.waits_for))
            if partition.table is not None:
                keys = metrics.TABLE_KEYS.labels(partition.table.name, str(tp.partition))
                keys.set(len(partition.rows))

    def describe(self) -> dict[str, Any]:
        partitions = {
            f"{tp.topic}-{tp.partition}": {"ready": p.ready, "committed": p.committed, "keys": len(p.rows)}
            for tp, p in self._app.owned.items()
        }
        lag = {f"{tp.topic}-{tp.partition}": n for tp, n in self._app.lag().items()}
        return {"partitions": partitions, "lag": lag, **self._describe()}


def for_everybody(verdict: Verdict) -> Verdict:
    """A verdict without names: what follows the colon of its reason is left out."""
    return verdict | {"why": verdict["why"].partition(":")[0]}


def liveness(app: "App", now: float) -> dict[str, Any]:
    """Progress: false after a fatal error, or where there is lag and nothing was committed for too long."""
    if app.fatal is not None:
        return {"ok": False, "why": f"the worker is stopping: {app.fatal}"}
    limit = app.settings.stall_seconds
    for tp, lag in app.lag().items():
        since = app.owned[tp].lagging_since
        if since is not None and now - since > limit:
            why = f"lag and no commit for {now - since:.0f} s: {tp.topic}-{tp.partition}, {lag} records"
            return {"ok": False, "why": why}
    return {"ok": True, "why": "commits move, or there is nothing to do"}


def readiness(app: "App") -> dict[str, Any]:
    """True once the group has assigned partitions and their tables are recovered."""
    if app.fatal is not None:
        return {"ok": False, "why": "the worker is stopping"}
    if app.waits_for:
        return {"ok": False, "why": f"waiting for {app.waits_for}"}
    if not app.joined:
        return {"ok": False, "why": "the consumer group has assigned nothing yet"}
    held = {f"{tp.topic}-{tp.partition}": p.waits_for for tp, p in app.owned.items() if p.waits_for}
    if held:
        what = " and ".join(sorted(set(held.values())))
        return {"ok": False, "why": f"waiting for {what}: {', '.join(sorted(held))}"}
    waiting = [f"{tp.topic}-{tp.partition}" for tp, p in app.owned.items() if not p.ready]
    if waiting:
        return {"ok": False, "why": f"recovering: {', '.join(sorted(waiting))}"}
    return {"ok": True, "why": f"{len(app.owned)} partitions assigned and recovered"}


async def serve(address: str, routes: Iterable[web.RouteDef]) -> web.AppRunner:
    """Serve `routes` at `address`, `host:port`, and log where: until the runner is cleaned up.

    Port 0 takes a free one, host `*` every address, host `fd` a socket that this process inherited. Raises
    `ConfigurationError` where the address cannot be used.
    """
    application = web.Application()
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await _at(address, runner).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigurationError(f"BADGES_HTTP: cannot listen on {address}: {error}") from None
    host, port = runner.addresses[0][:2]
    log.info("pages at http://%s:%d/health", f"[{host}]" if ":" in host else host, port)
    return runner


def _at(address: str, runner: web.AppRunner) -> web.BaseSite:
    host, _, port = address.rpartition(":")
    match host:
        case "*":
            return web.SockSite(runner, on_every_address(int(port)))
        case "fd":
            return web.SockSite(runner, socket.socket(fileno=int(port)))
    return web.TCPSite(runner, host.strip("[]"), int(port))


def on_every_address(port: int) -> socket.socket:
    """A socket for IPv6 and IPv4; for IPv4 alone where the machine has no IPv6, or has switched it off."""
    with suppress(OSError, ValueError):
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def json(status: int, body: dict[str, Any]) -> web.Response:
    """An answer that a person can read, too."""
    return web.Response(
        status=status,
        body=orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS),
        content_type="application/json",
    )

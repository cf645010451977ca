"""Runs a worker that answers: its follower, and its pages."""

import asyncio
import logging
import logging.config
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from starlette.types import ASGIApp

from streams.api.access import Access
from streams.api.consents import Consents, Writer
from streams.api.console.console import console
from streams.api.demo import LEARNER, Login
from streams.api.follower import Follower
from streams.api.html.login import login_page
from streams.api.keys import Keys, from_file, from_url, parsed
from streams.api.limits import Limit
from streams.api.pages import DEFAULT_HTTP as PAGES_HTTP
from streams.api.pages import AboutView
from streams.api.questions import Questions
from streams.api.store import Batch, Store
from streams.api.tokens import Tokens
from streams.api.view import View
from streams.api.web import ROOT, application
from streams.catalog.in_force import CatalogInForce
from streams.clock import Clock
from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.logs import configuration
from streams.runtime.pages import SubjectPages, on_every_address
from streams.settings import Settings, load_settings

log = logging.getLogger(__name__)

DEFAULT_HTTP = "127.0.0.1:8050"  # apart from the pages of every worker, decision 0011
SWITCH_SECONDS = 0.001
"""How long the thread that writes may keep the interpreter from the one that answers. By Python's own 5 ms an
answer, which lets go of it a few times, waits for several of them."""
DRAIN_SECONDS = 5
"""For requests that are being answered when the worker ends; each takes milliseconds."""


def run() -> None:
    """Answer until a signal; raises `ConfigurationError` where a setting is wrong."""
    settings = load_settings()
    logging.config.dictConfig(configuration(settings.log_format))
    sys.setswitchinterval(SWITCH_SECONDS)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    clock = Clock()
    address = settings.api_http or DEFAULT_HTTP
    login = Login(settings, address) if settings.api_demo_login else None
    tokens = login.tokens(clock) if login else _tokens(settings, clock)
    access = Access(tokens, Limit(settings.api_learner_rate, clock.monotonic))
    addresses = Limit(settings.api_address_rate, clock.monotonic)
    with TemporaryDirectory(prefix="badge-streams-api-") as temporary:
        path = settings.api_store or Path(temporary) / "store.sqlite"
        async with (
            aclosing(Writer(settings, topics(settings).consents.name)) as writer,
            following(settings, path, clock) as (view, task),
        ):
            pages = SubjectPages(AboutView(view), settings, settings.http or PAGES_HTTP)
            await pages.start()
            try:
                more = [*([login.router] if login else []), *console(view, settings)]
                leading = LEARNER if login else login_page(settings.api_issuers)
                app = application(
                    view,
                    access,
                    settings.api_origins,
                    addresses,
                    more,
                    leading,
                    consents=Consents(writer) if settings.api_public_pages else None,
                )
                await _served(settings, app, address, task)
            finally:
                await pages.stop()


@asynccontextmanager
async def following(
    settings: Settings, path: Path, clock: Clock
) -> AsyncIterator[tuple[View, asyncio.Task[None]]]:
    """What is known, kept up to date by a task for as long as this lasts."""
    names = topics(settings)
    followed = (names.progress, names.issuances, names.catalog, names.credentials, names.consents)
    store = Store(path, " ".join(topic.name for topic in followed))
    questions, wide = Questions(path), Questions(path)
    catalogs = CatalogInForce(settings, names.catalog.name)
    follower = Follower(settings, store, names, clock, partial(_catalogs_changed, catalogs))
    async with AsyncExitStack() as stack:
        for one in (store, questions, wide):
            stack.callback(one.close)
        await _first_catalog(catalogs, questions, settings)
        task = asyncio.create_task(follower.run())
        try:
            yield View(questions, wide, catalogs, follower, clock), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _first_catalog(catalogs: CatalogInForce, questions: Questions, settings: Settings) -> None:
    """Put in force what the store has; the file where it has none."""
    for revision in questions.revisions():
        if await catalogs.consider(revision):
            return
    if settings.catalog is not None:
        await catalogs.read_file(settings.catalog)


async def _catalogs_changed(catalogs: CatalogInForce, batch: Batch) -> None:
    for revision in reversed(batch.revisions):
        if await catalogs.consider(revision):
            return


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn's own would end the process before all is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _served(settings: Settings, app: ASGIApp, address: str, following: asyncio.Task[None]) -> None:
    """Serve until a signal; raises what following ends with."""
    bound = listening(address)
    host, port = bound.getsockname()[:2]
    log.info("api at http://%s:%d%s/", f"[{host}]" if ":" in host else host, port, ROOT)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=bool(settings.api_proxies),
            forwarded_allow_ips=list(settings.api_proxies),
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )

    def end(_: object = None) -> None:
        server.should_exit = True

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, end)
    following.add_done_callback(end)
    await server.serve(sockets=[bound])
    if following.done():
        following.result()


def _tokens(settings: Settings, clock: Clock) -> Tokens:
    file, url = settings.api_keys_file, settings.api_keys_url
    if (file is None) == (not url):
        raise ConfigurationError(
            "BADGES_API_KEYS_FILE or BADGES_API_KEYS_URL: one of them, the LMS's public keys"
        )
    if not settings.api_issuers:
        raise ConfigurationError(
            "BADGES_API_ISSUERS: who signs the tokens, like https://lms.example.org/oauth2"
        )
    if file is not None:
        _check(file)
    fetch = from_file(file) if file is not None else from_url(url)
    return Tokens(Keys(fetch, clock), settings.api_issuers, settings.api_audience, clock)


def _check(file: Path) -> None:
    try:
        parsed(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"BADGES_API_KEYS_FILE: {file}: {error.strerror}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"BADGES_API_KEYS_FILE: {file}: {error}") from None


def listening(address: str) -> socket.socket:
    """A socket that listens there, whose connections send what is written at once.

    asyncio sees to that for sockets that say TCP themselves, which Python's do not. Without it an answer's
    body waits until the caller has acknowledged its head: 40 ms, on each connection that is used again.
    """
    found = _bound(address)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        if host == "*":
            return on_every_address(int(port))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family, backlog=1_024)
    except OSError as error:
        raise ConfigurationError(f"BADGES_API_HTTP: cannot listen on {address}: {error}") from None

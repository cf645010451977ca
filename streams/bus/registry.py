"""The schema registry: a patient client of the Confluent API."""

import asyncio
import logging
import time
from base64 import b64encode
from collections import deque
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import stamina

from streams import metrics
from streams.bus.built_in import NoRegistry
from streams.errors import ConfigurationError, UnreadableError
from streams.settings import Settings, read_secret, tls

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
TIMEOUT = aiohttp.ClientTimeout(total=10)
"""A registry answers in milliseconds; after this it is taken to be away, and asked again."""
WAIT_INITIAL = 0.2
WAIT_MAX = 5.0
"""Seconds between tries while it is away: soon after a moment's outage, and no more than five seconds late
after a long one."""
HALVED_SECONDS = 600.0
"""Each id that stayed unknown halves the time for which the next are asked for again, for this long: ids that
somebody makes up cost a partition twice that time in ten minutes, and no more."""
HALVINGS = 11
"""As many bring the longest time that may be set, 600 s, below `LEAST_WAIT`."""
LEAST_WAIT = 0.5
"""Seconds; a shorter time is none: one question is asked."""
UNKNOWN_SECONDS = 10.0
"""How long 'no such id' is believed. The schema may be restored, and many records in a row may need it."""
UNKNOWN_IDS = 10_000
"""How many of those are remembered: somebody may make up any number."""
LARGEST_ID = 2**31 - 1
"""A registry's ids are positive 32-bit numbers with a sign; it need not be asked for another one."""
NO_SUCH = range(40_400, 40_500)
"""A registry's own codes for what it does not have. Proxies, and a wrong path, answer with other ones."""
CONFLICTS = 3
"""Tries after a conflict: another worker may be registering the same schema at the same moment."""


class _AwayError(Exception):
    """The registry did not answer, or cannot at the moment; asking again can help. Says why."""


class _NoSuchIdError(Exception):
    """The registry says that it has no such id; a moment later it may have."""


class Registry:
    """Schemas by id, which never change and are kept for good; their home is at `where`.

    While the registry is away or refuses the credentials, every caller waits: no record is set aside for a
    fault that is not its own. `trouble` says why it was away when it was asked last.
    """

    def __init__(self, settings: Settings) -> None:
        metrics.begin(metrics.REGISTRY_ERRORS, ("away", "refused", "failed"))
        self._settings = settings
        self._url = settings.registry.rstrip("/")
        self.where = settings.registry
        self._session: aiohttp.ClientSession | None = None
        self.trouble = ""
        self._texts: dict[int, str] = {}
        self._unknown: dict[int, float] = {}
        self._stayed_unknown: deque[float] = deque(maxlen=HALVINGS)
        self._asking: dict[int, asyncio.Task[str]] = {}

    async def start(self) -> None:
        """Open the session; no request is made yet."""
        connector = aiohttp.TCPConnector(ssl=tls(self._settings.registry_ca_file, "BADGES_REGISTRY_CA_FILE"))
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT, headers=_headers(self._settings), connector=connector
        )

    async def stop(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def schema_by_id(self, schema_id: int) -> str:
        """The schema's text.

        A node of the registry may be some seconds late, and an LMS sends its first events right after it has
        registered their schema: an id that was never heard of is asked for again for some time. Raises
        `UnreadableError` if the registry has no such id even then.
        """
        if (text := self._texts.get(schema_id)) is not None:
            return text
        self.raise_if_unknown(schema_id)
        task = self._asking.get(schema_id)
        if task is None:
            task = self._asking[schema_id] = asyncio.ensure_future(self._fetch(schema_id))
            task.add_done_callback(lambda _: self._asking.pop(schema_id, None))
        # Shielded: a caller that gives up must not cancel the request of others for the same id.
        return await asyncio.shield(task)

    def raise_if_unknown(self, schema_id: int) -> None:
        """Raise `UnreadableError` where the registry said a moment ago that it has no such id, or cannot."""
        if schema_id > LARGEST_ID:
            raise UnreadableError("unknown_schema", f"id {schema_id} is no registry's")
        if time.monotonic() - self._unknown.get(schema_id, -UNKNOWN_SECONDS) < UNKNOWN_SECONDS:
            raise UnreadableError("unknown_schema", f"id {schema_id}: the registry has none")

    async def register(self, subject: str, text: str) -> int:
        """The id of `text` under `subject`; registers it if it is new.

        Raises `ConfigurationError` if the registry refuses it.
        """
        return await self._id_of(f"/subjects/{quote(subject, safe='')}/versions", subject, text)

    async def look_up(self, subject: str, text: str) -> int:
        """The id of `text`, which somebody else must have registered under `subject`.

        Raises `ConfigurationError` if nobody has.
        """
        return await self._id_of(f"/subjects/{quote(subject, safe='')}", subject, text)

    async def _fetch(self, schema_id: int) -> str:
        patience = 0.0 if schema_id in self._unknown else self._patience()
        # Without a timeout stamina would go on for ever.
        limits = {"timeout": patience, "attempts": None} if patience else {"timeout": None, "attempts": 1}
        try:
            async for attempt in stamina.retry_context(
                on=_NoSuchIdError,
                wait_initial=WAIT_INITIAL,
                wait_max=WAIT_MAX,
                wait_jitter=WAIT_INITIAL,
                **limits,
            ):
                with attempt:
                    self._texts[schema_id] = await self._ask_for(schema_id)
        except _NoSuchIdError:
            self._remember_unknown(schema_id)
            raise UnreadableError("unknown_schema", f"id {schema_id}: the registry has none") from None
        self._unknown.pop(schema_id, None)
        return self._texts[schema_id]

    async def _ask_for(self, schema_id: int) -> str:
        status, reply = await self._ask("GET", f"/schemas/ids/{schema_id}")
        if status != 200:
            raise _NoSuchIdError
        return str(reply["schema"])

    def _patience(self) -> float:
        """How many seconds an id is asked for that was never heard of."""
        since = time.monotonic() - HALVED_SECONDS
        seconds = self._settings.schema_wait_seconds * 0.5 ** sum(at > since for at in self._stayed_unknown)
        return seconds if seconds >= LEAST_WAIT else 0.0

    def _remember_unknown(self, schema_id: int) -> None:
        now = time.monotonic()
        if self._unknown.pop(schema_id, None) is None:
            self._stayed_unknown.append(now)
        self._unknown[schema_id] = now
        if len(self._unknown) > UNKNOWN_IDS:
            self._unknown.pop(next(iter(self._unknown)))

    async def _id_of(self, path: str, subject: str, text: str) -> int:
        status, reply = await self._ask("POST", path, {"schema": text})
        for _ in range(CONFLICTS):
            if status != 409:
                break
            # If several workers register a new subject at once, Apicurio refuses all but one.
            await asyncio.sleep(WAIT_INITIAL)
            status, reply = await self._ask("POST", path, {"schema": text})
        found = reply.get("id")
        if status != 200 or not isinstance(found, int):
            says = str(reply.get("message", ""))[:200]
            raise ConfigurationError(f"the registry refuses the schema of {subject}: {status} {says}")
        return found

    async def _ask(
        self, method: str, path: str, body: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        async for attempt in stamina.retry_context(
            on=self._is_away, attempts=None, timeout=None, wait_initial=WAIT_INITIAL, wait_max=WAIT_MAX
        ):
            with attempt:
                return await self._ask_once(method, path, body)
        raise AssertionError("retries without end")

    def _is_away(self, error: Exception) -> bool:
        self.trouble = str(error)
        return isinstance(error, _AwayError)

    async def _ask_once(
        self, method: str, path: str, body: dict[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        assert self._session is not None
        began = time.monotonic()
        try:
            async with self._session.request(
                method, self._url + path, json=body, allow_redirects=False
            ) as response:
                status, raw = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            metrics.REGISTRY_ERRORS.labels("away").inc()
            log.warning("the schema registry is away: %s", type(error).__name__)
            raise _AwayError(str(error) or type(error).__name__) from error
        metrics.REGISTRY_LATENCY.labels(method).observe(time.monotonic() - began)
        if status in (401, 403):
            metrics.REGISTRY_ERRORS.labels("refused").inc()
            log.error("the schema registry refuses the user name or password (%d); waiting for it to", status)
            raise _AwayError(f"it refuses the user name or password ({status})")
        if status == 429 or status >= 500:
            metrics.REGISTRY_ERRORS.labels("failed").inc()
            log.warning("the schema registry answers %d", status)
            raise _AwayError(f"it answers {status}")
        reply = _json_object(raw)
        if reply is None or not _is_registrys(method, status, reply):
            # An ingress or a login page has answered in the registry's place.
            metrics.REGISTRY_ERRORS.labels("failed").inc()
            log.warning("something else than the schema registry answers: %d", status)
            raise _AwayError(f"something else than a schema registry answers: {status}")
        return status, reply


def registry_of(settings: Settings) -> Registry | NoRegistry:
    """The registry of a site, or what stands in its place where the site has none."""
    return Registry(settings) if settings.registry else NoRegistry()


def _is_registrys(method: str, status: int, reply: dict[str, Any]) -> bool:
    """Whether a registry may have answered this: a schema, its 'no such id', or what it says to a POST."""
    if method == "GET":
        return isinstance(reply.get("schema"), str) if status == 200 else reply.get("error_code") in NO_SUCH
    return status == 200 or (status >= 400 and "error_code" in reply)


def _headers(settings: Settings) -> dict[str, str]:
    headers = {"Accept": CONTENT_TYPE}
    if settings.registry_username:
        file = settings.registry_password_file
        password = "" if file is None else read_secret(file, "BADGES_REGISTRY_PASSWORD_FILE")
        credentials = f"{settings.registry_username}:{password}".encode()
        headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
    return headers


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None

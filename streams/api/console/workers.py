"""What the workers say of themselves: their pages, asked side by side, each in bounded time."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

PAGE = aiohttp.ClientTimeout(total=0.7)
"""A page answers in milliseconds; who looks at the console waits no second for one that does not."""
MOST_BYTES = 4 * 1024 * 1024
"""Of a page: the metrics of a worker with a thousand partitions have some hundred kilobytes."""
MOST = 64
"""Workers that are asked, of however many there are: a screen of them."""

NO_PAGE = (
    *(aiohttp.ClientError, TimeoutError, OSError),
    *(ValueError, KeyError, TypeError, AttributeError, OverflowError),
)
"""What asking for a page may end with, and reading what is none."""
READ = (
    *("badges_build_info", "badges_catalog_info", "badges_lag_records"),
    *("badges_issuer_breaker_open", "badges_issuer_paused", "badges_issuer_parked"),
    "badges_issuer_key_expiry_timestamp_seconds",
)
"""Of the metrics: to read all of them takes ten times as long."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Pace:
    """An organization as one worker meets it at its issuer; `rate` is None where the worker does not say."""

    held: str = ""
    breaker: bool = False
    paused: bool = False
    key_expires: datetime | None = None
    parked: int = 0
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker by its pages; `why` is what it says of itself, or that it does not answer.

    `organizations` are those whose badges it issues. Without its token it names nothing.
    """

    name: str
    address: str
    ready: bool
    why: str
    catalog: str = ""
    version: str = ""
    organizations: Mapping[str, Pace] = field(default_factory=dict)
    answers: bool = True

    @property
    def host(self) -> str:
        """Where it runs."""
        return self.address.rpartition(":")[0]


async def look(addresses: Sequence[Address], token: str, roles: Mapping[str, str]) -> list[Worker]:
    """The workers whose pages are at these addresses, and at all that a host's name stands for.

    `token` is shown to each, if there is one: name none that whoever joins a group could have named. `roles`
    are the names of workers by a topic that only they read.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(timeout=PAGE, headers=headers) as session:
        everywhere = await asyncio.gather(*(_places(address) for address in addresses))
        places = list(dict.fromkeys(place for found in everywhere for place in found))[:MOST]
        answers = await asyncio.gather(*(_worker(session, place, roles) for place in places))
    return sorted((one for found in answers for one in found), key=lambda one: (one.name, one.address))


async def _places(address: Address) -> list[Address]:
    host, port = address
    try:
        async with asyncio.timeout(PAGE.total):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return [address]
    return sorted({(str(place[0]), port) for *_, place in found})


async def _worker(session: aiohttp.ClientSession, place: Address, roles: Mapping[str, str]) -> list[Worker]:
    """The worker there, or all that answer as one."""
    host, port = place
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        ready, health, measured = await asyncio.gather(
            *(_page(session, address, path) for path in ("ready", "health", "metrics"))
        )
        return _read(address, ready, health, measured, roles)
    except NO_PAGE as error:
        why = "does not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
        return [Worker("", address, False, why, answers=False)]


def _read(
    address: str, ready: bytes, health: bytes, measured: bytes, roles: Mapping[str, str]
) -> list[Worker]:
    said, more, samples = _object(ready), _object(health), list(_samples(measured))
    several = said.get("workers")
    if not isinstance(several, dict):
        return [_one(_name(samples, roles), address, said, more, samples)]
    told = more.get("workers")
    of_each = told if isinstance(told, dict) else {}
    return [
        _one(
            name, address, one, of_each.get(name, {}), [s for s in samples if s.labels.get("worker") == name]
        )
        for name, one in several.items()
    ]


async def _page(session: aiohttp.ClientSession, address: str, path: str) -> bytes:
    """A page, whatever its status; empty where it is for others."""
    async with session.get(f"http://{address}/{path}", allow_redirects=False) as answer:
        body = bytearray()
        async for part in answer.content.iter_any():
            body += part
            if len(body) > MOST_BYTES:
                raise ValueError("too long for a page")
        return bytes(body) if answer.status in (200, 503) else b""


def _object(raw: bytes) -> Mapping[str, Any]:
    found = orjson.loads(raw) if raw else {}
    if not isinstance(found, dict):
        raise ValueError("no worker's page")
    return found


def _samples(raw: bytes) -> Iterator[Sample]:
    lines = raw.decode("utf-8", "replace").splitlines(keepends=True)
    for family in text_string_to_metric_families("".join(line for line in lines if line.startswith(READ))):
        yield from family.samples


def _one(
    name: str, address: str, said: Mapping[str, Any], more: Mapping[str, Any], samples: Sequence[Sample]
) -> Worker:
    ready = said.get("ok") is True
    # With the token, the reason with its names.
    told = more.get("ready")
    why = (told if isinstance(told, dict) else said).get("why", "")
    catalog = next((s.labels["revision"] for s in samples if s.name == "badges_catalog_info"), "")
    version = next((s.labels["version"] for s in samples if s.name == "badges_build_info"), "")
    return Worker(name, address, ready, str(why), catalog, version, _paces(more, samples))


def _name(samples: Iterable[Sample], roles: Mapping[str, str]) -> str:
    """Which worker it is, by a topic that only it reads; empty where it has no partition of that."""
    read = (roles.get(sample.labels["topic"]) for sample in samples if sample.name == "badges_lag_records")
    return next((name for name in read if name), "")


def _paces(more: Mapping[str, Any], samples: Iterable[Sample]) -> Mapping[str, Pace]:
    values: dict[str, dict[str, float]] = {}
    parked = Counter[str]()
    for sample in samples:
        if organization := sample.labels.get("organization"):
            values.setdefault(organization, {})[sample.name] = sample.value
            if sample.name == "badges_issuer_parked":
                parked[organization] += int(sample.value)
    said = more.get("organizations")
    told: Mapping[str, Any] = said if isinstance(said, dict) else {}
    return {id: _pace(values.get(id, {}), told.get(id) or {}, parked[id]) for id in sorted({*values, *told})}


def _pace(measured: Mapping[str, float], told: Mapping[str, Any], parked: int) -> Pace:
    expires = measured.get("badges_issuer_key_expiry_timestamp_seconds", 0)
    rate = told.get("rate")
    return Pace(
        held=str(told.get("held_back") or ""),
        breaker=bool(measured.get("badges_issuer_breaker_open")),
        paused=bool(measured.get("badges_issuer_paused")),
        key_expires=datetime.fromtimestamp(expires, UTC) if expires else None,
        parked=parked,
        rate=float(rate) if isinstance(rate, int | float) else None,
    )

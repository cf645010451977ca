"""What a site's workers do, in one screen: by their groups, the topics, and their pages if in reach."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import orjson
from aiokafka.structs import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from streams.bus.registry import registry_of
from streams.catalog import CatalogDocument
from streams.errors import ConfigurationError, FatalError
from streams.kafka import insides
from streams.kafka.client import partition_of
from streams.kafka.topics import Topic
from streams.operate.api import waiting
from streams.operate.dead_letters import RELAYS, Filter, listed
from streams.operate.meter import NO_METER, Meter
from streams.operate.site import Site, site
from streams.operate.streams import streams as streams_of
from streams.operate.terminal import table
from streams.operate.waits import Waiting, Waits
from streams.relay.rows import is_issuance, load
from streams.settings import Settings

PORTS = {"bridge": 8070, "tracker": 8080, "relay": 8090}
"""Where a worker's pages are unless `BADGES_HTTP` says otherwise (decision 0011)."""
PAGE = aiohttp.ClientTimeout(total=1)
"""A page answers in milliseconds; where it cannot be reached from here, the rest is shown without it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A topic that a worker reads: members that are alive, partitions that they have, offsets to go.

    Or a stream of Redis, whose one share is as a partition; `lag` is None where Redis does not tell.
    """

    worker: str
    topic: str
    alive: int
    assigned: int
    partitions: int
    lag: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a worker says of itself: whether it is ready, its catalog, badges parked by template."""

    worker: str
    address: str
    ready: str
    catalog: str
    parked: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Status:
    """All of it; `catalog` is empty where none is in force."""

    catalog: str
    registry: str
    streams: Sequence[Stream]
    pages: Sequence[Page]
    issuers: Sequence[Waiting]
    dead_letters: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The screen."""
        yield f"catalog in force: {self.catalog or 'none'}"
        yield f"schema registry: {self.registry}"
        yield ""
        yield from table(("worker", "topic", "alive", "assigned", "lag"), [_row(one) for one in self.streams])
        yield ""
        if self.pages:
            rows = [(page.worker, page.address, page.ready, page.catalog) for page in self.pages]
            yield from table(("worker", "page", "ready", "catalog"), rows)
        else:
            yield "ready: no worker's page can be reached from here"
        yield ""
        yield from table(
            ("organization", "waits", "oldest", "lacks data", "refused"),
            [(w.organization, str(w.waits), w.oldest, str(w.lacking), str(w.refused)) for w in self.issuers],
        )
        parked = sum((Counter(page.parked) for page in self.pages), Counter[str]())
        yield f"parked: {', '.join(f'{n} of template {id}' for id, n in parked.items()) or 'none known'}"
        yield ""
        counts = [
            (w, reason, str(n)) for w, found in self.dead_letters.items() for reason, n in found.items()
        ]
        yield from table(("dead letters of", "reason", "count"), counts) if counts else ["dead letters: none"]


async def status(settings: Settings, meter: Meter = NO_METER) -> Status:
    """The status of a site as of now."""
    async with site(settings) as here:
        streams, hosts = await groups(here)
        pages = [page for worker in hosts async for page in _pages(settings, worker, hosts[worker])]
        revision, document = await _catalog(here)
        issuers = await _waiting(here, document)
    letters: dict[str, Counter[str]] = {}
    async for letter in listed(settings, Filter(), meter=meter):
        worker = "relay" if letter.id.startswith(RELAYS) else "tracker"
        letters.setdefault(worker, Counter())[letter.reason] += 1
    where = registry_of(settings).where
    return Status(
        revision, where, streams, pages, issuers, {worker: dict(n) for worker, n in letters.items()}
    )


async def groups(here: Site) -> tuple[list[Stream], dict[str, set[str]]]:
    """What the groups of the workers read, and at which hosts their members are, by worker."""
    settings = here.settings
    names = {"bridge": settings.bridge_id, "tracker": settings.app_id, "relay": settings.relay_id}
    read: dict[str, tuple[Topic, ...]] = {
        "bridge": (here.topics.badges,) if here.topics.streams else (),
        "tracker": (*here.topics.sources, here.topics.activities),
        "relay": (here.topics.badges, here.topics.decisions),
    }
    streams: list[Stream] = []
    hosts: dict[str, set[str]] = {}
    for worker, group in names.items():
        members = await insides.members(await here.admin(), group, settings.start_seconds)
        offsets = await (await here.admin()).list_consumer_group_offsets(group)
        committed = {tp: found.offset for tp, found in offsets.items()}
        if worker == "bridge":
            streams += await _of_redis(here, members)
        streams += [await _stream(here, worker, topic.name, members, committed) for topic in read[worker]]
        hosts[worker] = {member.host for member in members}
    return streams, hosts


async def _stream(
    here: Site,
    worker: str,
    topic: str,
    members: Sequence[insides.Member],
    committed: Mapping[TopicPartition, int],
) -> Stream:
    tps = await here.partitions(topic)
    assigned = {tp for member in members for tp in member.assigned}
    begins, ends = await here.begins(tps), await here.ends(tps)
    lag = sum([await _lag(here, tp, max(begins[tp], committed.get(tp, 0)), ends[tp]) for tp in tps])
    alive = sum(any(tp.topic == topic for tp in member.assigned) for member in members)
    return Stream(worker, topic, alive, len(assigned.intersection(tps)), len(tps), lag)


async def _of_redis(here: Site, members: Sequence[insides.Member]) -> list[Stream]:
    """The streams of Redis that a bridge reads; none where the bus is Kafka."""
    if not here.topics.streams:
        return []
    shares = await here.partitions(here.topics.shares.name)
    rows = dict([row async for row in here.rows(here.topics.cursors.name)]) if shares else {}
    lags = await _unread(here, rows)
    found = []
    for name in here.topics.streams:
        tp = shares[partition_of(name.encode(), len(shares))] if shares else None
        alive = sum(tp in member.assigned for member in members)
        found.append(Stream("bridge", f"{name} (Redis)", alive, min(alive, 1), 1, lags.get(name)))
    return found


async def _unread(here: Site, cursors: Mapping[bytes, bytes]) -> dict[str, int]:
    """How many entries of each stream no bridge has read yet; of those that Redis tells in time."""
    found: dict[str, int] = {}
    async with streams_of(here.settings) as redis:
        with suppress(FatalError):
            for name in here.topics.streams:
                row = cursors.get(name.encode())
                found[name] = await redis.unread(name, row, here.settings.source_epoch)
    return found


async def _lag(here: Site, tp: TopicPartition, position: int, end: int) -> int:
    """Offsets to go; none where only transactions' markers are left, after which nobody commits."""
    if position < end:
        async for _ in here.records(tp, position, end):
            return end - position
    return 0


async def _catalog(here: Site) -> tuple[str, CatalogDocument | None]:
    try:
        found = await here.catalog()
    except ConfigurationError:
        return "", None
    return found.revision, found.document


async def _waiting(here: Site, document: CatalogDocument | None) -> list[Waiting]:
    if here.settings.api:
        return await waiting(here.settings)
    waits = Waits(document)
    async for key, raw in here.rows(here.topics.issuances.name):
        if is_issuance(key):
            waits.add(load(orjson.loads(raw)))
    return waits.by_organization


def ports_of(settings: Settings, worker: str) -> list[int]:
    """Where a worker's pages may be at its host."""
    own = settings.http.rpartition(":")[2]
    return list(dict.fromkeys((PORTS[worker], *([int(own)] if own and int(own) else []))))


async def _pages(settings: Settings, worker: str, hosts: Collection[str]) -> AsyncIterator[Page]:
    """The pages at these hosts that can be reached from here."""
    ports = ports_of(settings, worker)
    # Without the token: whoever may join the group could have it sent to a host of theirs.
    async with aiohttp.ClientSession(timeout=PAGE) as session:
        for host in sorted(hosts):
            for port in ports:
                with suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                    yield await _page(
                        session, worker, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                    )
                    break


async def _page(session: aiohttp.ClientSession, worker: str, address: str) -> Page:
    async with session.get(f"http://{address}/ready") as answer:
        said = orjson.loads(await answer.read())
    # A small site's pages are those of all its workers.
    said = said.get("workers", {}).get(worker, said)
    ready = "yes" if said["ok"] else f"no: {said['why']}"
    async with session.get(f"http://{address}/metrics") as answer:
        text = await answer.text() if answer.status == 200 else ""
    families = text_string_to_metric_families(text)
    samples = [s for family in families for s in family.samples if s.labels.get("worker", worker) == worker]
    revision = next((s.labels["revision"] for s in samples if s.name == "badges_catalog_info"), "")
    parked = Counter[str]()
    for sample in samples:
        if sample.name == "badges_issuer_parked" and sample.value:
            parked[sample.labels["template"]] += int(sample.value)
    return Page(worker, address, ready, revision, dict(parked))


def _row(stream: Stream) -> tuple[str, ...]:
    assigned = f"{stream.assigned} of {stream.partitions} partitions" if stream.partitions else "no topic"
    lag = "unknown" if stream.lag is None else str(stream.lag)
    return stream.worker, stream.topic, f"{stream.alive} workers", assigned, lag

"""Taking along what the learners of the credentials service have, as orders to the owners of the tables."""

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import IO, Any

from aiokafka.errors import KafkaError, ProducerFenced

from streams.bus.activities import import_line
from streams.catalog import CatalogDocument
from streams.errors import ConfigurationError, FatalError
from streams.kafka.client import partition_of
from streams.kafka.orders import IMPORT, ORDER
from streams.operate.importing.copying import copied
from streams.operate.importing.learners import astray, know, learners, strangers
from streams.operate.importing.plan import WHATS, Plan, Taken, Told, lines
from streams.operate.importing.sources import Access
from streams.operate.importing.tables import OF_LEARNERS
from streams.operate.sending import BATCH_RECORDS, Message, producer, send
from streams.operate.site import Site, site
from streams.operate.terminal import table
from streams.settings import Settings

SHOWN = 20
"""Names of users that are said of each kind, a screen of them; the others are counted."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import: from where, under which catalog; `names` are of users whom the source does not know.

    `ids` is where to write which badge is which: what consumers of the app's events have kept is its own id.
    """

    source: str
    access: Access
    document: CatalogDocument
    names: IO[str] | None = None
    ids: IO[str] | None = None


@dataclass(slots=True)
class Found:
    """What there is and what becomes of it; `strangers` by why: fulfilments, badges and some of the names."""

    told: Told = field(default_factory=Told)
    fulfilled: int = 0
    badges: int = 0
    of_accredible: int = 0
    astray: tuple[int, int] = (0, 0)
    strangers: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, []]))


async def import_state(settings: Settings, wanted: Wanted, now: datetime, *, sends: bool) -> list[str]:
    """Take everything along, or only see what that would be; return what to say of it.

    Raises `ConfigurationError` for what cannot be read, or where the catalog in force lacks the catalog's
    templates; `FatalError` where not all could be sent: what was sent may be sent again.
    """
    found = Found()
    with copied(wanted.source, wanted.access, OF_LEARNERS) as copy:
        know(copy, wanted.names)
        _count(copy, found)
        plan = Plan(wanted.document, settings.app_id, now, found.told)
        taken: Iterator[Taken] = filter(None, map(plan.taken, learners(copy)))
        if wanted.ids is not None:
            taken = _noted(taken, wanted.ids)
        if sends:
            await _send_all(settings, wanted.document, taken)
        else:
            for _ in taken:
                pass
    return [*_said(found, wanted.document), _outcome(found, sends=sends)]


async def _send_all(settings: Settings, document: CatalogDocument, taken: Iterable[Taken]) -> None:
    async with site(settings) as here:
        in_force = (await here.catalog()).document
        _check(document, in_force)
        activities = here.topics.activities.name
        messages = await _messages(here, taken)
        count = 0
        async with producer(settings, f"{activities}-import") as sending:
            while some := list(islice(messages, BATCH_RECORDS)):
                try:
                    await send(sending, some)
                except ProducerFenced:
                    raise FatalError(f"somebody else imports just now: {_so_far(count)}") from None
                except KafkaError as error:
                    raise FatalError(f"{activities}: {error!r}: {_so_far(count)}") from error
                count += len(some)


def _so_far(count: int) -> str:
    return f"{count} orders were sent; run it again: what was imported changes nothing"


async def _messages(here: Site, taken: Iterable[Taken]) -> Iterator[Message]:
    """First what the relay is to know of a learner's badges: it must not issue what is there."""
    activities, decisions = here.topics.activities.name, here.topics.decisions.name
    of_activities, of_decisions = [len(await here.existing(topic)) for topic in (activities, decisions)]

    def message(topic: str, partitions: int, key: bytes, value: bytes, headers: Any) -> Message:
        place = partition_of(key, partitions)
        return {"topic": topic, "key": key, "value": value, "headers": headers, "partition": place}

    def of(one: Taken) -> Iterator[Message]:
        for badge in one.badges:
            key = str(badge.badge).encode()
            yield message(decisions, of_decisions, key, badge.line, [(ORDER, IMPORT)])
        yield message(activities, of_activities, b"%d" % one.order.learner, import_line(one.order), [])

    return chain.from_iterable(map(of, taken))


def _check(document: CatalogDocument, in_force: CatalogDocument) -> None:
    """Refuse a catalog of which something is not in force: the workers would know nothing of it."""
    for id, template in document.templates.items():
        known = in_force.templates.get(id)
        if known is None or {r.id for r in template.requirements} - {r.id for r in known.requirements}:
            raise ConfigurationError(
                f"--catalog: {template.name} ({id}) is not so in the catalog in force: publish it first"
            )


def _noted(taken: Iterable[Taken], ids: IO[str]) -> Iterator[Taken]:
    """Each with a line for each of its badges in `ids`."""
    write = csv.writer(ids, lineterminator="\n").writerow
    write(["there", "here", "template", "learner"])
    for one in taken:
        for badge in one.badges:
            write([badge.there, str(badge.badge), badge.template, one.order.learner])
        yield one


def _count(copy: sqlite3.Connection, found: Found) -> None:
    def count(name: str) -> int:
        [(number,)] = copy.execute(f"SELECT count(*) FROM {name}")  # noqa: S608
        return int(number)

    found.fulfilled, found.badges = count("badges_fulfillment"), count("badges_credlybadge")
    found.of_accredible = count("badges_accrediblebadge")
    found.astray = astray(copy)
    for why, username, fulfilled, badges in strangers(copy):
        about = found.strangers[why]
        about[:3] = about[0] + 1, about[1] + fulfilled, about[2] + badges
        if len(about[3]) < SHOWN:
            about[3].append(username)


def _said(found: Found, document: CatalogDocument) -> Iterator[str]:
    names = {id: template.name for id, template in document.templates.items()}
    yield f"{found.fulfilled} fulfilments and {found.badges} badges are there"
    yield from table(["template", *WHATS], list(lines(found.told, names)))
    for why, (users, fulfilled, badges, some) in found.strangers.items():
        more = f" and {users - len(some)} more" if users > len(some) else ""
        what = f"{fulfilled} fulfilments and {badges} badges of users {why}"
        yield f"not taken along: {what}: {', '.join(some)}{more}"
    for why, count in found.told.left_out.most_common():
        yield f"not taken along: {count} of which {why}"
    if any(found.astray):
        yield "not taken along: {} fulfilments and {} badges without a template".format(*found.astray)
    if found.of_accredible:
        yield f"not taken along: {found.of_accredible} badges of Accredible"


def _outcome(found: Found, *, sends: bool) -> str:
    badges = sum(sum(counts.values()) - counts["fulfilled"] for counts in found.told.totals.values())
    what = f"{badges} badges and the progress of {found.told.learners} learners"
    if sends:
        return f"sent: {what}; how far the workers are: badge-streams status"
    return f"nothing is sent: --yes sends {what}"

"""Taking along what the learners of the credentials service have, as orders to the owners of the tables."""

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from aiokafka.errors import KafkaError, ProducerFenced

from streams.bus.activities import import_line
from streams.catalog import CatalogDocument
from streams.errors import ConfigurationError, FatalError
from streams.kafka.client import partition_of
from streams.kafka.orders import IMPORT, ORDER
from streams.logs import blanked
from streams.operate.importing.copying import copied
from streams.operate.importing.learners import astray, count, know, learners, strangers
from streams.operate.importing.plan import WHATS, Plan, Taken, Told, lines
from streams.operate.importing.sources import Access
from streams.operate.importing.tables import OF_LEARNERS
from streams.operate.sending import BATCH_BYTES, BATCH_RECORDS, Message, producer, send
from streams.operate.site import site
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
class Strangers:
    """Users of whom nothing is taken along, for one reason; `some` are names of theirs."""

    users: int = 0
    fulfilled: int = 0
    badges: int = 0
    some: list[str] = field(default_factory=list)

    def add(self, username: str, fulfilled: int, badges: int) -> None:
        """Count one more."""
        self.users += 1
        self.fulfilled += fulfilled
        self.badges += badges
        if len(self.some) < SHOWN:
            self.some.append(username)

    def __str__(self) -> str:
        more = self.users - len(self.some)
        return f"{', '.join(self.some)}{f' and {more} more' if more else ''}"


@dataclass(slots=True)
class Found:
    """What there is and what becomes of it; `strangers` by why nothing of theirs is taken along."""

    told: Told = field(default_factory=Told)
    fulfilled: int = 0
    badges: int = 0
    astray: tuple[int, int] = (0, 0)
    strangers: dict[str, Strangers] = field(default_factory=lambda: defaultdict(Strangers))


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
    return [*map(blanked, _said(found, wanted.document)), _outcome(found, sends=sends)]


async def _send_all(settings: Settings, document: CatalogDocument, taken: Iterable[Taken]) -> None:
    async with site(settings) as here:
        _check(document, (await here.catalog()).document)
        activities, decisions = here.topics.activities.name, here.topics.decisions.name
        of_topics = {topic: len(await here.existing(topic)) for topic in (activities, decisions)}
        count = 0
        async with producer(settings, f"{activities}-import") as sending:
            for some in _batched(_messages(one, activities, decisions, of_topics) for one in taken):
                try:
                    await send(sending, some)
                except ProducerFenced:
                    raise FatalError(f"somebody else imports just now: {_so_far(count)}") from None
                except KafkaError as error:
                    raise FatalError(f"{activities}: {error!r}: {_so_far(count)}") from error
                count += len(some)


def _so_far(count: int) -> str:
    return f"{count} orders were sent; run it again: what was imported changes nothing"


def _messages(taken: Taken, activities: str, decisions: str, partitions: Mapping[str, int]) -> list[Message]:
    """What is sent of one learner, in the topics with so many partitions."""

    def message(topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Message:
        place = partition_of(key, partitions[topic])
        return {"topic": topic, "key": key, "value": value, "headers": headers, "partition": place}

    of_badges = (
        message(decisions, str(badge.badge).encode(), badge.line, [(ORDER, IMPORT)]) for badge in taken.badges
    )
    return [*of_badges, message(activities, b"%d" % taken.order.learner, import_line(taken.order), [])]


def _batched(learners: Iterable[list[Message]]) -> Iterator[list[Message]]:
    """What is sent in one transaction: never a part of a learner."""
    some: list[Message] = []
    size = 0
    for messages in learners:
        some += messages
        size += sum(len(message["value"]) for message in messages)
        if len(some) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


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
    found.fulfilled, found.badges = count(copy)
    found.astray = astray(copy)
    for why, username, fulfilled, badges in strangers(copy):
        found.strangers[why].add(username, fulfilled, badges)


def _said(found: Found, document: CatalogDocument) -> Iterator[str]:
    names = {id: template.name for id, template in document.templates.items()}
    yield f"{found.fulfilled} fulfilments and {found.badges} badges are there"
    yield from table(["template", *WHATS], list(lines(found.told, names)))
    for why, of in found.strangers.items():
        yield f"not taken along: {of.fulfilled} fulfilments and {of.badges} badges of users {why}: {of}"
    for what, number in found.told.left_out.most_common():
        yield f"not taken along: {number} {what}"
    if any(found.astray):
        yield "not taken along: {} fulfilments and {} badges without a template".format(*found.astray)


def _outcome(found: Found, *, sends: bool) -> str:
    badges = sum(sum(counts.values()) - counts["fulfilled"] for counts in found.told.totals.values())
    what = f"{badges} badges and the progress of {found.told.learners} learners"
    if sends:
        return f"sent: {what}; how far the workers are: badge-streams status"
    return f"nothing is sent: --yes sends {what}"

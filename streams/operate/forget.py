"""Forgetting a learner: orders through the streams, as only a table's owner may write (decision 0010)."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import orjson

from streams.errors import FatalError
from streams.kafka import checks
from streams.kafka.client import partition_of
from streams.kafka.consents import consent_of
from streams.kafka.orders import FORGET, ORDER
from streams.operate.ordering import delete, ends, order, worked_off
from streams.operate.site import Site, site
from streams.operate.streams import bridged
from streams.relay.issuance import Issuance, gone
from streams.relay.rows import is_issuance, load
from streams.settings import Settings

LOOK_SECONDS = 1.0
"""Between two looks at the whole table of issuances, which costs more."""
DAY_MS = 86_400_000
FOR_EVER_MS = 10_000 * DAY_MS
"""A compaction lag of more than 10,000 days is none: Kafka's default is 2**63 - 1 ms."""

FORGOTTEN = ((ORDER, FORGET),)

Say = Callable[[str], None]


async def forget(settings: Settings, learner: int, within: float, say: Say) -> bool:
    """Have the workers forget a learner, and wait for it; return whether nothing is left but what ages out.

    First the tracker, so that it decides nothing more about the past; then the relay, after the last badge
    event about the learner. Doing it again does no harm. Raises `FatalError` where a worker has not followed
    `within` so many seconds: its order is written, and it will follow.
    """
    async with site(settings) as here:
        await _by_the_tracker(here, learner, within)
        say(f"the tracker has forgotten learner {learner}")
        if keys := await _consents(here, learner):
            await delete(here, here.topics.consents.name, keys)
            say(f"{len(keys)} pages of hers for everybody are taken back")
        left = await _by_the_relay(here, learner, within, say)
        say("copies that age out by themselves, at the latest:")
        names = [topic.name for topic in here.topics.all if topic != here.topics.catalog]
        configs = await checks.configs(await here.admin(), names)
        now = datetime.now(UTC)
        for name, config in configs.items():
            say(f"  {name}: {_gone(config, now)}")
        for name in here.topics.streams:
            say(f"  {name}: once about {settings.redis_stream_max_len:,} events more are on it")
        if longer := _longer(configs, settings.forgotten_days):
            say(
                f"kept for longer than BADGES_FORGOTTEN_DAYS={settings.forgotten_days}, after which what is "
                f"read again from there counts: {', '.join(longer)}"
            )
    return not left


async def _by_the_tracker(here: Site, learner: int, within: float) -> None:
    group, activities, key = here.settings.app_id, here.topics.activities.name, b"%d" % learner
    partitions = await here.partitions(activities)
    if not partitions:
        raise FatalError(f"topic {activities} does not exist")
    if here.topics.streams:
        await bridged(here, within)
    for topic in here.topics.sources:
        await worked_off(here, group, await ends(here, topic.name), within)
    ordered = await order(here, activities, key, [partition_of(key, len(partitions))], FORGOTTEN)
    await worked_off(here, group, ordered, within)


async def _consents(here: Site, learner: int) -> list[bytes]:
    """The keys of the learner's consents. What nobody can read is nobody's."""
    found = []
    async for key, raw in here.rows(here.topics.consents.name):
        with suppress(ValueError):
            if consent_of(raw).learner == learner:
                found.append(key)
    return found


async def _by_the_relay(here: Site, learner: int, within: float, say: Say) -> Mapping[bytes, Issuance]:
    """What the relay's table still holds of the learner."""
    group, decisions = here.settings.relay_id, here.topics.decisions.name
    partitions = await here.partitions(decisions)
    if not partitions:
        say("there is no relay here: no issuer is asked for anything")
        return {}
    await worked_off(here, group, await ends(here, here.topics.badges.name), within)
    known = await _issuances(here, learner)
    ordered = await order(here, decisions, b"%d" % learner, [tp.partition for tp in partitions], FORGOTTEN)
    await worked_off(here, group, ordered, within)
    left = await _deleted(here, learner, within)
    keeps = here.settings.adopted == "keep"
    kept = {badge: i.held for badge, i in known.items() if keeps and i.adopted and badge not in left}
    for badge, held in kept.items():
        say(f"badge {badge.decode()} was adopted, not issued: its issuer keeps it as {held}")
    deleted = len(known.keys() - left.keys() - kept.keys())
    say(f"{deleted} badges are deleted at their issuers and from the relay's table")
    for badge, issuance in left.items():
        why = issuance.refused or issuance.answer or "not yet"
        say(f"badge {badge.decode()} of template {issuance.template} is still there: {why}")
    return left


async def _deleted(here: Site, learner: int, within: float) -> dict[bytes, Issuance]:
    """Wait until all is deleted or refused, or `within` is over; return what is left."""
    end = asyncio.get_running_loop().time() + within
    while True:
        left = await _issuances(here, learner)
        is_over = asyncio.get_running_loop().time() > end
        if is_over or all(issuance.refused for issuance in left.values()):
            return left
        await asyncio.sleep(LOOK_SECONDS)


async def _issuances(here: Site, learner: int) -> dict[bytes, Issuance]:
    key = b"%d" % learner
    # Most rows are about others: parse only those in which the learner's id may be.
    rows = {badge: raw async for badge, raw in here.rows(here.topics.issuances.name) if key in raw}
    found = {badge: load(orjson.loads(raw)) for badge, raw in rows.items() if is_issuance(badge)}
    # One that is gone is no badge, but what stays of the learner.
    return {badge: i for badge, i in found.items() if i.learner == learner and not gone(i)}


def _longer(configs: Mapping[str, Mapping[str, str]], days: int) -> list[str]:
    """The topics whose records may be older than that."""
    return [name for name, config in configs.items() if not 0 <= _kept(config) <= days * DAY_MS]


def _kept(config: Mapping[str, str]) -> int:
    """How many milliseconds a topic keeps a record, below 0 for ever; a changelog is only read as a whole."""
    if "compact" in config["cleanup.policy"]:
        return 0
    kept = int(config["retention.ms"])
    # Kafka deletes whole segments, and writes to one for so long.
    return kept if kept < 0 else kept + int(config["segment.ms"])


def _gone(config: Mapping[str, str], now: datetime) -> str:
    if "compact" in config["cleanup.policy"]:
        kept = int(config["max.compaction.lag.ms"])
        return "once it is compacted" if kept > FOR_EVER_MS else _day(now, kept)
    kept = _kept(config)
    return "never, it keeps its records for ever" if kept < 0 else _day(now, kept)


def _day(now: datetime, ms: int) -> str:
    return (now + timedelta(days=1, milliseconds=ms)).date().isoformat()

"""The newest dead letters, however many there are: in bounded time and memory, newest first."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka.structs import TopicPartition

from streams.operate.dead_letters import RELAYS, Filter, Letter, Letters, places, workers
from streams.operate.site import Site, site
from streams.settings import Settings

LOOKED_AT = 5_000
"""Records of all partitions together that are looked at for letters: a second's work, some megabytes."""
MARKS = 4 * LOOKED_AT
"""Records that are read for the marks of what was sent again, which come after the letters."""
MILLISECOND = timedelta(milliseconds=1)

Stretches = Mapping[TopicPartition, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Row:
    """What a list has of a letter; `redriven` is None where nobody looked so far."""

    id: str
    at: datetime
    agent: str
    reason: str
    type: str
    event: str
    what: str
    redriven: bool | None


@dataclass(frozen=True, slots=True)
class Recent:
    """Letters, newest first. What is older than `before` was not looked at; None: there is nothing older."""

    rows: Sequence[Row]
    before: datetime | None


async def recent(settings: Settings, wanted: Filter, worker: str = "", type: str = "") -> Recent:
    """The newest letters that `wanted` takes, but for its learner; of one worker or type of event, if given.

    Who goes on with `until` at the former's `before` sees each letter once.
    """
    async with site(settings) as here:
        chosen = [one for one in workers(here) if worker in ("", _name(one.prefix))]
        tps = [tp for one in chosen for tp in await here.partitions(one.letters)]
        if not tps:
            return Recent([], None)
        begins, ends = await here.begins(tps), await here.ends(tps)
        if wanted.since is not None:
            begins = await here.since(tps, _ms(wanted.since))
        until = ends if wanted.until is None else await here.since(tps, _ms(wanted.until))
        each = max(1, LOOKED_AT // len(tps))
        firsts = {tp: max(begins[tp], until[tp] - each) for tp in tps}
        cut = {tp: (firsts[tp], until[tp]) for tp in tps if firsts[tp] > begins[tp]}
        before = await _before(here, cut, wanted.until)
        known = sum(ends[tp] - firsts[tp] for tp in tps) <= MARKS
        letters = Letters(here, chosen)
        await letters.open_within({tp: (firsts[tp], (ends if known else until)[tp]) for tp in tps})
        async with aclosing(letters.each(wanted)) as found:
            rows = [
                _row(letter, marks=known)
                async for letter in found
                if (before is None or letter.at >= before) and type in letter.event[0]
            ]
    return Recent(rows[::-1], before)


async def letter(settings: Settings, id: str) -> tuple[Letter, bool] | None:
    """The letter with this id, and whether all marks after it were looked at; None where there is none."""
    async with site(settings) as here:
        for one, tp, offset in places(here, [id]).values():
            if tp not in await here.partitions(tp.topic):
                return None
            begin, end = (await here.begins([tp]))[tp], (await here.ends([tp]))[tp]
            if not begin <= offset < end:
                return None
            letters = Letters(here, [one])
            await letters.open_within({tp: (offset, min(end, offset + MARKS))})
            if (found := await letters.at(tp, offset)) is not None:
                return found, end <= offset + MARKS
    return None


async def _before(here: Site, cut: Stretches, until: datetime | None) -> datetime | None:
    """The time from which on all letters are in these stretches, whose beginnings are cut off."""
    times = []
    for tp, (begin, end) in cut.items():
        async with aclosing(here.records(tp, begin, end)) as records:
            async for record in records:
                times.append(record.timestamp)
                break
    if not times:
        return None
    # Of the first millisecond some may be before the cut; where there is no later one, that is as it is.
    first = datetime.fromtimestamp(max(times) / 1000, UTC)
    after = first + MILLISECOND
    return after if until is None or after < until else first


def _row(letter: Letter, *, marks: bool) -> Row:
    type, event = letter.event
    redriven = True if letter.redriven else False if marks else None
    return Row(letter.id, letter.at, letter.agent, letter.reason, type, event, letter.what, redriven)


def _name(prefix: str) -> str:
    return "relay" if prefix == RELAYS else "tracker"


def _ms(time: datetime) -> int:
    return max(0, int(time.timestamp() * 1000))

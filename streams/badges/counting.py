"""What is remembered of one requirement of a learner, and how matches and penalties change it.

Activities may arrive late, so all is weighed by their own times, in microseconds since 1970 (decision 0064).
"""

from collections.abc import Sequence

from streams.badges.model import value
from streams.badges.packing import LONG, Id, Ids, Key, hashed, joined, key_of, pack_id
from streams.badges.rules import Scalar
from streams.badges.templates import Requirement

SPARE = 100
"""How many more matches than are needed are remembered: some come late, some are taken back."""
WITHDRAWN = ""
"""In place of a match's id: the value was withdrawn then."""


Match = tuple[int, Id, Key]
"""Time, id and key of a match that is remembered, or of a withdrawal."""


@value
class State:
    """What is known of a requirement.

    `moment`: when it was fulfilled; `counted`: by what. `newest`: the time of its newest match, if that is
    none of the remembered ones. `floor`: the latest penalty that reset it; an earlier match is none. `times`,
    `ids` and `keys` are those of the remembered matches in order of arrival: the earliest and the newest of
    each activity, or of each value found at `distinct`, and its withdrawal. `live`: it goes on counting
    though it is fulfilled.
    """

    moment: int | None = None
    newest: int | None = None
    counted: Ids = b""
    floor: int | None = None
    distinct: str | None = None
    times: Sequence[int] = ()
    ids: Sequence[Id] = ()
    keys: Sequence[Key] = ()
    live: bool = False

    @property
    def matches(self) -> list[Match]:
        """The remembered matches; without `distinct` they are told apart by their ids."""
        return [*zip(self.times, self.ids, self.keys or self.ids, strict=True)]


INITIAL = State()
_NEVER = -(2**63)
"""Before every time that a `datetime` can have."""


def matched(
    state: State, requirement: Requirement, time: int, id: str, found: Scalar | None, goes_on: bool
) -> State:
    """After a match; `found` is the value by which matches must differ, None where every activity does.

    `goes_on`: a penalty of the catalog withdraws from the requirement, which then counts though it is
    fulfilled.
    """
    if state.floor is not None and time < state.floor:
        return state
    settled = state.moment is not None and not (state.live and goes_on)
    if settled and not state.times:
        if time <= _or_never(state.newest):
            return state
        return State(state.moment, time, state.counted, state.floor, live=state.live)
    state = _recounted(state, requirement)
    packed = pack_id(id)
    if requirement.count == 1 and state.moment is None and not state.times and not goes_on:
        # Of most requirements: one match is enough, and nothing need be remembered to weigh it against.
        return State(time, max(time, _or_never(state.newest)), joined([packed]), state.floor)
    key = packed if found is None else key_of(found, state.keys)
    too_few = state.moment is None and len(state.times) < min(requirement.count, LONG) - 1
    if too_few and key not in (state.keys or state.ids):
        return _with_one_more(state, requirement, time, packed, key)
    rows = state.matches
    if WITHDRAWN in state.ids and any(not known and other == key and time < at for at, known, other in rows):
        return state
    if settled:
        return state if time <= _or_never(state.newest) else _with(state, requirement, rows, time)
    after, forgotten = _bounded(_added(rows, (time, packed, key)), requirement)
    newest = _later(state.newest, forgotten)
    if state.moment is None and (counting := _counting(after, requirement)) is not None:
        return _fulfilled(state, requirement, time, counting, after, newest, goes_on)
    return state if after is rows else _with(state, requirement, after, newest)


def reset(state: State, time: int) -> State:
    """After a penalty that resets the requirement: what was matched later stands."""
    floor = max(time, _or_never(state.floor))
    rows = state.matches
    if state.moment is not None and newest_match(state) > time:
        later, moment, newest, counted = rows, state.moment, state.newest, state.counted
    else:
        later = [row for row in rows if row[0] > time]
        moment, newest, counted = None, state.newest if _or_never(state.newest) > time else None, b""
    if floor == state.floor and moment == state.moment and len(later) == len(rows):
        return state
    distinct, live = state.distinct if later else None, state.live and moment is not None
    return State(moment, newest, counted, floor, distinct, *_columns(later, distinct), live)


def withdrawn(state: State, requirement: Requirement, time: int, found: Scalar) -> State:
    """After a penalty that withdraws a value: what of it was matched later stands."""
    state = _recounted(state, requirement)
    key = key_of(found, state.keys)
    rows = state.matches
    kept = [row for row in rows if row[2] != key or row[0] > time or row[1] == WITHDRAWN]
    took = len(kept) < len(rows)
    former = next((row for row in rows if row[2] == key and row[1] == WITHDRAWN), None)
    if former is None or former[0] < time:
        kept = [*(row for row in kept if row is not former), (time, WITHDRAWN, key)]
    elif not took:
        return state
    after, forgotten = _bounded(kept, requirement)
    newest = _later(state.newest, forgotten)
    if not took or state.moment is None:
        return _with(state, requirement, after, newest)
    return _reconsidered(state, requirement, after, newest)


def newest_match(state: State) -> int:
    """The time of the requirement's newest match; before all others if there is none."""
    return max([_or_never(state.newest), *(time for time, id, _ in state.matches if id)])


def newer_half(state: State) -> State:
    """With the newer half of what is remembered; the newest match is known in any case."""
    rows = state.matches
    half = len(rows) // 2
    newer = sorted(sorted(range(len(rows)), key=lambda place: rows[place][0])[-half:])
    newest = newest_match(state)
    columns = _columns([rows[place] for place in newer], state.distinct)
    return State(
        state.moment,
        None if newest == _NEVER else newest,
        state.counted,
        state.floor,
        state.distinct,
        *columns,
        state.live,
    )


def _or_never(time: int | None) -> int:
    return _NEVER if time is None else time


def _later(one: int | None, other: int | None) -> int | None:
    return one if other is None or (one is not None and one >= other) else other


def _recounted(state: State, requirement: Requirement) -> State:
    """With nothing remembered if the matches were told apart by something else than now."""
    if not state.times or state.distinct == _name(requirement):
        return state
    newest = newest_match(state)
    return State(
        state.moment, None if newest == _NEVER else newest, state.counted, state.floor, live=state.live
    )


def _name(requirement: Requirement) -> str | None:
    return None if requirement.distinct is None else requirement.distinct.name


def _with(state: State, requirement: Requirement, rows: Sequence[Match], newest: int | None) -> State:
    distinct = _name(requirement) if rows else None
    columns = _columns(rows, distinct)
    return State(state.moment, newest, state.counted, state.floor, distinct, *columns, state.live)


def _with_one_more(state: State, requirement: Requirement, time: int, id: Id, key: Key) -> State:
    """With a new key, where there are too few even so: most matches are such, and this halves their cost."""
    distinct = _name(requirement)
    times, ids = [*state.times, time], [*state.ids, id]
    keys = [] if distinct is None else [*state.keys, key]
    return State(None, state.newest, b"", state.floor, distinct, times, ids, keys)


def _columns(rows: Sequence[Match], distinct: str | None) -> tuple[list[int], list[Id], list[Key]]:
    keys = [key for _, _, key in rows] if distinct is not None else []
    return (
        [time for time, _, _ in rows],
        [id for _, id, _ in rows],
        hashed(keys) if len(keys) > LONG else keys,
    )


def _added(rows: list[Match], match: Match) -> list[Match]:
    """With the match, if it is its key's earliest or newest; of equal times the first to arrive stays."""
    time, _, key = match
    same = [row for row in rows if row[2] == key and row[1] != WITHDRAWN]
    if not same:
        return [*rows, match]
    earliest, newest = min(same, key=_time), max(same, key=_time)
    if earliest[0] <= time <= newest[0]:
        return rows
    replaced = None if len(same) == 1 else earliest if time < earliest[0] else newest
    return [*(row for row in rows if row is not replaced), match]


def _time(match: Match) -> int:
    return match[0]


def _bounded(rows: list[Match], requirement: Requirement) -> tuple[list[Match], int | None]:
    """Without the keys that stand at the oldest times, where there are too many; and their newest match."""
    most = requirement.count + SPARE
    if len(rows) <= most:
        return rows, None
    stand = _standing(rows, requirement, withdrawals=True)
    excess = sorted(stand, key=_time)[: max(0, len(stand) - most)]
    if not excess:
        return rows, None
    gone = {key for _, _, key in excess}
    newest = max((time for time, id, key in rows if key in gone and id), default=None)
    return [row for row in rows if row[2] not in gone], newest


def _standing(rows: Sequence[Match], requirement: Requirement, *, withdrawals: bool = False) -> list[Match]:
    """The match that stands for each key, in order of arrival; on request the withdrawal of others."""
    newest_stands = requirement.repeats == "newest"
    chosen: dict[Key, int] = {}
    for place, (time, id, key) in enumerate(rows):
        other = chosen.get(key)
        if id and (other is None or (time > rows[other][0]) is newest_stands):
            chosen[key] = place
    if withdrawals:
        for place, (_, _, key) in enumerate(rows):
            chosen.setdefault(key, place)
    return [rows[place] for place in sorted(chosen.values())]


def _counting(rows: Sequence[Match], requirement: Requirement) -> list[Match] | None:
    """What counts, in order of arrival, if it is enough: all that stands, or that in the earliest window."""
    count = requirement.count
    if len(rows) < count:
        return None
    stand = _standing(rows, requirement)
    if len(stand) < count:
        return None
    if (window := requirement.window) is None:
        return stand
    times = sorted(time for time, _, _ in stand)
    for begin, last in zip(times, times[count - 1 :], strict=False):
        if last - begin <= window:
            return [row for row in stand if begin <= row[0] <= begin + window]
    return None


def _fulfilled(
    state: State,
    requirement: Requirement,
    time: int,
    counting: Sequence[Match],
    rows: list[Match],
    newest: int | None,
    goes_on: bool,
) -> State:
    counted = joined([id for _, id, _ in counting])
    if not goes_on:
        newest = max([_or_never(newest), *(at for at, id, _ in rows if id)])
        rows = [row for row in rows if row[1] == WITHDRAWN]
    now = State(time, newest, counted, state.floor, live=goes_on)
    return _with(now, requirement, rows, newest)


def _reconsidered(state: State, requirement: Requirement, rows: Sequence[Match], newest: int | None) -> State:
    """The state of a fulfilled requirement that lost a match: fulfilled still if enough is left."""
    counting = _counting(rows, requirement)
    if counting is None:
        return _with(State(floor=state.floor), requirement, rows, newest)
    counted = joined([id for _, id, _ in counting])
    now = State(state.moment, newest, counted, state.floor, live=True)
    return _with(now, requirement, rows, newest)

"""Where the badges wait that their issuer does not hold as desired: bookkeeping, without clock or tasks."""

import heapq
import itertools
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from streams.relay.issuance import WITHHELD, Issuance, done

Place = Literal["queued", "busy", "later", "parked", "unknown", "lacking"]
Why = Literal["refused", "lacking"]


@dataclass(slots=True)
class Pending:
    """A badge that its issuer does not hold as desired. `again`: the bus has spoken while it was busy.

    `withheld`: its issuer has made it, and does not publish it.
    """

    template: str
    since: float
    place: Place
    again: bool = False
    withheld: bool = False

    def note(self, issuance: Issuance) -> None:
        """Know what the issuer has made of it."""
        self.withheld = issuance.kind == "awarded" and issuance.state == WITHHELD


@dataclass(slots=True)
class Census:
    """Pending badges, those of them that are withheld, and their oldest decision's Unix time by organization
    (of none: an empty name); parked badges by template; by organization and reason those that only a person
    can help: they are not pending."""

    pending: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)
    stuck: dict[tuple[str, Why], int] = field(default_factory=dict)

    def add(self, organization: str, pending: Pending) -> None:
        """Count a badge."""
        if pending.place == "lacking":
            self.add_stuck(organization, "lacking")
            return
        self.pending[organization] = self.pending.get(organization, 0) + 1
        self.withheld[organization] = self.withheld.get(organization, 0) + pending.withheld
        self.oldest[organization] = min(self.oldest.get(organization, math.inf), pending.since)
        if pending.place == "parked":
            self.parked[pending.template] = self.parked.get(pending.template, 0) + 1

    def add_stuck(self, organization: str, why: Why) -> None:
        """Count a badge that only a person can help."""
        self.stuck[organization, why] = self.stuck.get((organization, why), 0) + 1


class Waiting:
    """The pending badges of a partition, each in one of six places::

        file ──► queued ──── take ────► busy ─── finish ──► (done: pending no longer)
                   ▲ ▲                   │ │ │
                   │ │                   │ │ └─ put_off ──► later ──┐ wake
                   │ └── back_in_line ◄──┘ └─── park ─────► parked ─┤ release
                   │                                                │
                   ├────────────────────────────────────────────────┘
                   └── catalog_changed ◄── unknown ◄── (queued for a template that the catalog lacks)

    A busy one may also `hold`: it is lacking until it is filed again, because the bus knows more, or another
    catalog comes. Those that their issuer has refused are not pending, but counted.

    A queue, the heap and the lists may have stale entries: a badge counts where its own place says.
    `organization_of` names a template's organization, None if the catalog lacks it. `queued` is called with
    the organization of each badge that is queued, `rescheduled` when `next_at` may have changed.
    """

    def __init__(
        self,
        organization_of: Callable[[str], str | None],
        queued: Callable[[str], None],
        rescheduled: Callable[[], None],
    ) -> None:
        self._organization_of = organization_of
        self._queued = queued
        self._rescheduled = rescheduled
        self._pending: dict[bytes, Pending] = {}
        self._queues: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self._later: list[tuple[float, int, bytes | str]] = []
        self._number = itertools.count()
        self._parked: defaultdict[str, list[bytes]] = defaultdict(list)
        self._unknown: set[bytes] = set()
        self._refused: dict[bytes, str] = {}

    def file(self, badge: bytes, issuance: Issuance) -> None:
        """Let a badge wait for what its issuance desires now."""
        self._note_refusal(badge, issuance)
        pending = self._pending.get(badge)
        if pending is not None and pending.place == "busy":
            pending.again = True
        elif done(issuance):
            self._pending.pop(badge, None)
        elif pending is None or pending.place != "queued":
            pending = self._pending[badge] = Pending(issuance.template, issuance.time.timestamp(), "queued")
            pending.note(issuance)
            self._queue(badge)

    def take(self, organization: str) -> tuple[bytes, Pending] | None:
        """The next queued badge of an organization, busy from now on; None if there is none."""
        queue = self._queues[organization]
        while queue:
            badge = queue.popleft()
            pending = self._pending.get(badge)
            if pending is not None and pending.place == "queued":
                pending.place = "busy"
                return badge, pending
        return None

    def finish(self, badge: bytes, issuance: Issuance | None) -> None:
        """Nothing is left to do for a badge; None if its row is gone."""
        del self._pending[badge]
        self._note_refusal(badge, issuance)

    def hold(self, pending: Pending) -> None:
        """Hold a badge back until more is known of its learner."""
        pending.place = "lacking"

    def back_in_line(self, badge: bytes) -> None:
        """Queue a badge again, of whatever organization its template is now."""
        self._queue(badge)

    def put_off(self, badge: bytes, pending: Pending, until: float) -> None:
        """Queue a badge again at `until`."""
        pending.place = "later"
        self._schedule(until, badge)

    def park(self, badge: bytes, pending: Pending, look_at: float) -> None:
        """Hold a badge back until its template is released; `wake` names the template at `look_at`."""
        pending.place = "parked"
        parked = self._parked[pending.template]
        parked.append(badge)
        if len(parked) == 1:
            self._schedule(look_at, pending.template)

    def has_parked(self, template: str) -> bool:
        """True if badges of the template are held back."""
        return bool(self._parked.get(template))

    def look_again(self, template: str, at: float) -> None:
        """Have `wake` name a template that has parked badges again at `at`."""
        if self.has_parked(template):
            self._schedule(at, template)

    def release(self, template: str) -> None:
        """Queue the parked badges of a template."""
        for badge in self._parked.pop(template, ()):
            pending = self._pending.get(badge)
            if pending is not None and pending.place == "parked":
                self._queue(badge)

    def wake(self, now: float) -> Iterator[str]:
        """Queue what was put off until `now`; the templates that are to be looked at."""
        while self._later and self._later[0][0] <= now:
            what = heapq.heappop(self._later)[2]
            if isinstance(what, str):
                yield what
            elif (pending := self._pending.get(what)) is not None and pending.place == "later":
                self._queue(what)

    @property
    def next_at(self) -> float:
        """When there is something to `wake`; infinite if nothing waits for a time."""
        return self._later[0][0] if self._later else math.inf

    def catalog_changed(self) -> None:
        """Queue again what the catalog did not know, and what may belong to another organization now."""
        moved, self._unknown = list(self._unknown), set()
        for queue in self._queues.values():
            moved += queue
            queue.clear()
        moved += [badge for badge, pending in self._pending.items() if pending.place == "lacking"]
        for badge in dict.fromkeys(moved):
            pending = self._pending.get(badge)
            if pending is not None and pending.place in ("queued", "unknown", "lacking"):
                self._queue(badge)

    def census(self) -> Census:
        """What is pending at present."""
        census = Census()
        for pending in self._pending.values():
            census.add(self._organization_of(pending.template) or "", pending)
        for template in self._refused.values():
            census.add_stuck(self._organization_of(template) or "", "refused")
        return census

    def clear(self) -> None:
        """Nothing waits any more."""
        self._pending.clear()
        self._queues.clear()
        self._later.clear()
        self._parked.clear()
        self._unknown.clear()
        self._refused.clear()

    def _note_refusal(self, badge: bytes, issuance: Issuance | None) -> None:
        if issuance is not None and issuance.refused:
            self._refused[badge] = issuance.template
        else:
            self._refused.pop(badge, None)

    def _queue(self, badge: bytes) -> None:
        pending = self._pending.get(badge)
        if pending is None:
            return
        organization = self._organization_of(pending.template)
        if organization is None:
            pending.place = "unknown"
            self._unknown.add(badge)
            return
        pending.place = "queued"
        self._queues[organization].append(badge)
        self._queued(organization)

    def _schedule(self, at: float, what: bytes | str) -> None:
        heapq.heappush(self._later, (at, next(self._number), what))
        self._rescheduled()

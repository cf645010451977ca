"""The gauges of what waits for the issuers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from streams import metrics
from streams.relay.organizations import Organizations
from streams.relay.reconciler import Reconciler
from streams.relay.waiting import Census, Why

Where = tuple[str, str]
"""An issuer and an organization there, as metrics name them."""

UNKNOWN: Where = ("unknown", "unknown")
"""Where badges wait whose template the catalog does not have, or not any more."""

_OF_ORGANIZATION = (
    metrics.ISSUER_PENDING,
    metrics.ISSUER_WITHHELD,
    metrics.ISSUER_OLDEST,
    metrics.ISSUER_BREAKER,
    metrics.ISSUER_PAUSED,
    metrics.ISSUER_KEY_EXPIRY,
)


class Backlog:
    """The gauges of what waits for the issuers: pending, withheld, stuck by organization, parked by template.

    The gauges of an organization that left the catalog are removed: nothing would ever change them again.
    """

    def __init__(self, organizations: Organizations, reconcilers: Mapping[int, Reconciler]) -> None:
        self._organizations = organizations
        self._reconcilers = reconcilers
        self._shown: set[Where] = set()
        self._parked: set[tuple[str, str, str]] = set()
        self._stuck: set[tuple[str, str, Why]] = set()

    def count(self, now: float) -> None:
        """Count as of `now` (Unix time)."""
        for organization in self._organizations:
            organization.show()
        found = [reconciler.census() for reconciler in self._reconcilers.values()]
        self._count_pending(found, now)
        self._count_stuck(found)
        self._count_parked(found)

    def _count_pending(self, found: Sequence[Census], now: float) -> None:
        places = {organization.id: organization.labels for organization in self._organizations}
        pending = Counter(dict.fromkeys(places.values(), 0))
        withheld = Counter[Where]()
        oldest = dict.fromkeys(places.values(), now)
        for census in found:
            for organization, count in census.pending.items():
                where = places.get(organization, UNKNOWN)
                pending[where] += count
                withheld[where] += census.withheld[organization]
                oldest[where] = min(oldest.get(where, now), census.oldest[organization])
        for where, count in pending.items():
            metrics.ISSUER_PENDING.labels(*where).set(count)
            metrics.ISSUER_WITHHELD.labels(*where).set(withheld[where])
            metrics.ISSUER_OLDEST.labels(*where).set(max(0.0, now - oldest[where]))
        # For good: a call that was in flight as its organization left may set a gauge once more.
        self._shown |= pending.keys()
        for where in self._shown - pending.keys():
            for gauge in _OF_ORGANIZATION:
                gauge.remove(*where)

    def _count_stuck(self, found: Sequence[Census]) -> None:
        places = {organization.id: organization.labels for organization in self._organizations}
        stuck = Counter({(*where, why): 0 for where in places.values() for why in get_args(Why)})
        for census in found:
            for (organization, why), count in census.stuck.items():
                stuck[(*places.get(organization, UNKNOWN), why)] += count
        for place, count in stuck.items():
            metrics.ISSUER_STUCK.labels(*place).set(count)
        for place in self._stuck - stuck.keys():
            metrics.ISSUER_STUCK.remove(*place)
        self._stuck = set(stuck)

    def _count_parked(self, found: Sequence[Census]) -> None:
        parked = Counter(dict.fromkeys(self._parked, 0))
        for census in found:
            for template, count in census.parked.items():
                known = self._organizations.of(template)
                parked[(*(known[0].labels if known else UNKNOWN), template)] += count
        for place, count in parked.items():
            metrics.ISSUER_PARKED.labels(*place).set(count)
        self._parked = set(parked)

"""The gauges of what waits for Credly."""

from collections.abc import Mapping

from streams import metrics
from streams.relay.organizations import Organizations
from streams.relay.reconciler import Reconciler

NO_ORGANIZATION = "unknown"
_OF_ORGANIZATION = (
    metrics.CREDLY_PENDING,
    metrics.CREDLY_OLDEST,
    metrics.CREDLY_BREAKER,
    metrics.CREDLY_PAUSED,
    metrics.CREDLY_KEY_EXPIRY,
)


class Backlog:
    """The gauges of what waits for Credly: pending by organization, parked by template.

    What an organization that left the catalog said of itself is taken back: it would be true for ever.
    """

    def __init__(self, organizations: Organizations, reconcilers: Mapping[int, Reconciler]) -> None:
        self._organizations = organizations
        self._reconcilers = reconcilers
        self._counted: set[str] = set()
        self._parked: set[str] = set()

    def count(self, now: float) -> None:
        """Count as of `now` (Unix time)."""
        names = []
        for known in self._organizations:
            names.append(known.id)
            known.show()
        pending = dict.fromkeys(names, 0)
        oldest = dict.fromkeys(names, now)
        parked = dict.fromkeys(self._parked, 0)
        for reconciler in self._reconcilers.values():
            census = reconciler.census()
            for organization, count in census.pending.items():
                name = organization or NO_ORGANIZATION
                pending[name] = pending.get(name, 0) + count
                oldest[name] = min(oldest.get(name, now), census.oldest[organization])
            for template, count in census.parked.items():
                parked[template] = parked.get(template, 0) + count
        for name, count in pending.items():
            metrics.CREDLY_PENDING.labels(name).set(count)
            metrics.CREDLY_OLDEST.labels(name).set(max(0.0, now - oldest[name]))
        for template, count in parked.items():
            metrics.CREDLY_PARKED.labels(template).set(count)
        self._counted |= pending.keys()
        for name in self._counted - pending.keys():
            for gauge in _OF_ORGANIZATION:
                gauge.remove(name)
        self._parked = set(parked)

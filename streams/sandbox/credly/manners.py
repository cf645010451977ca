"""How unkind Credly is where it is not always so, or where nobody has documented what it does."""

from dataclasses import dataclass
from typing import Literal

BURST = 10
"""Calls that a rate limit lets through at once: as many as a client keeps in flight."""


@dataclass(frozen=True, slots=True)
class Manners:
    """What a Credly may do beyond its documented answers.

    `latency`: seconds that each answer takes. `list_lag` and `badge_lag`: seconds until a list, and a badge
    asked for by its id, show what was issued, revoked or deleted. `rate`: calls a second of an organization,
    after a `burst`; beyond it is a 429 that says `retry_after` if it is not None. `ignored_filters`: filters
    that a list does not know. `not_held`: the status of a revocation of what nobody holds, which is not
    documented: 200 changes nothing. `hides_archived`: of an archived template, and of the badges in a list
    that is filtered by it, a 200 shows empty data. Of what happened, `feed_lag` is after how many seconds it
    shows, `feed_keeps` how many events it keeps, `feed_tells` whether it says what they are about; its first
    page has the newest unless `feed_oldest_first`, and `feed_twice` shows each event twice.
    """

    latency: float = 0.0
    list_lag: float = 0.0
    badge_lag: float = 0.0
    rate: float | None = None
    burst: int = BURST
    retry_after: str | None = "1"
    ignored_filters: frozenset[str] = frozenset()
    not_held: Literal[200, 404, 409, 422] = 422
    hides_archived: bool = False
    feed_lag: float = 0.0
    feed_keeps: int | None = None
    feed_tells: bool = True
    feed_oldest_first: bool = False
    feed_twice: bool = False


KIND = Manners()
"""Nothing beyond what Credly always does."""


class RateLimit:
    """Counts the calls of each organization."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def admits(self, organization: str, now: float, manners: Manners) -> bool:
        """Whether a call at this time is within the limit; it counts if it is."""
        if manners.rate is None:
            return True
        at, left = self._left.get(organization, (now, float(manners.burst)))
        left = min(float(manners.burst), left + (now - at) * manners.rate)
        admitted = left >= 1.0
        self._left[organization] = (now, left - 1.0 if admitted else left)
        return admitted

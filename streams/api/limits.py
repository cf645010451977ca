"""How often somebody may ask: requests a minute, of which a whole minute's may come at once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

MOST = 20_000
"""Askers that are remembered, the last ones, in four megabytes. The others ask as if for the first time."""
MINUTE = 60.0


class Limit:
    """So many requests a minute for each asker; 0 for any number."""

    def __init__(self, a_minute: int, monotonic: Callable[[], float]) -> None:
        self._each = MINUTE / a_minute if a_minute else 0.0
        self._now = monotonic
        self._free_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait(self, asker: Hashable) -> float:
        """0 where the request is allowed, which it then counts for; else the seconds until one is."""
        now = self._now()
        free_at = max(now, self._free_at.get(asker, now)) + self._each
        if (wait := free_at - now - MINUTE) > 1e-6:
            return wait
        self._free_at[asker] = free_at
        self._free_at.move_to_end(asker)
        if len(self._free_at) > MOST:
            self._free_at.popitem(last=False)
        return 0.0


@lru_cache(maxsize=4_096)
def network(address: str) -> str:
    """Whose address it is: of IPv6 the first half, the rest everybody chooses for themselves."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else address

"""The token that an organization's calls are made with, where its key is a client of OAuth 2."""

import asyncio
import math
from collections.abc import Awaitable, Callable

from streams.clock import Clock
from streams.issuers.outcomes import Granted, GrantOutcome, Trouble

EARLY_SECONDS = 60.0
"""A token is exchanged before it ends: it must be good for a whole call, and clocks differ."""


class Grants:
    """The present token of an organization; those who need one while it is asked for wait for the answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = ""
        self._granted: Granted | None = None
        self._until = -math.inf
        self._asking = asyncio.Lock()

    async def token(self, key: str, ask: Callable[[], Awaitable[GrantOutcome]]) -> Granted | Trouble:
        """A token for this key: the present one, or what `ask` brings."""
        async with self._asking:
            now = self._clock.monotonic()
            if self._granted and key == self._key and now < self._until:
                return self._granted
            outcome = await ask()
            if isinstance(outcome, Granted):
                # Of a short life half is used: it would end before it began.
                lasts = max(outcome.seconds - EARLY_SECONDS, outcome.seconds / 2)
                self._key, self._granted, self._until = key, outcome, now + lasts
            return outcome

    def drop(self, granted: Granted) -> None:
        """Know that the issuer does not take a token any more."""
        if self._granted is granted:
            self._granted = None

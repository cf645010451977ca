"""How a command asks an issuer: at once, and a few times more while there is trouble that passes."""

import math
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from streams.clock import Clock, Patience
from streams.errors import ConfigurationError
from streams.issuers import outcomes
from streams.issuers.issuer import Call
from streams.issuers.outcomes import Outcome
from streams.relay.organizations import Organization, Organizations
from streams.relay.pace import Limits
from streams.settings import Settings

TRYING_SECONDS = 4.0
"""How long a page is asked for: as long as Kafka is, and then a person can try again."""
PATIENCE = Patience(0.5, 5.0)


def limits_of(settings: Settings) -> Limits:
    """What a command may do: its part of an organization's limits (decision 0101)."""
    part = settings.issuer_command_share
    return Limits(in_flight=settings.issuer_in_flight, rate=settings.issuer_rate, part=part)


def wanted(organizations: Organizations, names: Sequence[str]) -> list[Organization]:
    """The organizations of these ids, all where none is named.

    Raises `ConfigurationError` for one that the catalog does not have, or whose key is missing.
    """
    known = {organization.id: organization for organization in organizations}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"the catalog has no organization {', '.join(unknown)}")
    chosen = [known[name] for name in names or known]
    for organization in chosen:
        if organization.keyless:
            raise ConfigurationError(f"organization {organization.id}: {organization.keyless}")
    return chosen


def asked(organization: Organization, clock: Clock) -> Callable[[Call[Any]], Awaitable[Outcome]]:
    """What makes a call for `drive`, and says what it came to."""

    async def ask(call: Call[Any]) -> Outcome:
        end = math.inf
        for failures in count(1):
            outcome = await organization.ask(call)
            # From the first answer on: to wait for its turn is no trouble.
            end = min(end, clock.monotonic() + TRYING_SECONDS)
            pause = PATIENCE.seconds(failures, clock.random())
            is_over = clock.monotonic() + pause > end
            if is_over or not isinstance(outcome, outcomes.Deferred | outcomes.Throttled):
                return outcome
            await clock.sleep(pause)
        raise AssertionError("tries without end")

    return ask

"""What is known of an organization's badge templates at its issuer."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from streams.clock import Clock, Patience

log = logging.getLogger(__name__)

KNOWN_SECONDS = 3_600.0
"""How long a template is believed to be active. That it was archived, its next issue shows; only that it now
allows duplicates, or no longer does, goes unnoticed for so long."""


@dataclass(slots=True)
class Template:
    """A template at its issuer. `parked` counts how often it was found unavailable in a row.

    `withheld` counts how often the issuer made a badge and did not publish it, since it last did.
    `asking` keeps the badges that wait for the same answer from all asking for it.
    """

    known_until: float = -math.inf
    allows_duplicates: bool = True
    parked: int = 0
    withheld: int = 0
    probe_at: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Templates:
    """An organization's templates: active, not asked for yet, or parked because nothing can be issued.

    `released` is called with a template that was parked and is active again.
    """

    def __init__(
        self, organization: str, patience: Patience, clock: Clock, released: Callable[[str], None]
    ) -> None:
        self._organization = organization
        self._patience = patience
        self._clock = clock
        self._released = released
        self._templates: dict[str, Template] = {}

    def __getitem__(self, template: str) -> Template:
        return self._templates.setdefault(template, Template())

    def clear(self) -> None:
        """Know nothing any more."""
        self._templates.clear()

    def knows(self, template: str) -> bool:
        """True if the issuer said not long ago that the template is active."""
        known = self[template]
        return not known.parked and self._clock.monotonic() < known.known_until

    def doubt(self, template: str) -> None:
        """Believe nothing of a template until it was asked for again."""
        known = self[template]
        known.known_until, known.probe_at = -math.inf, -math.inf

    def park(self, template: str, why: str) -> None:
        """Hold the template's badges back until it is active again; the first time is logged."""
        known = self[template]
        if not known.parked and known.withheld < 2:
            log.error("template %s of organization %s is parked: %s", template, self._organization, why)
        known.parked += 1
        known.known_until = -math.inf
        self.claim_probe(template)

    def withhold(self, template: str, why: str) -> None:
        """Park a template that is active, but of which no badge is published."""
        known = self[template]
        if not known.parked:
            # Calls that were in flight together count once.
            known.withheld += 1
            self.park(template, why)

    def published(self, template: str) -> None:
        """Know that badges of the template are published."""
        known = self[template]
        if known.withheld:
            log.warning(
                "badges of template %s of organization %s are published again", template, self._organization
            )
            known.withheld = 0

    def claim_probe(self, template: str) -> None:
        """Put off the next probe of a parked template. Who calls this before a probe is alone with it."""
        known = self[template]
        wait = self._patience.seconds(max(known.parked, known.withheld), self._clock.random())
        known.probe_at = self._clock.monotonic() + wait

    def release(self, template: str, *, allows_duplicates: bool) -> None:
        """Know that badges of the template can be issued."""
        known = self[template]
        known.allows_duplicates = allows_duplicates
        known.known_until = self._clock.monotonic() + KNOWN_SECONDS
        if known.parked:
            if not known.withheld:
                log.warning("template %s of organization %s is active again", template, self._organization)
            known.parked = 0
            self._released(template)

"""Refused awards that the tracker can say again: redriving their letters would send the old data again."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from streams.badges import badge_id, latest
from streams.kafka import orders
from streams.kafka.client import partition_of
from streams.operate.site import Site
from streams.relay.rows import load
from streams.tracker.rows import unpack

UUID_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class Refused:
    """Learner and template of each award that is refused and that the tracker knows, by badge."""

    activities: str = ""
    partitions: int = 0
    awards: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def order(self, key: bytes | None) -> dict[str, Any] | None:
        """The record that has the award said again; None for what is no badge event of such a one.

        `key` is the badge event's: a frame, and the badge's UUID as text.
        """
        award = self.awards.get((key or b"")[-UUID_CHARACTERS:].decode("ascii", "replace"))
        if award is None:
            return None
        learner, template = b"%d" % award[0], award[1]
        return {
            "topic": self.activities,
            "key": learner,
            "value": None,
            "headers": orders.reissue(template),
            "partition": partition_of(learner, self.partitions),
        }


async def refused(here: Site) -> Refused:
    """What the tables of both workers say of it now; nothing where one of them is not there."""
    names = here.topics
    activities = names.activities.name
    found = [await here.partitions(name) for name in (activities, names.progress.name, names.issuances.name)]
    if not all(found):
        return Refused()
    wanted: dict[int, dict[str, str]] = defaultdict(dict)
    async for _, raw in here.rows(names.issuances.name):
        # Most rows are of badges that are as they should be: they need not be parsed.
        if b'"refused"' in raw:
            issuance = load(orjson.loads(raw))
            if issuance.refused and issuance.kind == "awarded":
                wanted[issuance.learner][issuance.template] = issuance.decision
    awards: dict[str, tuple[int, str]] = {}
    if not wanted:
        return Refused()
    async for key, raw in here.rows(names.progress.name):
        for template, decision in wanted.get(int(key), {}).items():
            badge = unpack(raw)[0].badges.get(template)
            if badge is not None and str(latest(badge, template, int(key)).id) == decision:
                awards[str(badge_id(template, int(key)))] = (int(key), template)
    return Refused(activities, len(found[0]), awards)

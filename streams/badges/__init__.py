"""The core: from a learner's activities to badges awarded and revoked.

Values in, values out: no clock, no randomness, no I/O, nothing but the standard library.
"""

from streams.badges.catalog import Catalog, Compiled
from streams.badges.completeness import is_complete, is_fulfilled, is_held, standing
from streams.badges.counting import State
from streams.badges.decide import decide, judge, latest
from streams.badges.matching import Matched, Matches
from streams.badges.model import (
    Activity,
    Brought,
    Decision,
    Import,
    Kind,
    Note,
    Order,
    Ordered,
    Source,
    User,
    badge_id,
    decision_id,
)
from streams.badges.packing import ids_in, shown, text_of, texts
from streams.badges.progress import (
    IMPORTED,
    Badge,
    Judgement,
    Progress,
    evolve,
    take,
)
from streams.badges.pruning import pruned
from streams.badges.rules import Operator, Rule, Scalar
from streams.badges.spots import Part, Spot, find, part_of
from streams.badges.storing import dump, load
from streams.badges.templates import (
    AnyRequirement,
    BadgeRequirement,
    Group,
    Penalty,
    Repeats,
    Requirement,
    Template,
)
from streams.badges.times import Duration, moment, parse_time, stamp

__all__ = [
    "IMPORTED",
    "Activity",
    "AnyRequirement",
    "Badge",
    "BadgeRequirement",
    "Brought",
    "Catalog",
    "Compiled",
    "Decision",
    "Duration",
    "Group",
    "Import",
    "Judgement",
    "Kind",
    "Matched",
    "Matches",
    "Note",
    "Operator",
    "Order",
    "Ordered",
    "Part",
    "Penalty",
    "Progress",
    "Repeats",
    "Requirement",
    "Rule",
    "Scalar",
    "Source",
    "Spot",
    "State",
    "Template",
    "User",
    "badge_id",
    "decide",
    "decision_id",
    "dump",
    "evolve",
    "find",
    "ids_in",
    "is_complete",
    "is_fulfilled",
    "is_held",
    "judge",
    "latest",
    "load",
    "moment",
    "parse_time",
    "part_of",
    "pruned",
    "shown",
    "stamp",
    "standing",
    "take",
    "text_of",
    "texts",
]

"""What a catalog consists of: templates, their requirements and penalties."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from streams.badges.rules import Rule
from streams.badges.spots import Spot
from streams.badges.times import MICROSECOND, Duration

Repeats = Literal["first", "newest"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """Fulfilled by `count` matching activities; with `distinct`, by `count` different values at that spot.

    `repeats` says which match of a value stands for it.
    """

    id: str
    event_types: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    group: str | None = None
    count: int = 1
    distinct: Spot | None = None
    within: timedelta | None = None
    repeats: Repeats = "first"
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    no_later_than: timedelta | None = None

    @property
    def window(self) -> int | None:
        """`within` in microseconds."""
        return None if self.within is None else self.within // MICROSECOND


@dataclass(frozen=True, slots=True)
class BadgeRequirement:
    """Fulfilled exactly while the learner holds the badge of another template."""

    id: str
    template: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Penalty:
    """A condition that takes back: all of the requirements in `resets`, of those in `withdraws` one value."""

    id: str
    event_types: tuple[str, ...]
    resets: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    withdraws: tuple[str, ...] = ()


AnyRequirement = Requirement | BadgeRequirement
Condition = Requirement | Penalty


@dataclass(frozen=True, slots=True)
class Group:
    """Alternatives: at least `at_least` of the requirements must be fulfilled."""

    at_least: int
    requirements: tuple[AnyRequirement, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A badge template as the engine sees it; `id` is a UUID as text.

    `at_least` is by group; a group that is not in it needs one. `renewed_after` is how long a badge is held
    that may be earned again then; None where it is held for ever.
    """

    id: str
    requirements: tuple[AnyRequirement, ...]
    penalties: tuple[Penalty, ...] = ()
    at_least: Mapping[str, int] = field(default_factory=dict)
    active: bool = True
    revocable: bool = True
    renewed_after: Duration | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, ordered by their first requirement; a requirement without a group is its own."""
        together: dict[tuple[str | None, str], list[AnyRequirement]] = defaultdict(list)
        for requirement in self.requirements:
            alone = requirement.id if requirement.group is None else ""
            together[requirement.group, alone].append(requirement)
        return tuple(
            Group(1 if group is None else self.at_least.get(group, 1), tuple(members))
            for (group, _), members in together.items()
        )

"""Who met all of a requirement but its limit: a grade of 0.88 where 0.9 is asked."""

from collections import defaultdict
from dataclasses import dataclass, replace

from streams.badges import Catalog, Requirement, Rule, find
from streams.bus import activities
from streams.catalog.fields import is_number
from streams.catalog.patterns import Pattern
from streams.errors import UnreadableError

_WORDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True, slots=True)
class Limit:
    """What a rule asks of the number at a path."""

    path: tuple[str, ...]
    operator: str
    value: float

    def distance(self, number: float) -> float:
        """How far a number is from it; 0 or less if it is met, or nearly."""
        return self.value - number if self.operator in ("gt", "ge") else number - self.value

    def words(self, number: float) -> str:
        """What was there, and what is asked."""
        return f"best {self.path[-1]} {number:g}, {_WORDS[self.operator]} {self.value:g} is asked"


class Nearly:
    """Looks at activities, and keeps of each learner what came closest to a requirement's limit."""

    def __init__(self, catalog: Catalog) -> None:
        self._limits: dict[tuple[str, str], Limit] = {}
        self._best: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        templates = [compiled.template for compiled in catalog.active]
        relaxed = (
            replace(
                template,
                requirements=tuple(
                    without
                    for requirement in template.requirements
                    if isinstance(requirement, Requirement)
                    and (without := self._without_limit(template.id, requirement)) is not None
                ),
                penalties=(),
            )
            for template in templates
        )
        self._catalog = Catalog((template for template in relaxed if template.requirements), Pattern)

    def see(self, line: bytes) -> None:
        """Look at the activity of a line; what is none is passed over."""
        try:
            value = activities.parsed(line)
            if "catalog" in value or "order" in value:
                return
            activity = activities.activity_of(value, self._catalog.event_types)
            met = {} if activity is None else self._catalog.match(activity)
        except UnreadableError:
            return
        for turn, matched in met.items():
            assert activity is not None
            template = self._catalog.active[turn].id
            for requirement in matched.requirements:
                key = template, requirement.id
                number = _number(find(activity.data, self._limits[key].path))
                if number is not None:
                    self._keep(key, activity.learner, number)

    def learners(self, template: str, requirement: str) -> dict[int, tuple[float, str]]:
        """By learner: how far they stayed from the requirement's limit, and that in words."""
        limit = self._limits.get((template, requirement))
        found = self._best.get((template, requirement), {})
        if limit is None:
            return {}
        return {learner: (limit.distance(best), limit.words(best)) for learner, best in found.items()}

    def _keep(self, key: tuple[str, str], learner: int, number: float) -> None:
        limit, best = self._limits[key], self._best[key].get(learner)
        if best is None or limit.distance(number) < limit.distance(best):
            self._best[key][learner] = number

    def _without_limit(self, template: str, requirement: Requirement) -> Requirement | None:
        """The requirement without its limit; None where it has none, or several."""
        limits = [rule for rule in requirement.rules if _is_limit(rule)]
        if len(limits) != 1:
            return None
        [rule] = limits
        assert not isinstance(rule.value, str | tuple)
        self._limits[template, requirement.id] = Limit(rule.path, rule.operator, rule.value)
        return replace(
            requirement,
            rules=tuple(one for one in requirement.rules if one is not rule),
            after=None,
            no_later_than=None,
        )


def _is_limit(rule: Rule) -> bool:
    return rule.operator in _WORDS and is_number(rule.value)


def _number(found: object) -> float | None:
    try:
        return float(found) if isinstance(found, str | int | float) else None
    except ValueError:
        return None

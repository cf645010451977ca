"""Templates, activities and learners that take only what a test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from streams.badges import (
    Activity,
    AnyRequirement,
    BadgeRequirement,
    Catalog,
    Decision,
    Import,
    Order,
    Ordered,
    Penalty,
    Progress,
    Requirement,
    Rule,
    Source,
    Spot,
    Template,
    judge,
)
from streams.catalog.patterns import Pattern

PASSING = "org.openedx.learning.course.passing.status.updated.v1"
CERTIFICATE = "org.openedx.learning.certificate.created.v1"
ONE, TWO, THREE = (str(UUID(int=number)) for number in (1, 2, 3))
START = datetime(2026, 1, 1, tzinfo=UTC)
COURSE = ("course", "course_key")
BY_COURSE = Spot(COURSE)


def day(number: float) -> datetime:
    """The time that many days after `START`."""
    return START + timedelta(days=number)


def rules(passing: bool, course: str | None) -> tuple[Rule, ...]:
    """The passing status, of one course or of any."""
    which = () if course is None else (Rule(COURSE, "eq", course),)
    return (Rule(("is_passing",), "eq", passing), *which)


def passing(course: str | None = None, id: str | None = None, **more: Any) -> Requirement:
    """A requirement to pass the course; any course if none is given."""
    return Requirement(id or course or "any", (PASSING,), rules(True, course), **more)


def failing(course: str | None = None, resets: tuple[str, ...] | None = None, **more: Any) -> Penalty:
    """A penalty for losing the course."""
    return Penalty("lost", (PASSING,), resets or (course or "any",), rules(False, course), **more)


def badge_of(template: str, **more: Any) -> BadgeRequirement:
    """A requirement to hold another badge."""
    return BadgeRequirement("badge", template, **more)


def template(*requirements: AnyRequirement, id: str = ONE, **more: Any) -> Template:
    """A template of these requirements."""
    return Template(id, requirements, **more)


class Learner:
    """A learner to whom things happen, one after another; each returns what was decided."""

    def __init__(self, *templates: Template) -> None:
        self.catalog = Catalog(templates, Pattern)
        self.progress = Progress.initial()
        self._offsets = count()

    def under(self, *templates: Template) -> None:
        """Another catalog comes into force."""
        self.catalog = Catalog(templates, Pattern)

    def passes(self, course: str = "A", at: float = 0, **more: Any) -> tuple[Decision, ...]:
        """The learner is passing the course."""
        return self.meets(self.activity(course, at, True, **more))

    def fails(self, course: str = "A", at: float = 0, **more: Any) -> tuple[Decision, ...]:
        """The learner is not passing the course."""
        return self.meets(self.activity(course, at, False, **more))

    def meets(self, happened: Activity | Order | Import) -> tuple[Decision, ...]:
        """Any activity or order happens."""
        self.progress, decisions = judge(self.catalog, self.progress, happened)
        return decisions

    def ordered(
        self, order: Ordered, id: str = "order", template: str = ONE, at: float = 0
    ) -> tuple[Decision, ...]:
        """An operator orders something of the template's badge."""
        return self.meets(Order(order, template, 42, id, day(at)))

    def activity(self, course: str = "A", at: float = 0, passing: bool = True, **more: Any) -> Activity:
        """A passing status with the next offset, named by course and offset."""
        offset = next(self._offsets)
        data = {"is_passing": passing, "course": {"course_key": course}}
        plain = Activity(PASSING, f"{course}{offset}", day(at), Source("bus", 0, offset), 42, data)
        return replace(plain, **more)

    def holds(self, template: str = ONE) -> bool:
        """Whether the learner holds the template's badge."""
        badge = self.progress.badge(template)
        return badge is not None and badge.held


def said(decisions: tuple[Decision, ...]) -> list[tuple[str, str, int]]:
    """What decisions say, without their ids: comparable with `awarded` and `revoked`."""
    return [(decision.kind, decision.template, decision.generation) for decision in decisions]


def awarded(id: str = ONE, generation: int = 1) -> tuple[str, str, int]:
    """An award, as `said` has it."""
    return ("awarded", id, generation)


def revoked(id: str = ONE, generation: int = 1) -> tuple[str, str, int]:
    """A revocation, as `said` has it."""
    return ("revoked", id, generation)

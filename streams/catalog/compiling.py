"""From the declaration to the catalog that the core judges by."""

from streams.badges import (
    BadgeRequirement,
    Catalog,
    Penalty,
    Requirement,
    Rule,
    Scalar,
    Template,
)
from streams.bus.schemas import BADGE_AWARDED
from streams.catalog.document import (
    Declaration,
    PenaltyDeclaration,
    RequirementDeclaration,
    RuleDeclaration,
    TemplateDeclaration,
)
from streams.catalog.patterns import Pattern


def compiled(declaration: Declaration) -> Catalog:
    """The catalog of a document without faults."""
    return Catalog(map(_template, declaration.templates), Pattern)


def _template(declared: TemplateDeclaration) -> Template:
    return Template(
        id=declared.id,
        requirements=tuple(map(_requirement, declared.requirements)),
        penalties=tuple(map(_penalty, declared.penalties)),
        at_least={name: group.at_least for name, group in sorted(declared.groups.items())},
        active=declared.active,
        revocable=declared.revocable,
    )


def _requirement(declared: RequirementDeclaration) -> Requirement | BadgeRequirement:
    if declared.event_type == BADGE_AWARDED:
        return BadgeRequirement(declared.id, str(declared.rules[0].value).lower(), declared.group)
    return Requirement(
        id=declared.id,
        event_type=declared.event_type,
        rules=tuple(map(_rule, declared.rules)),
        group=declared.group,
        count=declared.count,
        distinct=None if declared.distinct is None else tuple(declared.distinct.split(".")),
        within=declared.within,
        since=declared.since,
        until=declared.until,
        after=declared.after,
    )


def _penalty(declared: PenaltyDeclaration) -> Penalty:
    return Penalty(
        id=declared.id,
        event_type=declared.event_type,
        resets=declared.resets,
        rules=tuple(map(_rule, declared.rules)),
        since=declared.since,
        until=declared.until,
    )


def _rule(declared: RuleDeclaration) -> Rule:
    return Rule(tuple(declared.path.split(".")), declared.operator, _value(declared))


def _value(declared: RuleDeclaration) -> Scalar | tuple[Scalar, ...]:
    value = declared.value
    if value is None:  # only `exists` goes without
        return True
    return tuple(value) if isinstance(value, list) else value

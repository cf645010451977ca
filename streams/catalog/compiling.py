"""From the declaration to the catalog that the core judges by."""

from streams.badges import (
    BadgeRequirement,
    Catalog,
    Penalty,
    Requirement,
    Rule,
    Scalar,
    Spot,
    Template,
)
from streams.bus.schemas import BADGE_AWARDED
from streams.catalog.document import (
    Declaration,
    DistinctDeclaration,
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
        renewed_after=declared.expires_after if declared.renewable else None,
    )


def _requirement(declared: RequirementDeclaration) -> Requirement | BadgeRequirement:
    if declared.event_type == BADGE_AWARDED:
        return BadgeRequirement(declared.id, str(declared.rules[0].value).lower(), declared.group)
    return Requirement(
        id=declared.id,
        event_types=declared.types,
        rules=tuple(map(_rule, declared.rules)),
        group=declared.group,
        count=declared.count,
        distinct=None if declared.distinct is None else _spot(declared.distinct),
        within=declared.within,
        repeats=declared.repeats or "first",
        since=declared.since,
        until=declared.until,
        after=declared.after,
        no_later_than=declared.no_later_than,
    )


def _penalty(declared: PenaltyDeclaration) -> Penalty:
    return Penalty(
        id=declared.id,
        event_types=declared.types,
        resets=declared.resets,
        withdraws=declared.withdraws,
        rules=tuple(map(_rule, declared.rules)),
        since=declared.since,
        until=declared.until,
    )


def _rule(declared: RuleDeclaration) -> Rule:
    return Rule(tuple(declared.path.split(".")), declared.operator, _value(declared), declared.part)


def _spot(declared: DistinctDeclaration) -> Spot:
    return Spot(tuple(declared.path.split(".")), declared.part)


def _value(declared: RuleDeclaration) -> Scalar | tuple[Scalar, ...]:
    value = declared.value
    if value is None:  # only `exists` goes without
        return True
    return tuple(value) if isinstance(value, list) else value

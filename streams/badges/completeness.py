"""Which badges a learner holds at a time, and how much of a template is fulfilled."""

from streams.badges.catalog import Catalog, Compiled
from streams.badges.progress import Badge, View
from streams.badges.templates import AnyRequirement, BadgeRequirement, Group
from streams.badges.times import moment, stamp


def expiry(catalog: Catalog, template: str, badge: Badge) -> int | None:
    """When the badge of a renewable template expires; None for the others, and after the year 9999."""
    lasts = catalog.renewed_after.get(template)
    if lasts is None:
        return None
    try:
        return stamp(lasts.after(moment(badge.awarded)))
    except OverflowError:
        return None


def is_held(catalog: Catalog, template: str, badge: Badge | None, now: int) -> bool:
    """Whether the learner holds the badge, as seen at that time."""
    if badge is None or badge.revoked is not None:
        return False
    expires = expiry(catalog, template, badge)
    return expires is None or now < expires


def is_complete(catalog: Catalog, compiled: Compiled, view: View, now: int) -> bool:
    """Whether all the template's groups are fulfilled, as seen at that time."""
    for group in compiled.groups:
        missing = group.at_least
        for requirement in group.requirements:
            if is_fulfilled(catalog, compiled, requirement, view, now):
                missing -= 1
                if not missing:
                    break
        else:
            return False
    return True


def loses_group(catalog: Catalog, compiled: Compiled, before: View, after: View, now: int) -> bool:
    """Whether a group of the template was fulfilled before and is not after, as seen at that time."""

    def done(group: Group, view: View) -> bool:
        count = sum(is_fulfilled(catalog, compiled, r, view, now) for r in group.requirements)
        return count >= group.at_least

    return any(done(group, before) and not done(group, after) for group in compiled.groups)


def standing(catalog: Catalog, compiled: Compiled, view: View, now: int) -> tuple[int, int]:
    """How many of a template's groups are fulfilled, and how many there are."""
    done = sum(
        sum(is_fulfilled(catalog, compiled, r, view, now) for r in group.requirements) >= group.at_least
        for group in compiled.groups
    )
    return done, len(compiled.groups)


def is_fulfilled(
    catalog: Catalog, compiled: Compiled, requirement: AnyRequirement, view: View, now: int
) -> bool:
    """Whether one requirement of the template is fulfilled, as seen at that time."""
    if isinstance(requirement, BadgeRequirement):
        template = requirement.template
        return is_held(catalog, template, view.badge(template), now)
    return view.is_fulfilled(compiled.id, requirement.id)

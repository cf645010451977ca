"""What counted for an award, in words for people: by the catalog's texts, as far as the progress has it.

A template that wants it has it told to the badge's issuer (decision 0102). It goes along in a header of the
badge event, so that it ends with that record and with the badge.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from streams.badges import (
    Activity,
    BadgeRequirement,
    Progress,
    Requirement,
    State,
    find,
    moment,
    shown,
    text_of,
    texts,
)
from streams.catalog import CatalogDocument, TemplateDeclaration
from streams.catalog.document import RequirementDeclaration
from streams.catalog.texts import in_language

BYTES = 8 * 1024
"""Of the header: some thirty requirements with a course each; a badge event has one kilobyte without."""
VALUES = 20
"""Of a requirement: who passed a thousand courses is not told all of them."""
NAME = 200
"""Characters of a requirement's text; longer ones are cut."""

COURSE_NAME = ("course", "display_name")
"""Where an activity has it, if it has."""

Item = dict[str, Any]


def evidence_of(
    document: CatalogDocument,
    template: TemplateDeclaration,
    before: Progress,
    after: Progress,
    happened: Activity | None,
) -> bytes:
    """Which requirements are fulfilled, since when, and by which values; as JSON, cut where it is too long.

    What `happened` made `after` of `before`, and the values that the core drops then are in these.
    """
    turn = document.compiled.turns.get(template.id)
    if turn is None:
        return b""
    compiled = {r.id: r for r in document.compiled.active[turn].template.requirements}
    items: list[Item] = []
    for declared in template.requirements:
        requirement = compiled[declared.id]
        if isinstance(requirement, BadgeRequirement):
            badge = after.badge(requirement.template)
            if badge is not None and badge.held:
                name = document.templates[requirement.template].name or declared.id
                items.append(_item(declared, name, moment(badge.awarded)))
            continue
        state = after.requirement(template.id, declared.id)
        if state is not None and state.moment is not None:
            former = before.requirement(template.id, declared.id)
            values = dict.fromkeys(_values(requirement, state, former, happened))
            items.append(_item(declared, _named(declared), moment(state.moment), *list(values)[:VALUES]))
    return _within(items)


def _item(declared: RequirementDeclaration, name: str, at: datetime, *values: str) -> Item:
    item: Item = {"name": name[:NAME], "at": at.isoformat()}
    return item | {"values": values} if values else item


def _named(declared: RequirementDeclaration) -> str:
    """What a person reads of a requirement: its text, else the courses that it is about, else its id."""
    if declared.text is not None:
        return in_language(declared.text)
    courses = [
        rule.value for rule in declared.rules if rule.operator == "eq" and rule.path.endswith("course_key")
    ]
    return ", ".join(map(str, courses)) or declared.id


def _values(
    requirement: Requirement, state: State, former: State | None, happened: Activity | None
) -> Iterator[str]:
    """The values that counted, those that are known as they were."""
    counted = set(texts(state.counted))
    if requirement.distinct is None:
        name = find(happened.data, COURSE_NAME) if happened is not None and happened.id in counted else None
        if isinstance(name, str) and name:
            yield name[:NAME]
        return
    for known in (former, state):
        for _, id, key in known.matches if known is not None and known.distinct else ():
            if id and text_of(id) in counted and (value := shown(key)) is not None:
                yield value
    if happened is not None and happened.id in counted:
        yield str(requirement.distinct.of(happened.data))[:NAME]


def _within(items: list[Item]) -> bytes:
    said = orjson.dumps(items)
    while items and len(said) > BYTES:
        # First the values, for they are many; then the last requirements.
        full = [item for item in items if "values" in item]
        if full:
            del full[-1]["values"]
        else:
            items.pop()
        said = orjson.dumps(items)
    return said if items else b""

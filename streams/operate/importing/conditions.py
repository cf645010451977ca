"""Requirements and penalties of the credentials service as those of a catalog."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.bus.schemas import BADGE_EVENTS, learner_path, schema
from streams.operate.importing.values import converted

NEVER = "1970-01-01T00:00:00+00:00"
"""`until` of a requirement that never holds there: no event is so old."""
NONE = "none"
"""The group of the requirements that have none there: together they are one."""
CREDITS_ANOTHER = {"requesting_user", "created_by"}
"""Fields of an event whose person the credentials service takes for the learner."""

Value = dict[str, Any]


@dataclass(slots=True)
class Template:
    """A template as it is written; `notes` are about its meaning."""

    value: Value
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.value['name']!r} ({self.value['id']})"


@dataclass(slots=True)
class Condition:
    """What is written of a requirement or a penalty; `holds`: it does for some event, there.

    `known`: a catalog can name its event.
    """

    event_type: str
    rules: list[Value] = field(default_factory=list)
    holds: bool = True
    known: bool = True
    notes: list[str] = field(default_factory=list)


def requirement_id(id: int) -> str:
    """What a requirement is called in the catalog: the same at every import."""
    return f"r{id}"


def requirements(copy: sqlite3.Connection, template: int, into: Template) -> Iterator[Value]:
    """What is written of the template's requirements.

    One that never holds there is left out where another of its group does; else the template is inactive.
    """
    found = copy.execute(_REQUIREMENTS, (template,)).fetchall()
    conditions = {id: _condition(copy, _RULES, id, event_type) for id, event_type, _, _ in found}
    groups = _groups([blend for *_, blend in found])
    into.notes += _about_groups(groups, [blend for *_, blend in found])
    alive = {blend for id, *_, blend in found if conditions[id].holds}
    for id, _, description, blend in found:
        condition, name = conditions[id], requirement_id(id)
        into.notes += [f"{name}: {note}" for note in condition.notes]
        if not condition.holds and blend in alive:
            into.notes.append(f"{name}: left out; others of its group stand for it")
            continue
        if not condition.holds:
            into.value["active"] = False
            into.notes.append(f"{name}: never holds there, so the template is inactive here")
        if condition.known:
            yield _requirement(name, description, groups[blend], condition)


def penalties(copy: sqlite3.Connection, template: int, into: Template) -> Iterator[Value]:
    """What is written of the template's penalties: those that can take something back."""
    known = {requirement["id"] for requirement in into.value["requirements"]}
    for id, event_type in copy.execute(_PENALTIES, (template,)).fetchall():
        condition, name = _condition(copy, _PENALTY_RULES, id, event_type), f"p{id}"
        named = [requirement_id(r) for (r,) in copy.execute(_RESETS, (id,))]
        resets = [r for r in named if r in known]
        into.notes += [f"{name}: {note}" for note in condition.notes]
        if set(named) - known:
            into.notes.append(f"{name}: {', '.join(sorted(set(named) - known))} are not in the template")
        if not resets or not condition.holds:
            why = "never holds there" if resets else "takes back no requirement of the template"
            into.notes.append(f"{name}: left out; it {why}")
            continue
        yield {"id": name, "event_type": event_type, "resets": resets, "rules": condition.rules}


_REQUIREMENTS = """
    SELECT id, event_type, description, blend FROM badges_badgerequirement WHERE template_id = ? ORDER BY id
"""
_PENALTIES = "SELECT id, event_type FROM badges_badgepenalty WHERE template_id = ? ORDER BY id"
_RULES = "SELECT data_path, operator, value FROM badges_datarule WHERE requirement_id = ? ORDER BY id"
_PENALTY_RULES = (
    "SELECT data_path, operator, value FROM badges_penaltydatarule WHERE penalty_id = ? ORDER BY id"
)
_RESETS = """
    SELECT DISTINCT badgerequirement_id FROM badges_badgepenalty_requirements
    WHERE badgepenalty_id = ? ORDER BY badgerequirement_id
"""


def _condition(copy: sqlite3.Connection, query: str, id: int, event_type: str) -> Condition:
    condition = Condition(event_type)
    if learner_path(event_type) is None or event_type in BADGE_EVENTS:
        condition.holds = condition.known = False
        condition.notes.append(f"{event_type} is no event about a learner that is known here")
        return condition
    if credited := CREDITS_ANOTHER & {f["name"] for f in schema(event_type)["fields"][0]["type"]["fields"]}:
        condition.notes.append(f"there {', '.join(credited)} of the event is credited, here the learner")
    rules = copy.execute(query, (id,)).fetchall()
    if not rules:
        condition.holds = False
        condition.notes.append("it has no rule, which there is never met, and here by every such event")
    for path, operator, text in rules:
        _add_rule(condition, path, operator, text)
    return condition


def _add_rule(condition: Condition, path: str, operator: str, text: str) -> None:
    found = converted(condition.event_type, path, operator, text)
    if found.note:
        condition.notes.append(found.note)
    if found.rule == "never":
        condition.holds = False
    elif isinstance(found.rule, dict) and found.rule not in condition.rules:
        condition.rules.append(found.rule)


def _groups(blends: Sequence[str | None]) -> dict[str | None, str | None]:
    """By group there the group here; the only requirement without a group there has none here, either."""
    groups: dict[str | None, str | None] = {blend: blend for blend in blends if blend}
    for without in ("", None):  # both are possible, and not the same
        if without in blends:
            name = NONE
            while name in groups.values():
                name += "-"
            groups[without] = name if blends.count(without) > 1 else None
    return groups


def _about_groups(groups: dict[str | None, str | None], blends: Sequence[str | None]) -> Iterator[str]:
    if blends.count(None) > 1:
        yield f"its requirements without a group are alternatives there: they are group {groups[None]}"
    if len(groups) > 1:
        yield f"there one of its {len(groups)} groups is enough for an award, here all are required"


def _requirement(name: str, description: str | None, group: str | None, condition: Condition) -> Value:
    value: Value = {"id": name}
    if description and description.strip():
        value["text"] = description
    value["event_type"] = condition.event_type
    if group is not None:
        value["group"] = group
    if condition.rules:
        value["rules"] = condition.rules
    if not condition.holds:
        value["until"] = NEVER
    return value

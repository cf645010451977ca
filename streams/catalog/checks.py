"""How a catalog's parts must fit each other and the events' schemas.

The checks read the plain values, not the declaration, so that a malformed part does not hide the faults of
another. What the declaration checks itself (types, required keys, ranges) is not checked again here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from streams.badges import parse_time
from streams.bus.schemas import BADGE_AWARDED, BADGE_EVENTS, event_types, learner_path
from streams.catalog.cycles import cycles
from streams.catalog.document import ORGANIZATIONS, UUID_PATTERN, normal_id, provider_of
from streams.catalog.fields import Field, field, is_number
from streams.catalog.patterns import Pattern
from streams.catalog.reading import inside

BADGE_RULE_PATH = "template.uuid"
_OF_NO_BADGE = ("count", "distinct", "within", "since", "until", "after")
_ORDERS = frozenset({"gt", "ge", "lt", "le"})
_OPERATORS = _ORDERS | {"eq", "ne", "in", "not_in", "matches", "exists"}


def faults(document: Any) -> Iterator[str]:
    """Every fault between the parts of the document, each a line that begins with its place."""
    root = _Node("", document)
    organizations, templates = root.members("organizations"), root.members("templates")
    yield from _doubled(organizations, _id)
    yield from _doubled(templates, _id)
    for organization in organizations:
        yield from _two_addresses(organization)
    yield from _unknown_organizations(organizations, templates)
    yield from _external_ids(organizations, templates)
    known = frozenset(id for template in templates if (id := _id(template)) is not None)
    for template in templates:
        yield from _template(template, known)
    yield from _cycles_of_badges(templates)


@dataclass(frozen=True, slots=True)
class _Node:
    """A value and its place in the document."""

    place: str
    value: Any

    def get(self, key: str) -> "_Node":
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return _Node(inside(self.place, key), value)

    def members(self, key: str) -> "list[_Node]":
        return self.get(key).items

    @property
    def items(self) -> "list[_Node]":
        if not isinstance(self.value, list | tuple):
            return []
        return [_Node(inside(self.place, index), value) for index, value in enumerate(self.value)]

    @property
    def text(self) -> str | None:
        return self.value if isinstance(self.value, str) else None

    def fault(self, what: str) -> str:
        return f"{self.place}: {what}"


def _id(node: _Node) -> str | None:
    """The id in lower case: organizations and templates have UUIDs, whose case does not matter."""
    text = node.get("id").text
    return None if text is None else text.lower()


def _doubled(nodes: list[_Node], key: Callable[[_Node], str | None]) -> Iterator[str]:
    seen = Counter[str]()
    for node in nodes:
        id = key(node)
        if id is None:
            continue
        if seen[id]:
            yield node.get("id").fault(f"{id} is taken already")
        seen[id] += 1


def _two_addresses(organization: _Node) -> Iterator[str]:
    url = organization.get("url")
    if url.value is not None and organization.get("environment").value is not None:
        yield url.fault("is given in place of environment: only one of the two is possible")


def _unknown_organizations(organizations: list[_Node], templates: list[_Node]) -> Iterator[str]:
    known = {_id(organization) for organization in organizations}
    if None in known:
        return
    for template in templates:
        name = template.get("organization")
        if name.text is not None and name.text.lower() not in known:
            yield name.fault(f"no organization has the id {name.text}")


def _external_ids(organizations: list[_Node], templates: list[_Node]) -> Iterator[str]:
    """A template has an id of its provider's form, and shares it with no other of its organization."""
    kinds = {_id(node): ORGANIZATIONS.get(provider_of(node.value)) for node in organizations}
    seen: dict[tuple[str, str], bool] = {}
    for template in templates:
        external, organization = template.get("external_id"), template.get("organization").text
        given = external.value is not None
        named = normal_id(str(external.value)) if given else _id(template)
        if organization is None or named is None:
            continue
        kind = kinds.get(organization.lower())
        if given and kind is not None and kind.ids_are_uuids and not re.fullmatch(UUID_PATTERN, named):
            yield external.fault("must be a UUID, as all ids of this provider are")
        first_given = seen.get((organization.lower(), named))
        # If neither is given, two templates have the same id: that is said already.
        if first_given or (given and first_given is not None):
            yield external.fault(f"{named} is another template's of this organization already")
        seen[organization.lower(), named] = given or bool(first_given)


@dataclass(frozen=True, slots=True)
class _Requirements:
    """The ids of one template's requirements, and those of its badge requirements.

    `certain` if every requirement has a readable id: only then is an unknown id a fault.
    """

    ids: frozenset[str]
    badges: frozenset[str]
    certain: bool

    def lack(self, id: str | None) -> bool:
        return self.certain and id is not None and id not in self.ids


def _requirements(nodes: list[_Node]) -> _Requirements:
    ids = {text: node for node in nodes if (text := node.get("id").text) is not None}
    badges = frozenset(id for id, node in ids.items() if _is_on_badge(node))
    return _Requirements(frozenset(ids), badges, all(node.get("id").text is not None for node in nodes))


def _is_on_badge(condition: _Node) -> bool:
    return condition.get("event_type").text == BADGE_AWARDED


def _template(template: _Node, known: frozenset[str]) -> Iterator[str]:
    nodes, penalties = template.members("requirements"), template.members("penalties")
    requirements = _requirements(nodes)
    yield from _doubled(nodes, lambda node: node.get("id").text)
    yield from _doubled(penalties, lambda node: node.get("id").text)
    yield from _groups(template, nodes)
    for node in nodes:
        if _is_on_badge(node):
            yield from _badge_requirement(node, _id(template), known)
        else:
            yield from _condition(node)
            yield from _distinct(node)
            yield from _after(node, requirements)
    yield from _cycles_of_after(nodes)
    for penalty in penalties:
        yield from _condition(penalty)
        yield from _resets(penalty, requirements)


def _groups(template: _Node, requirements: list[_Node]) -> Iterator[str]:
    groups = template.get("groups")
    if not isinstance(groups.value, dict):
        return
    sizes = Counter(requirement.get("group").text for requirement in requirements)
    for name in groups.value:
        at_least = groups.get(name).get("at_least")
        if not sizes[name]:
            yield groups.get(name).fault("no requirement is in this group")
        elif isinstance(at_least.value, int) and at_least.value > sizes[name]:
            yield at_least.fault(f"more than the group's {sizes[name]} requirements")


def _badge_requirement(node: _Node, own: str | None, known: frozenset[str]) -> Iterator[str]:
    for key in _OF_NO_BADGE:
        if isinstance(node.value, dict) and key in node.value:
            yield node.get(key).fault("a badge requirement takes a group and one rule, nothing else")
    rules = node.members("rules")
    if len(rules) != 1:
        yield node.get("rules").fault(
            f"a badge requirement has exactly one rule: {BADGE_RULE_PATH} eq the id of a template"
        )
        return
    (rule,) = rules
    path, operator, value = rule.get("path"), rule.get("operator"), rule.get("value")
    if path.text is not None and path.text != BADGE_RULE_PATH:
        yield path.fault(f"must be {BADGE_RULE_PATH} in a badge requirement")
    if operator.text in _OPERATORS and operator.text != "eq":
        yield operator.fault("must be eq in a badge requirement")
    if value.text is None:
        yield value.fault("must be the id of another template")
    elif value.text.lower() == own:
        yield value.fault("a template cannot require its own badge")
    elif value.text.lower() not in known:
        yield value.fault(f"no template of the catalog has the id {value.text}")


def _condition(node: _Node) -> Iterator[str]:
    event_type = node.get("event_type")
    known: str | None = None
    if event_type.text in BADGE_EVENTS:
        yield event_type.fault("badge events are not activities")
    elif event_type.text and learner_path(event_type.text) is None:
        yield event_type.fault("no event type of this name, or none that names a learner")
    else:
        known = event_type.text or None
    for rule in node.members("rules"):
        yield from _rule(rule, known)


def _after(node: _Node, requirements: _Requirements) -> Iterator[str]:
    after = node.get("after")
    if requirements.lack(after.text):
        yield after.fault(f"no requirement of this template has the id {after.text}")


def _resets(penalty: _Node, requirements: _Requirements) -> Iterator[str]:
    for reset in penalty.members("resets"):
        if requirements.lack(reset.text):
            yield reset.fault(f"no requirement of this template has the id {reset.text}")
        elif reset.text in requirements.badges:
            yield reset.fault("no penalty can reset a badge requirement")


def _distinct(node: _Node) -> Iterator[str]:
    distinct, event_type = node.get("distinct"), node.get("event_type").text
    found = _field(event_type, distinct.text)
    if isinstance(found, str):
        yield distinct.fault(found)
    elif found is not None and "other" in found.kinds:
        yield distinct.fault(f"a {found.words} has no values to tell apart")


def _field(event_type: str | None, path: str | None) -> Field | str | None:
    """The field, or why there is none; None if the event type or the path is wrong and reported elsewhere."""
    if event_type in BADGE_EVENTS or event_type not in event_types():
        return None
    if not path or not all(path.split(".")):
        return None
    return field(event_type, path)


def _rule(rule: _Node, event_type: str | None) -> Iterator[str]:
    path, operator = rule.get("path"), rule.get("operator")
    found = _field(event_type, path.text)
    if isinstance(found, str):
        yield path.fault(found)
    if operator.text not in _OPERATORS:
        return
    known = found if isinstance(found, Field) else None
    if known is not None and not _operator_fits(operator.text, known):
        yield operator.fault(f"does not fit a {known.words}")
    else:
        yield from _value(rule, operator.text, known)


def _operator_fits(operator: str, found: Field) -> bool:
    if operator == "exists":
        return True
    if operator == "matches":
        return "string" in found.kinds
    if operator in _ORDERS:
        return not found.kinds.isdisjoint({"string", "whole", "number"})
    return found.kinds != {"other"}


def _value(rule: _Node, operator: str, found: Field | None) -> Iterator[str]:
    value = rule.get("value")
    if operator == "exists":
        if value.value is not None and not isinstance(value.value, bool):
            yield value.fault("must be true or false")
    elif value.value is None:
        yield value.fault("required")
    elif operator in ("in", "not_in"):
        if not isinstance(value.value, list | tuple):
            yield value.fault("must be a list of values")
        for item in value.items:
            yield from _scalar(item, found)
    elif operator == "matches":
        yield from _pattern(value)
    elif operator in _ORDERS:
        yield from _limit(value, found)
    else:
        yield from _scalar(value, found)


def _scalar(value: _Node, found: Field | None) -> Iterator[str]:
    if not isinstance(value.value, str | bool | int | float):
        yield value.fault("must be a string, a number or a boolean")
    elif found is not None and not found.can_be(value.value):
        yield value.fault(f"cannot be of the field's type, {found.words}")


def _pattern(value: _Node) -> Iterator[str]:
    if value.text is None:
        yield value.fault("must be a regular expression")
        return
    try:
        Pattern(value.text)
    except ValueError as error:
        yield value.fault(f"not a regular expression of RE2: {error}")


def _limit(value: _Node, found: Field | None) -> Iterator[str]:
    if found is not None and "string" not in found.kinds:
        yield from _scalar(value, found)
    elif not is_number(value.value) and not _is_date_time(value.text):
        yield value.fault("must be a number or an ISO 8601 date-time, like 2026-09-01T00:00:00")


def _is_date_time(text: str | None) -> bool:
    return text is not None and parse_time(text) is not None and len(text) > len("2026-09-01")


def _cycles_of_after(requirements: list[_Node]) -> Iterator[str]:
    afters: dict[str, dict[str, _Node]] = {}
    for requirement in requirements:
        id, after = requirement.get("id").text, requirement.get("after")
        if id is not None and after.text is not None:
            afters.setdefault(id, {}).setdefault(after.text, after)
    for cycle in cycles(afters):
        yield afters[cycle[0]][cycle[1]].fault(f"a cycle: {' after '.join(cycle)}")


def _cycles_of_badges(templates: list[_Node]) -> Iterator[str]:
    required: dict[str, dict[str, _Node]] = {}
    for template in templates:
        id = _id(template)
        for value in _required_badges(template):
            if id is not None and value.text is not None and value.text.lower() != id:
                required.setdefault(id, {}).setdefault(value.text.lower(), value)
    for cycle in cycles(required):
        yield required[cycle[0]][cycle[1]].fault(f"a cycle of badges: {' requires '.join(cycle)}")


def _required_badges(template: _Node) -> Iterator[_Node]:
    for requirement in template.members("requirements"):
        if _is_on_badge(requirement):
            yield from (rule.get("value") for rule in requirement.members("rules"))

"""How a catalog's parts must fit each other and the events' schemas.

The checks read the plain values, not the declaration, so that a malformed part does not hide the faults of
another. What the declaration checks itself (types, required keys, ranges) is not checked again here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streams.badges import parse_time
from streams.bus.schemas import BADGE_AWARDED, BADGE_EVENTS, event_types, learner_path
from streams.catalog.cycles import cycles
from streams.catalog.document import ORGANIZATIONS, provider_of
from streams.catalog.document_types import normal_id
from streams.catalog.fields import Field, field, is_number
from streams.catalog.patterns import Pattern
from streams.catalog.reading import inside

BADGE_RULE_PATH = "template.uuid"
_OF_NO_BADGE = ("count", "distinct", "within", "repeats", "since", "until", "after", "no_later_than")
_ORDERS = frozenset({"gt", "ge", "lt", "le"})
_ON_STRINGS = frozenset({"matches", "starts_with"})
_OPERATORS = _ORDERS | _ON_STRINGS | {"eq", "ne", "in", "not_in", "exists"}


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
    for place in ("environment", "region"):
        if url.value is not None and organization.get(place).value is not None:
            yield url.fault(f"is given in place of {place}: only one of the two is possible")


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
        if given and kind is not None and not kind.external_ids.form.fullmatch(named):
            yield external.fault(kind.external_ids.otherwise)
        elif not given and kind is not None and kind.external_ids.required:
            yield external.fault(f"required: {kind.external_ids.otherwise}")
        first_given = seen.get((organization.lower(), named))
        # If neither is given, two templates have the same id: that is said already.
        if first_given or (given and first_given is not None):
            yield external.fault(f"{named} is another template's of this organization already")
        seen[organization.lower(), named] = given or bool(first_given)


@dataclass(frozen=True, slots=True)
class _Requirements:
    """One template's requirements by id, and the ids of its badge requirements.

    `certain` if every requirement has a readable id: only then is an unknown id a fault.
    """

    by_id: Mapping[str, _Node]
    badges: frozenset[str]
    certain: bool

    def lack(self, id: str | None) -> bool:
        return self.certain and id is not None and id not in self.by_id


def _requirements(nodes: list[_Node]) -> _Requirements:
    by_id = {text: node for node in nodes if (text := node.get("id").text) is not None}
    badges = frozenset(id for id, node in by_id.items() if _is_on_badge(node))
    return _Requirements(by_id, badges, all(node.get("id").text is not None for node in nodes))


def _is_on_badge(condition: _Node) -> bool:
    return condition.get("event_type").text == BADGE_AWARDED and condition.get("event_types").value is None


def _template(template: _Node, known: frozenset[str]) -> Iterator[str]:
    nodes, penalties = template.members("requirements"), template.members("penalties")
    requirements = _requirements(nodes)
    yield from _doubled(nodes, lambda node: node.get("id").text)
    yield from _doubled(penalties, lambda node: node.get("id").text)
    yield from _groups(template, nodes)
    yield from _renewable(template, nodes)
    for node in nodes:
        if _is_on_badge(node):
            yield from _badge_requirement(node, _id(template), known)
        else:
            yield from _condition(node)
            yield from _distinct(node)
            yield from _repeats(node)
            yield from _after(node, requirements)
    yield from _cycles_of_after(nodes)
    for penalty in penalties:
        yield from _condition(penalty)
        yield from _takes_back(penalty, requirements)


def _renewable(template: _Node, requirements: list[_Node]) -> Iterator[str]:
    renewable = template.get("renewable")
    if renewable.value is not True:
        return
    if template.get("expires_after").value is None:
        yield renewable.fault("needs expires_after")
    if requirements and all(map(_is_on_badge, requirements)):
        yield renewable.fault("needs a requirement that is no badge requirement: a badge is not earned again")


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
            yield node.get(key).fault("a badge requirement takes a group, a text and one rule, nothing else")
    rules = node.members("rules")
    if len(rules) != 1:
        yield node.get("rules").fault(
            f"a badge requirement has exactly one rule: {BADGE_RULE_PATH} eq the id of a template"
        )
        return
    (rule,) = rules
    path, operator, value, part = (rule.get(key) for key in ("path", "operator", "value", "part"))
    if part.value is not None:
        yield part.fault("a template's id has no parts")
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
    one, several = node.get("event_type"), node.get("event_types")
    if one.value is None and several.value is None:
        yield one.fault("required")
    elif one.value is not None and several.value is not None:
        yield several.fault("is given in place of event_type: only one of the two is possible")
    if isinstance(several.value, list | tuple) and len(several.value) < 2:
        yield several.fault("must be two or more: for one there is event_type")
    types = _types(node)
    for place, event_type in enumerate(types):
        if event_type.text in BADGE_EVENTS:
            yield event_type.fault("badge events are not activities")
        elif event_type.text and learner_path(event_type.text) is None:
            yield event_type.fault("no event type of this name, or none that names a learner")
        elif event_type.text in [earlier.text for earlier in types[:place] if earlier.text]:
            yield event_type.fault(f"{event_type.text} is given already")
    for rule in node.members("rules"):
        yield from _rule(rule, _known_types(node))


def _types(node: _Node) -> list[_Node]:
    one = node.get("event_type")
    return [one] if one.value is not None else node.members("event_types")


def _known_types(node: _Node) -> list[str]:
    """The event types by which paths can be judged; what is wrong with the others is said elsewhere."""
    texts = [event_type.text for event_type in _types(node)]
    return [text for text in texts if text in event_types() and text not in BADGE_EVENTS]


def _after(node: _Node, requirements: _Requirements) -> Iterator[str]:
    after = node.get("after")
    if requirements.lack(after.text):
        yield after.fault(f"no requirement of this template has the id {after.text}")
    if after.value is None and (limit := node.get("no_later_than")).value is not None:
        yield limit.fault("needs after")


def _repeats(node: _Node) -> Iterator[str]:
    repeats = node.get("repeats")
    if repeats.value is None:
        return
    missing = [key for key in ("distinct", "within") if node.get(key).value is None]
    if missing:
        yield repeats.fault(f"needs {' and '.join(missing)}")


def _takes_back(penalty: _Node, requirements: _Requirements) -> Iterator[str]:
    if penalty.get("resets").value is None and penalty.get("withdraws").value is None:
        yield penalty.get("resets").fault("required, or withdraws")
    for reset in penalty.members("resets"):
        if requirements.lack(reset.text):
            yield reset.fault(f"no requirement of this template has the id {reset.text}")
        elif reset.text in requirements.badges:
            yield reset.fault("no penalty can reset a badge requirement")
    for withdrawal in penalty.members("withdraws"):
        if requirements.lack(withdrawal.text):
            yield withdrawal.fault(f"no requirement of this template has the id {withdrawal.text}")
        elif withdrawal.text in requirements.badges:
            yield withdrawal.fault("no penalty can withdraw from a badge requirement")
        elif (requirement := requirements.by_id.get(withdrawal.text or "")) is not None:
            yield from _withdraws(withdrawal, penalty, requirement)


def _withdraws(withdrawal: _Node, penalty: _Node, requirement: _Node) -> Iterator[str]:
    if requirement.get("distinct").value is None:
        yield withdrawal.fault(f"{withdrawal.text} has no distinct, so there is no value to withdraw")
        return
    path, types = _path_of_distinct(requirement).text, _known_types(penalty)
    found = [_field(event_type, path) for event_type in types]
    if found and all(isinstance(each, str) for each in found):
        yield withdrawal.fault(
            f"{withdrawal.text} differs by {path}, which {' and '.join(types)} does not have"
        )


def _path_of_distinct(node: _Node) -> _Node:
    distinct = node.get("distinct")
    return distinct if distinct.text is not None else distinct.get("path")


def _distinct(node: _Node) -> Iterator[str]:
    path = _path_of_distinct(node)
    found, faults = _common_field(path, _known_types(node))
    yield from faults
    if found is not None and "other" in found.kinds:
        yield path.fault(f"{found.one} has no values to tell apart")
    yield from _part(node.get("distinct").get("part"), found)


def _part(part: _Node, found: Field | None) -> Iterator[str]:
    if part.value is not None and found is not None and "string" not in found.kinds:
        yield part.fault(f"only a string has parts, not {found.one}")


def _common_field(path: _Node, types: list[str]) -> tuple[Field | None, list[str]]:
    """The field that all the types have at the path, if they do; and what is wrong with it."""
    found = {event_type: _field(event_type, path.text) for event_type in types}
    of = "in {}: {}" if len(types) > 1 else "{1}"
    missing = [path.fault(of.format(type, why)) for type, why in found.items() if isinstance(why, str)]
    fields = {type: field for type, field in found.items() if isinstance(field, Field)}
    if missing or not fields:
        return next(iter(fields.values()), None), missing
    (first, field), *others = fields.items()
    different = [
        path.fault(f"{other.one} in {type}, but {field.one} in {first}")
        for type, other in others
        if set(other.words.split(" or ")) != set(field.words.split(" or "))
    ]
    return (None if different else field), different


def _field(event_type: str, path: str | None) -> Field | str | None:
    """The field, or why there is none; None if the path is wrong and reported elsewhere."""
    if not path or not all(path.split(".")):
        return None
    return field(event_type, path)


def _rule(rule: _Node, types: list[str]) -> Iterator[str]:
    operator = rule.get("operator")
    found, faults = _common_field(rule.get("path"), types)
    yield from faults
    yield from _part(rule.get("part"), found)
    if operator.text not in _OPERATORS:
        return
    if found is not None and not _operator_fits(operator.text, found):
        yield operator.fault(f"does not fit {found.one}")
    else:
        yield from _value(rule, operator.text, found)


def _operator_fits(operator: str, found: Field) -> bool:
    if operator == "exists":
        return True
    if operator in _ON_STRINGS:
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
    elif operator == "starts_with":
        if value.text is None:
            yield value.fault("must be a string")
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

"""What a catalog may say, and probably does not mean (decision 0071); each line says what to write."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from streams.bus import schemas
from streams.bus.publication import PUBLICATIONS, REPEATED, read_on, topic_name
from streams.catalog.document import (
    OpenBadgesOrganization,
    PenaltyDeclaration,
    RequirementDeclaration,
    RuleDeclaration,
    TemplateDeclaration,
)
from streams.catalog.fields import Field, field, is_number
from streams.catalog.loading import CatalogDocument

_IS_PASSING = "is_passing"
_GRADES = ("grade", "percent_grade")
_KEYS = ("course_key", "ccx_course_key", "master_course_key", "course_id")
_COURSE_KEY = re.compile(r"[a-z0-9-]+:[^+/\s]+\+[^+/\s]+\+[^+/\s]+(\+\S+)?|[^+/\s]+/[^+/\s]+/[^+/\s]+")
_MODES = ("audit", "honor", "verified", "professional", "no-id-professional", "credit", "masters")
"""Of the LMS's course modes those that are in use; all are in lower case."""
_PATTERN = re.compile(r"[.^$*+?()\[\]{}|\\]")
_PLUS = re.compile(r"(?<!\\)(?<!\\\w)(?<=[\w-])\+")
"""A plus sign after a letter or digit that stands for itself."""
_ORGANIZATION = re.compile(r"[a-z0-9-]+:[^+/\s]+")
"""A key of which no more than the organization is given."""
TELLING = ("credly", "open_badges", "webhook")
"""The providers that evidence is told to."""
Condition = RequirementDeclaration | PenaltyDeclaration


@dataclass(frozen=True, slots=True)
class Advice:
    """What is probably not meant, its place, and the template's name."""

    place: str
    template: str
    said: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The topics (on Redis: streams) that a site reads, by their full names, and the bus with its prefix."""

    topics: frozenset[str]
    prefix: str = ""
    bus: Literal["kafka", "redis"] = "kafka"


def advice(document: CatalogDocument, sources: Sources | None = None) -> Iterator[Advice]:
    """All of it, in the catalog's order; of topics only where the site's are given."""
    for number, template in enumerate(document.templates.values()):
        name, place = template.name or template.id, f"templates[{number}]"
        organization = document.organizations.get(template.organization)
        if template.evidence and organization and organization.provider not in TELLING:
            said = f"{organization.provider} is not told what counted: leave it out"
            yield Advice(f"{place}.evidence", name, said)
        open_badge = isinstance(organization, OpenBadgesOrganization)
        for below, said in (*_read_by_people(template, open_badge), *_of_template(template, sources)):
            yield Advice(place + below, name, said)


Found = Iterator[tuple[str, str]]
"""A place below, and what is said of it."""


def _read_by_people(template: TemplateDeclaration, open_badge: bool) -> Found:
    """What pages do not show, and what each Open Badge has to say."""
    if template.image_url and not template.image_url.startswith("https://"):
        yield ".image_url", "is no https address: pages show their own picture instead"
    if open_badge and not template.description:
        yield "", "has no description, which each Open Badge has: people read its name there"
    if open_badge and not template.criteria:
        yield "", "has no criteria, which each Open Badge has: write in words what has to be done for it"


def _of_template(template: TemplateDeclaration, sources: Sources | None) -> Found:
    yield from _without_address(template)
    yield from _groups(template)
    for number, requirement in enumerate(template.requirements):
        if requirement.event_type != schemas.BADGE_AWARDED:
            found = (*_of_condition(requirement, sources), *_counting(requirement))
            yield from ((f".requirements[{number}]{below}", said) for below, said in found)
    for number, penalty in enumerate(template.penalties):
        for below, said in _of_condition(penalty, sources):
            yield f".penalties[{number}]{below}", said


def _without_address(template: TemplateDeclaration) -> Found:
    types = {name for r in template.requirements for name in r.types} - {schemas.BADGE_AWARDED}
    if types and not any(schemas.learner_path(name) != ("user_id",) for name in types):
        yield (
            "",
            f"{', '.join(sorted(types))} carries the learner's id alone: a badge waits until another event "
            "that the catalog names carries the e-mail address, such as "
            "org.openedx.learning.course.passing.status.updated.v1",
        )


def _groups(template: TemplateDeclaration) -> Found:
    """Two groups of nearly the same name, of which one is probably misspelt."""
    sizes: dict[str, int] = {}
    for number, requirement in enumerate(template.requirements):
        group = requirement.group
        if group is None:
            continue
        if group not in sizes and (near := get_close_matches(group, sizes, n=1, cutoff=0.8)):
            yield (
                f".requirements[{number}].group",
                f"is another group than {near[0]}: write {near[0]} if it is meant",
            )
        sizes[group] = sizes.get(group, 0) + 1


def _of_condition(condition: Condition, sources: Sources | None) -> Found:
    yield from _unread(condition, sources)
    if condition.since is not None and condition.until is not None and condition.since >= condition.until:
        yield ".until", "is not later than since: nothing can match; exchange the two"
    if _says_passing(condition) and all(rule.path != _IS_PASSING for rule in condition.rules):
        yield (
            ".rules",
            "is met by a failing status too, for the LMS says both: add "
            "{path: is_passing, operator: eq, value: true}",
        )
    for number, rule in enumerate(condition.rules):
        for below, said in _of_rule(rule):
            yield f".rules[{number}]{below}", said
    yield from _contradictions(condition.rules)


def _says_passing(condition: Condition) -> bool:
    return any(event_type.endswith("passing.status.updated.v1") for event_type in condition.types)


def _unread(condition: Condition, sources: Sources | None) -> Found:
    """Events that the site's tracker never sees, because it does not read their topic."""
    for event_type in condition.types if sources is not None else ():
        assert sources is not None
        reads = read_on(event_type, sources.topics, sources.prefix)
        if reads is not False:
            continue
        how = PUBLICATIONS[event_type]
        topic = topic_name(how.topic, sources.prefix)
        on = f"its topic {topic} is" if how.shipped else f"no topic carries it by default, and {topic} is"
        yield (
            ".event_type",
            f"{on} not among BADGES_SOURCE_TOPICS, so it never comes: add the topic there, and switch the "
            f"event on at the {how.service} (badge-streams lms-settings prints how)",
        )


def _of_rule(rule: RuleDeclaration) -> Found:
    values = rule.value if isinstance(rule.value, list) else [rule.value]
    name = rule.path.rpartition(".")[2]
    if rule.operator == "matches":
        yield from _of_pattern(str(rule.value), a_key=name in _KEYS)
        return
    if name in _GRADES and any(is_number(value) and value > 1 for value in values):
        wrong = next(value for value in values if is_number(value) and value > 1)
        yield ".value", f"a grade is between 0 and 1: write {wrong / 100:g}"
    for text in (value for value in values if isinstance(value, str) and rule.part is None):
        yield from ((".value", said) for said in _of_text(text, name, rule.operator))


def _of_text(text: str, name: str, operator: str) -> Iterator[str]:
    if text != text.strip():
        yield f'has blanks at its ends, which the event has not: write "{text.strip()}"'
        return
    if name == "mode" and text not in _MODES and text.lower() in _MODES:
        yield f"modes are in lower case: write {text.lower()}"
    if operator == "starts_with" and name in _KEYS and _ORGANIZATION.fullmatch(text):
        yield f"takes every organization whose name begins so, too: write {text}+, or part: org"
    if operator not in ("eq", "in"):
        return
    if "*" in text:
        yield f"{operator} takes * as it is: for a beginning use operator: starts_with, without the *"
    elif name in _KEYS and not _COURSE_KEY.fullmatch(text):
        yield (
            "is no key of a course, like course-v1:DemoX+Kafka101+2026: for a beginning use operator: "
            "starts_with"
        )


def _of_pattern(pattern: str, *, a_key: bool) -> Found:
    plain = pattern.replace("\\", "")
    if a_key and _PLUS.search(pattern):
        begin = _PLUS.sub("+", pattern)
        mended = _PLUS.sub(r"\\+", pattern)
        also = f", or operator: starts_with and value: {begin[:-2]}" if pattern.endswith(".*") else ""
        yield ".value", f"+ repeats the character before it, and matches no plus sign: write {mended}{also}"
    elif not _PATTERN.search(re.sub(r"\\[^\w]", "", pattern)):
        yield (
            ".value",
            f"the whole text must match, so this is the one text {plain}: use operator: starts_with if it "
            "is a beginning, else eq",
        )


def _contradictions(rules: Iterable[RuleDeclaration]) -> Found:
    """Rules of one path of which no value can meet both."""
    wanted: dict[str, set[Any]] = {}
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    for number, rule in enumerate(rules):
        place, path = f".rules[{number}]", rule.path
        if rule.part is not None:
            path = f"{path} ({rule.part})"
        values = set(map(_typed, rule.value if isinstance(rule.value, list) else [rule.value]))
        if rule.operator in ("eq", "in"):
            if path in wanted and not wanted[path] & values:
                yield (
                    place,
                    f"no value of {path} meets this and the rule before it: for one of several use "
                    "operator: in",
                )
            wanted[path] = wanted.get(path, values) & values or values
        elif rule.operator in ("ne", "not_in") and path in wanted and not wanted[path] - values:
            yield place, f"no value of {path} meets this and the rule before it"
        elif rule.operator in ("gt", "ge", "lt", "le") and is_number(rule.value):
            bounds, choose = (least, max) if rule.operator in ("gt", "ge") else (most, min)
            bounds[path] = choose(bounds.get(path, rule.value), rule.value)
            if least.get(path, float("-inf")) > most.get(path, float("inf")):
                yield place, f"no value of {path} is at least {least[path]:g} and at most {most[path]:g}"


def _typed(value: Any) -> tuple[bool, Any]:
    """The value as rules compare it: true is not 1."""
    return isinstance(value, bool), value


def _counting(requirement: RequirementDeclaration) -> Found:
    if requirement.within is not None and requirement.count == 1:
        yield ".within", "does nothing with one match: add count, like count: 3"
    if requirement.count == 1:
        return
    if requirement.distinct is not None:
        yield from _too_many(requirement)
        return
    for event_type in requirement.types:
        if event_type in REPEATED:
            key = (
                "course.ccx_course_key"
                if event_type.endswith("ccx.course.passing.status.updated.v1")
                else "course.course_key"
            )
            yield (
                ".count",
                f"the LMS says this event {REPEATED[event_type]}, and each counts: add distinct: {key}",
            )
            return


def _too_many(requirement: RequirementDeclaration) -> Found:
    """A count above the number of values that the rules let pass."""
    if requirement.distinct is None:
        return
    path, part = requirement.distinct.path, requirement.distinct.part
    possible = [
        set(map(_typed, rule.value if isinstance(rule.value, list) else [rule.value]))
        for rule in requirement.rules
        if (rule.path, rule.part) == (path, part) and rule.operator in ("eq", "in")
    ]
    found = field(requirement.types[0], path)
    if isinstance(found, Field) and found.kinds == {"boolean"}:
        possible.append({(True, True), (True, False)})
    values = set.intersection(*possible) if possible else None
    if values is not None and len(values) < requirement.count:
        yield ".count", f"only {len(values)} different values of {path} can come: it is never fulfilled"

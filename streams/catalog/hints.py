"""What to write in place of what is a fault: for people to whom YAML and the keys are new."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from typing import Any, get_args

from streams.badges import Operator, Part, Repeats
from streams.bus.schemas import BADGE_AWARDED, BADGE_EVENTS, event_types, learner_path
from streams.catalog.document import ORGANIZATIONS
from streams.catalog.durations import parse_duration
from streams.catalog.lines import above, value_at

_EXAMPLES = {
    "version": "write version: 1",
    "id": "every template, requirement and penalty has one",
    "name": "it is what learners read on the badge",
    "organization": "write the id of one of organizations",
    "requirements": "write a list of what a learner must do, each with id and event_type",
    "event_type": "badge-streams events lists them",
    "path": "badge-streams events TYPE lists the fields",
    "operator": "eq, for one",
}
_OPERATORS = {
    "=": "eq",
    "==": "eq",
    "===": "eq",
    "is": "eq",
    "equal": "eq",
    "equals": "eq",
    "!=": "ne",
    "<>": "ne",
    "not": "ne",
    "not_equal": "ne",
    ">": "gt",
    ">=": "ge",
    "gte": "ge",
    "at_least": "ge",
    "min": "ge",
    "<": "lt",
    "<=": "le",
    "lte": "le",
    "at_most": "le",
    "max": "le",
    "one_of": "in",
    "any": "in",
    "not in": "not_in",
    "regex": "matches",
    "match": "matches",
    "like": "matches",
    "startswith": "starts_with",
    "begins": "starts_with",
    "prefix": "starts_with",
    "contains": "matches",
    "has": "exists",
}
_TRUTHS = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}
_SHAPES = {
    "notify": "{award: true, revoke: false}",
    "rules": "{path: …, operator: …, value: …} after the dash",
    "requirements": "id: and event_type: after the dash",
    "penalties": "id:, event_type: and resets: after the dash",
}
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DATES = ("%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d %B %Y", "%B %d, %Y")
_SPAN = re.compile(r"(\d+)\s*(day|week|hour|minute|month|year)s?", re.IGNORECASE)
_UUID_DIGITS = 32


def hint(document: Any, place: str, message: str) -> str:
    """What to write at the place, or what is meant by it; empty where nothing is known."""
    key = re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]
    value, around = value_at(document, place), value_at(document, above(place))
    if ".groups." in place and isinstance(value_at(document, place.partition(".groups.")[0]), dict):
        return _group(document, place, value)
    if message.startswith("unknown key"):
        return _meant(key, (name for name in _keys_at(above(place)) if name not in (around or ())))
    if message.startswith("required"):
        return _required(document, place, key)
    if message.endswith("more than once"):
        return "put both under one"
    for shape in (_as_list, _as_text):
        if said := shape(key, value, message):
            return said
    by_key = _BY_KEY.get(key)
    return by_key(document, place, value) if by_key is not None else ""


def _meant(given: str, known: Iterable[str]) -> str:
    """The name among the known ones that is as good as the given one."""
    by_squashed = {_squashed(name): name for name in sorted(known)}
    squashed = _squashed(given)
    near = get_close_matches(squashed, by_squashed, n=1, cutoff=0.7)
    return f"did you mean {by_squashed[near[0]]}?" if near else ""


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.cache
def _schema() -> Any:
    from streams.catalog.schema import shipped

    return json.loads(shipped())


def _keys_at(place: str) -> set[str]:
    """The keys that the mapping at a place may have."""
    root = _schema()
    found = [root]
    for index, key in re.findall(r"\[(\d+)\]|([^.\[\]]+)", place):
        below: list[Any] = []
        for schema in _options(root, found):
            inner = schema.get("items") if index else schema.get("properties", {}).get(key)
            below.append(inner or schema.get("additionalProperties") or {})
        found = [schema for schema in below if isinstance(schema, dict)]
    return {key for schema in _options(root, found) for key in schema.get("properties", ())}


def _options(root: Mapping[str, Any], schemas: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The schemas with references and alternatives followed."""
    for schema in schemas:
        if "$ref" in schema:
            yield from _options(root, [root["$defs"][schema["$ref"].rpartition("/")[2]]])
        yield from _options(root, (*schema.get("anyOf", ()), *schema.get("oneOf", ())))
        yield schema


def _required(document: Any, place: str, key: str) -> str:
    if key == "resets":
        template = value_at(document, place.partition(".")[0]) or {}
        ids = _texts(template.get("requirements"), "id")
        return (
            f"write the ids of the requirements that are lost, like resets: [{ids[0] if ids else 'passed'}]"
        )
    if key == "value":
        return "write what the field is compared with"
    return _EXAMPLES.get(key, "")


def _as_list(key: str, value: Any, message: str) -> str:
    if "list" not in message:
        return ""
    if isinstance(value, dict):
        return f"begin each of {key} with a dash, like - {next(iter(value), 'id')}: …"
    return f"write [{_written(value)}]" if value is not None else ""


def _as_text(key: str, value: Any, message: str) -> str:
    if message == "must be a whole number":
        return _whole(value)
    if message == "must be true or false" and (truth := _TRUTHS.get(str(value).strip().lower())):
        return f"write {truth}, without quotes"
    if key == "version":
        return "write 1" + (", without quotes" if value == "1" else "")
    if message == "must be a string" and isinstance(value, int | float) and key not in _BY_KEY:
        return f'write "{value}" in quotes'
    if message == "must be a mapping" and key in _SHAPES:
        return f"write {_SHAPES[key]}"
    if key == "event_type" and isinstance(value, list):
        several = (
            "event_types takes several; " if "event_types" in _keys_at("templates[0].requirements[0]") else ""
        )
        return f"{several}event_type takes one: {value[0] if value else ''}"
    return ""


def _whole(value: Any) -> str:
    """The whole number that is meant: `"3"`, `3.0`, `three`."""
    if isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    text = str(value).strip().lower()
    number = text if text.isdigit() else str(_COUNTS.index(text)) if text in _COUNTS else ""
    return f"write {number}, {'without quotes' if text == number else 'in digits'}" if number else ""


def _event_type(document: Any, place: str, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    if value in BADGE_EVENTS:
        ends = "a badge requirement ends by itself when the other badge is revoked"
        return f"leave the penalty out: {ends}" if ".penalties" in place else ""
    by_core = {_core(name): name for name in sorted(event_types()) if learner_path(name) is not None}
    core = _core(value)
    # What the given name is a part of; the shortest, which has least in addition.
    wider = sorted((name for name in by_core if len(core) > 3 and core in name), key=len)
    near = get_close_matches(core, by_core, n=1, cutoff=0.75) or wider
    if near:
        return f"did you mean {by_core[near[0]]}?"
    return "badge-streams events lists those that a rule can use"


def _core(event_type: str) -> str:
    """An event type without what all have, in whatever way it is written: that of a signal in Python, too."""
    plain = re.sub(r"[^a-z0-9.]", "", event_type.lower().replace("_", "."))
    return _squashed(re.sub(r"^(org\.)?(openedx\.)?(learning\.)?|(\.v\d+)?$", "", plain))


def _path(document: Any, place: str, value: Any) -> str:
    from streams.bus import description

    event_type = _type_of(document, place)
    if event_type == BADGE_AWARDED:
        return "write template.uuid, and as value the other template's id"
    if event_type not in event_types() or not isinstance(value, str):
        return ""
    paths = [field.path for field in description.fields(event_type)]
    inner = value.removeprefix(f"{description.envelope(event_type)}.")
    if inner != value and inner in paths:
        return f"write {inner}: paths begin inside {description.envelope(event_type)}"
    found = _ending(inner, paths) or get_close_matches(inner, paths, n=1, cutoff=0.7)
    return f"did you mean {found[0]}?" if found else f"badge-streams events {event_type} lists the fields"


def _ending(given: str, paths: list[str]) -> list[str]:
    """The paths whose last name is the given path's, or ends with it as a word of its own."""
    last = given.rpartition(".")[2].lower()
    same = [path for path in paths if path.rpartition(".")[2] == last]
    return same or [path for path in paths if path.endswith(f"_{last}")]


def _type_of(document: Any, place: str) -> Any:
    """The event type of the condition that has the rule, or the path, at the place."""
    condition = value_at(document, re.sub(r"\.(rules\[\d+\]\..*|distinct.*)$", "", place))
    if not isinstance(condition, dict):
        return None
    several = condition.get("event_types")
    return condition.get("event_type") or (several[0] if isinstance(several, list) and several else None)


def _operator(document: Any, place: str, value: Any) -> str:
    if not isinstance(value, str):
        return ""
    known = get_args(Operator)
    meant = _OPERATORS.get(value.strip().lower()) or _OPERATORS.get(_squashed(value))
    if value in known:
        return ""
    return f"write {meant}" if meant else _meant(value, known)


def _value(document: Any, place: str, value: Any) -> str:
    rule = value_at(document, re.sub(r"\.value(\[\d+\])?$", "", place))
    operator = rule.get("operator") if isinstance(rule, dict) else None
    if _type_of(document, place) == BADGE_AWARDED:
        return _template_id(document, value)
    if isinstance(value, list):
        return {"eq": "write operator: in", "ne": "write operator: not_in"}.get(str(operator), "")
    if operator == "matches":
        return _pattern(value)
    if isinstance(value, str) and (truth := _TRUTHS.get(value.strip().lower())):
        return f"write {truth}, without quotes"
    if (number := _number(value)) is not None:
        fraction = (
            " (a grade is between 0 and 1)" if isinstance(value, str) and re.search("%|per", value) else ""
        )
        return f"write {number:g}, without quotes{fraction}"
    if operator in ("eq", "ne", "in", "not_in") and isinstance(value, int | float):
        return f'the field is a string: write "{value}" in quotes, or compare the number with ge'
    return ""


def _template_id(document: Any, value: Any) -> str:
    templates = document.get("templates") if isinstance(document, dict) else None
    ids = {
        str(template.get("name")): str(template.get("id"))
        for template in templates or ()
        if isinstance(template, dict)
    }
    near = get_close_matches(str(value), ids, n=1, cutoff=0.7)
    if near:
        return f"write the id of {near[0]}: {ids[near[0]]}"
    return _meant(str(value), ids.values()) or "write the id of another template, not its name"


def _pattern(value: Any) -> str:
    text = str(value)
    if re.search(r"(^|[^.\])\\])\*", text):
        return "* repeats what is before it: for any text write .*, or use operator: starts_with"
    return "in a pattern + * ? . ( ) [ ] mean something: write \\ before each that is meant as it is"


def _number(value: Any) -> float | None:
    """The number that a text is meant to be: `"0.8"`, `80%`, `0,8`."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"\s*(percent|per cent)$", "%", value.strip().lower().replace(",", "."))
    with suppress(ValueError):
        return float(text.rstrip("% ")) / 100 if text.endswith("%") else float(text)
    return None


def _time(document: Any, place: str, value: Any) -> str:
    if isinstance(value, str):
        readings = set()
        for form in _DATES:
            with suppress(ValueError):
                readings.add(datetime.strptime(value.strip(), form).date().isoformat())
        if readings:
            return f"write {' or '.join(sorted(readings))}: year, month, day"
    return ""


def _duration(document: Any, place: str, value: Any) -> str:
    if isinstance(value, int):
        return f"write P{value}D, for days"
    if not isinstance(value, str):
        return ""
    span = _SPAN.fullmatch(value.strip())
    if span is not None:
        number, unit = span.group(1), span.group(2).lower()
        text = f"PT{number}{unit[0].upper()}" if unit in ("hour", "minute") else f"P{number}{unit[0].upper()}"
        return f"write {text if place.endswith('expires_after') else _exact(text)}"
    with suppress(ValueError):
        return f"write {_exact(value)}" if parse_duration(value).months else ""
    without_unit = re.fullmatch(r"[Pp]?(\d+)", value.strip())
    return f"write P{without_unit[1]}D, for days" if without_unit else ""


def _exact(text: str) -> str:
    """The duration with its years and months in days."""
    duration = parse_duration(text)
    years, months = divmod(duration.months, 12)
    return f"P{years * 365 + months * 30 + duration.exact.days}D" if duration.months else text


def _uuid(document: Any, place: str, value: Any) -> str:
    if not isinstance(value, str) or re.search(r"\.(requirements|penalties)\[", place):
        return ""
    digits = re.sub(r"[^0-9a-fA-F]", "", value)
    if len(digits) == _UUID_DIGITS and len(value) == _UUID_DIGITS:
        parts = (value[:8], value[8:12], value[12:16], value[16:20], value[20:])
        return f"write {'-'.join(parts)}"
    if re.fullmatch(r"[0-9a-fA-F-]{25,45}", value):
        return f"it has {len(digits)} hexadecimal digits, not {_UUID_DIGITS}: copy it once more"
    return "the issuer shows it on the page, or in the address, of what it names"


def _organization(document: Any, place: str, value: Any) -> str:
    ids = _texts(document.get("organizations") if isinstance(document, dict) else None, "id")
    near = _meant(str(value), ids)
    return near or (f"write {ids[0]}" if len(ids) == 1 else "") or _uuid(document, place, value)


def _group(document: Any, place: str, value: Any) -> str:
    """For a fault of a group: its form, or the groups that the template's requirements name."""
    if isinstance(value, int) and not place.endswith(".at_least"):
        return f"write {{at_least: {value}}}"
    template = value_at(document, place.partition(".")[0]) or {}
    used = sorted(set(_texts(template.get("requirements"), "group")))
    name = place.partition(".groups.")[2].removesuffix(".at_least")
    others = [group for group in used if group != name]
    return _meant(name, others) or (f"the requirements name {', '.join(others)}" if others else "")


def _requirement_id(document: Any, place: str, value: Any) -> str:
    template = value_at(document, place.partition(".")[0]) or {}
    ids = _texts(template.get("requirements"), "id")
    return _meant(str(value), ids) or (f"there are {', '.join(ids)}" if ids else "")


def _texts(members: Any, key: str) -> list[str]:
    """What the members of a list have under the key, where that is a text."""
    if not isinstance(members, list):
        return []
    found = (member.get(key) for member in members if isinstance(member, dict))
    return [text for text in found if isinstance(text, str)]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _provider(document: Any, place: str, value: Any) -> str:
    return _meant(str(value), ORGANIZATIONS)


def _part(document: Any, place: str, value: Any) -> str:
    return _meant(str(value), get_args(Part))


def _repeats(document: Any, place: str, value: Any) -> str:
    return _meant(str(value), get_args(Repeats))


_BY_KEY: Mapping[str, Callable[[Any, str, Any], str]] = {
    "event_type": _event_type,
    "event_types": _event_type,
    "path": _path,
    "distinct": _path,
    "operator": _operator,
    "value": _value,
    "since": _time,
    "until": _time,
    "within": _duration,
    "no_later_than": _duration,
    "expires_after": _duration,
    "id": _uuid,
    "organization": _organization,
    "provider": _provider,
    "part": _part,
    "repeats": _repeats,
    "after": _requirement_id,
    "resets": _requirement_id,
    "withdraws": _requirement_id,
}

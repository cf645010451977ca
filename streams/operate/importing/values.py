"""A data rule of the credentials service as one of a catalog.

There a rule compares texts: what Python's `str` makes of the value at the path, `None` where there is none,
and the rule's value, of which yes, true and + mean `True`, no, false and - mean `False`. Here a rule compares
with a value of the field's type.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from streams.catalog.fields import Field, field, is_optional

_TRUE, _FALSE = ("True", "true", "Yes", "yes", "+"), ("False", "false", "No", "no", "-")
_NONE = "None"
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d)?")
"""How Python writes a time; on the bus there is a T in the middle."""

Sides = Literal["always", "never"]


@dataclass(frozen=True, slots=True)
class Converted:
    """A rule of a catalog; or what one of there comes to, that can `always` or `never` hold. `note`: why."""

    rule: dict[str, Any] | Sides
    note: str = ""


def converted(event_type: str, path: str, operator: str, text: str) -> Converted:
    """The rule that means here what the one of there means."""
    if operator not in ("eq", "ne"):
        return Converted("never", f"{path}: the operator {operator!r} holds there for nothing")
    text, said = _worded(text), text
    found = field(event_type, path) if _is_path(path) else f"{path!r} is no path"
    if isinstance(found, str):
        return _one_sided(text == _NONE, operator, f"{path}: the event has {found}")
    if text == _NONE and ("string" not in found.kinds or is_optional(event_type, path)):
        return Converted({"path": path, "operator": "exists", "value": operator == "ne"})
    value = _value(text, found)
    if value is None:
        return _one_sided(False, operator, f"{path}: {said!r} is never the text of {found.one}")
    note = ""
    if text != said and value == text:
        note = f"{path}: {said!r} is compared there as {text!r}"
    elif value != text and isinstance(value, str):
        note = f"{path}: the time {said!r} is written {value!r} here"
    if operator == "ne" and is_optional(event_type, path):
        note = f"{note}; " * bool(note) + f"{path}: where it is missing, ne holds there, and does not here"
    return Converted({"path": path, "operator": operator, "value": value}, note)


def _one_sided(equal: bool, operator: str, why: str) -> Converted:
    holds = equal == (operator == "eq")
    return Converted(
        "always" if holds else "never", f"{why}: the rule holds there {'always' if holds else 'never'}"
    )


def _is_path(path: str) -> bool:
    return bool(path) and all(path.split("."))


def _worded(text: str) -> str:
    if text in _TRUE:
        return "True"
    return "False" if text in _FALSE else text


def _value(text: str, found: Field) -> str | bool | int | float | None:
    """The value whose text this is, if the field can have it."""
    for value in _readings(text, found):
        if found.can_be(value):
            return value
    return None


def _readings(text: str, found: Field) -> list[str | bool | int | float]:
    readings: list[str | bool | int | float] = []
    if "boolean" in found.kinds and text in ("True", "False"):
        readings.append(text == "True")
    if "whole" in found.kinds and re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text):
        readings.append(int(text))
    if "number" in found.kinds and _is_text_of_a_float(text):
        readings.append(float(text))
    if "string" in found.kinds:
        readings.append(text.replace(" ", "T") if _TIME.fullmatch(text) else text)
    return readings


def _is_text_of_a_float(text: str) -> bool:
    try:
        return str(float(text)) == text
    except ValueError:
        return False

"""From a catalog's text to what the core judges by, or to a list of faults."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from streams.badges import Catalog
from streams.catalog import checks, reading
from streams.catalog.compiling import compiled
from streams.catalog.document import (
    ORGANIZATIONS,
    Declaration,
    Organization,
    TemplateDeclaration,
)
from streams.catalog.document_types import UUID_PATTERN
from streams.errors import CatalogError

_SAID = {
    "bool_type": "must be true or false",
    "extra_forbidden": "unknown key",
    "int_type": "must be a whole number",
    "missing": "required",
    "model_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "string_type": "must be a string",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "union_tag_invalid": f"must be one of {', '.join(ORGANIZATIONS)}",
}
_UUID = "must be a UUID: 8, 4, 4, 4 and 12 hexadecimal digits, joined by dashes"


@dataclass(frozen=True, slots=True)
class CatalogDocument:
    """An accepted catalog: what it declares, by id, and compiled. `revision` is a hash of the content."""

    organizations: Mapping[str, Organization]
    templates: Mapping[str, TemplateDeclaration]
    compiled: Catalog
    revision: str


def load_catalog(text: str | bytes) -> CatalogDocument:
    """The catalog in a YAML or JSON text; raises `CatalogError` with every fault."""
    return take_catalog(reading.read(text))


def take_catalog(document: Any) -> CatalogDocument:
    """The catalog in a value that has been read; raises `CatalogError` with every fault."""
    try:
        declaration = _declared(document)
        catalog = compiled(declaration)
    except RecursionError:
        raise CatalogError(["catalog: nested too deeply"]) from None
    return CatalogDocument(
        {organization.id: organization for organization in declaration.organizations},
        {template.id: template for template in declaration.templates},
        catalog,
        sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16],
    )


def _declared(document: Any) -> Declaration:
    if not isinstance(document, dict):
        raise CatalogError(["catalog: must be a mapping with version, organizations, templates"])
    faults = [f"{place}: is given more than once" for place in reading.doubled_keys(document)]
    faults += checks.faults(document)
    try:
        declaration = Declaration.model_validate(document)
    except ValidationError as error:
        faults += _said(error)
    if faults:
        raise CatalogError([_printable(fault) for fault in sorted(dict.fromkeys(faults), key=_by_place)])
    return declaration


def _said(error: ValidationError) -> Iterator[str]:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    deeper = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    for detail in details:
        if detail["type"] == "too_short" and detail["loc"] in deeper:
            continue  # It has members: pydantic counts only those without a fault.
        place = ""
        for key in _without_provider(detail["loc"]):
            place = reading.inside(place, key)
        if detail["type"] == "union_tag_invalid":
            place = reading.inside(place, "provider")
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "string_pattern_mismatch":
            message = _UUID if UUID_PATTERN in message else "must be names joined by dots"
        yield f"{place or 'catalog'}: {_SAID.get(detail['type'], message)}"


def _without_provider(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where a fault is in the document: pydantic names an organization's kind beside its number."""
    return (*loc[:2], *loc[3:]) if loc[:1] == ("organizations",) else loc


def _by_place(fault: str) -> list[tuple[bool, int, str]]:
    """A key that sorts places as people read them: `[10]` after `[9]`."""
    place = fault.partition(": ")[0]
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"[.\[\]]+", place)
    ]


def _printable(fault: str) -> str:
    """The fault on one line, whatever characters the keys and ids that it quotes contain."""
    if fault.isprintable():
        return fault
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in fault)

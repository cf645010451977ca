"""What is wrong with a catalog, for its author: with what to write, the line and the template's name."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from streams.catalog import reading
from streams.catalog.lines import QUOTED, Lines
from streams.catalog.loading import CatalogDocument, load_catalog
from streams.errors import CatalogError

if TYPE_CHECKING:
    from streams.catalog.advice import Advice


def load_worded(text: str | bytes) -> CatalogDocument:
    """As `load_catalog`, with each fault worded."""
    try:
        return load_catalog(text)
    except CatalogError as error:
        raise CatalogError(list(_worded(text, error.faults))) from None


def worded_advice(text: str | bytes, found: "Iterable[Advice]") -> Iterator[str]:
    """A line for each advice about a catalog that was accepted."""
    found = list(found)
    lines = Lines(text, None) if found else None
    for one in found:
        assert lines is not None
        where = lines.where(one.place)
        yield f"{one.place} ({one.template}): {one.said}{f' ({where})' if where else ''}"


def _worded(text: str | bytes, faults: Iterable[str]) -> Iterator[str]:
    try:
        document = reading.read(text)
    except CatalogError:
        yield from (_of_syntax(text, fault) for fault in faults)
        return
    from streams.catalog.hints import hint  # dear, and most catalogs have no fault

    lines = Lines(text, document)
    for fault in faults:
        place, _, message = fault.partition(": ")
        meant = _of_document(document) if place == "catalog" else hint(document, place, message)
        where = lines.where(place)
        yield f"{fault}{'; ' if meant else ''}{meant}{f' ({where})' if where else ''}"


def _of_document(document: object) -> str:
    if document is None:
        return "the file is empty"
    return "begin with version: 1, then organizations: and templates:"


def _of_syntax(text: str | bytes, fault: str) -> str:
    """A fault that keeps the text from being read, with the line that it names."""
    found = re.match(r"catalog: line (\d+), column \d+: (.*)", fault)
    if found is None:
        return fault
    lines = (text.decode("utf-8-sig", "replace") if isinstance(text, bytes) else text).splitlines()
    number = int(found[1])
    line = lines[number - 1] if number <= len(lines) else ""
    meant = _syntax(found[2], line)
    shown = f" ({line.strip()[:QUOTED]})" if line.strip() else ""
    return f"{fault}{'; ' if meant else ''}{meant}{shown}"


def _syntax(problem: str, line: str) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with blanks: YAML takes no tabs"
    if line.count(": ") > 1 and "mapping values" in problem:
        return "put a text that has a colon in it in quotes"
    if line.count("'") > 2 or line.count('"') > 2:
        return "put a text that has a quote in it in quotes of the other kind"
    if line.lstrip().startswith("- ") and ("expected key" in problem or "'-' indicator" in problem):
        return "the dash must be right below the others of its list"
    return next((said for part, said in _SYNTAX.items() if part in problem), "")


_SYNTAX = {
    "mapping values": "the line begins too far to the right, or the one before it lacks its colon",
    "'-' indicator": "the line must begin right below the others of its list, or of its mapping",
    "expected key": "the line must begin right below the other keys of its mapping",
    "block end": "the line must begin right below the others of its list, or of its mapping",
    "',' or '}'": "in this line or before it a { is not closed, or a comma is missing",
    "',' or ']'": "in this line or before it a [ is not closed, or a comma is missing",
    "expected ':'": "the line before it lacks its colon, or the blank after that",
    "entries are not allowed": "put the text in quotes",
    "quoted scalar": "a quote is not closed",
    "end of stream": "a quote is not closed",
    "cannot start any token": "put the text in quotes",
    "a second document": "leave out the line ---",
    "names nothing before it": "put a text that begins with * in quotes",
}
"""By what YAML's reader says: what it comes to."""

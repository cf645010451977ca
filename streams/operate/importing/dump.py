"""A file of Django's `dumpdata`, object by object: it may be larger than memory."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

from streams.errors import ConfigurationError
from streams.operate.importing.tables import RESETS, Table

CHUNK = 256 * 1024
"""Characters read at once: a thousand objects, and little memory."""
LONGEST = 4 * 1024 * 1024
"""Characters of one object, beyond which the file is none of Django's: a description is some kilobytes."""

Row = tuple[Any, ...]


def rows(file: IO[str], tables: Collection[Table]) -> Iterator[tuple[Table, Row]]:
    """Each row of the dump that is one of `tables`, with only the columns named there.

    Raises `ConfigurationError` for what is no dump, or half of one.
    """
    by_model = {table.model: table for table in tables if table is not RESETS}
    for object in objects(file):
        model, fields = object.get("model"), object.get("fields")
        if not isinstance(model, str) or not isinstance(fields, dict):
            raise ConfigurationError(
                "the dump has an object without model and fields: is it one of dumpdata?"
            )
        if (table := by_model.get(model)) is not None:
            yield table, tuple(_column(table, column, object, fields) for column in table.columns)
        if model == RESETS.model and RESETS in tables:
            named = fields.get("requirements")
            for requirement in named if isinstance(named, list) else ():
                yield RESETS, (object.get("pk"), requirement)


def objects(file: IO[str]) -> Iterator[dict[str, Any]]:
    """The objects of a JSON array, or of JSON lines, one at a time."""
    decode = json.JSONDecoder().raw_decode
    text = _read(file).lstrip(_BLANK)
    in_array = text.startswith("[")
    at = 1 if in_array else 0
    while True:
        at = _begin(text, at)
        if at == len(text):
            text, at = _read(file), 0
            if not text:
                break
        elif text[at] == "]" and in_array:
            if (text[at + 1 :] + _read(file)).strip():
                raise ConfigurationError("the dump goes on after its end")
            return
        elif text[at] != "{":
            raise ConfigurationError("the dump is no list of JSON objects: it is none of dumpdata")
        else:
            try:
                found, at = decode(text, at)
            except json.JSONDecodeError as error:
                text, at = _longer(file, text[at:], error), 0
            except RecursionError:
                raise ConfigurationError("the dump is nested too deeply") from None
            else:
                yield found
    if in_array:
        raise ConfigurationError("the dump ends early: it is not whole")


_BLANK = "\ufeff \t\r\n"
_BETWEEN = re.compile(r"[\s,]*")


def _begin(text: str, at: int) -> int:
    """Where the next object begins."""
    between = _BETWEEN.match(text, at)
    assert between is not None
    return between.end()


def _longer(file: IO[str], text: str, error: json.JSONDecodeError) -> str:
    """The text with what follows, where an object may only not have ended yet."""
    more = _read(file) if len(text) < LONGEST else ""
    if not more:
        raise ConfigurationError(f"the dump has an object that is not whole, or no JSON: {error.msg}")
    return text + more


def _read(file: IO[str]) -> str:
    try:
        return file.read(CHUNK)
    except UnicodeDecodeError:
        raise ConfigurationError("the dump is not UTF-8") from None


def _column(table: Table, column: str, object: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """A column's value: a dump names a foreign key without its `_id`."""
    if column == table.key and column not in fields:
        return object.get("pk")
    if column in fields:
        return fields[column]
    found = fields.get(column.removesuffix("_id"))
    if isinstance(found, list):
        raise ConfigurationError(f"{table.model}: {column} is a natural key; make the dump without --natural")
    return found

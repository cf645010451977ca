"""A copy of what is imported, in a database of SQLite that is on disk, private, and gone with the command.

One dialect then answers all questions and sorts what is larger than memory, and the credentials service's
database is asked for its rows once.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from streams.errors import ConfigurationError
from streams.operate.importing.sources import Access, rows
from streams.operate.importing.tables import NULLABLE, Table, is_number

AT_ONCE = 1_000
"""Rows that are written at once: more would cost memory and save nothing."""

Row = tuple[Any, ...]


@contextmanager
def copied(source: str, access: Access, tables: Collection[Table]) -> Iterator[sqlite3.Connection]:
    """The rows of these tables, copied; a table that the source lacks is empty.

    Raises `ConfigurationError` for a source that is none, or from which what belongs together is missing.
    """
    # A database without a name is a file that nobody else can open, deleted when it is closed.
    with closing(sqlite3.connect("")) as copy:
        for table in tables:
            copy.execute(f"CREATE TABLE {table.name} ({', '.join(table.columns)})")
        found = _fill(copy, rows(source, access, tables))
        _check(found, tables)
        for table in tables:
            copy.execute(f"CREATE INDEX by_key_{table.name} ON {table.name} ({table.columns[0]})")
        yield copy


def _fill(copy: sqlite3.Connection, found: Iterator[tuple[Table, Row]]) -> Counter[str]:
    count: Counter[str] = Counter()
    while some := list(islice(found, AT_ONCE)):
        for table, row in some:
            count[table.name] += 1
            marks = ", ".join("?" * len(row))
            try:
                copy.execute(f"INSERT INTO {table.name} VALUES ({marks})", _plain(table, row))  # noqa: S608
            except (sqlite3.Error, ValueError, OverflowError):
                raise ConfigurationError(f"SOURCE: {table.model} has a value of a wrong kind") from None
    return count


def _plain(table: Table, row: Row) -> Row:
    """The row as SQLite keeps it; raises `ValueError` for a value that the column does not have at Django."""
    plain = tuple(str(v) if isinstance(v, datetime | UUID) else v for v in row)
    for column, value in zip(table.columns, plain, strict=True):
        kind = int if is_number(column) else str
        if not isinstance(value, kind) and not (value is None and column in NULLABLE):
            raise ValueError(column)
    return plain


def _check(found: Counter[str], tables: Collection[Table]) -> None:
    """Refuse a source in which one of two tables that belong together is empty: it is half of a dump."""
    names = {table.name: table for table in tables}
    if not found["badges_badgetemplate"]:
        raise ConfigurationError("SOURCE: has no badge template (badges.badgetemplate)")
    for one, other in (
        ("badges_credlybadge", "credentials_usercredential"),
        ("badges_accrediblebadge", "credentials_usercredential"),
        ("badges_fulfillment", "badges_badgeprogress"),
    ):
        if other in names and found[one] and not found[other]:
            raise ConfigurationError(
                f"SOURCE: has {names[one].model} but no {names[other].model}: the dump is not whole"
            )

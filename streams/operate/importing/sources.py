"""Where the credentials service's data is: its database, or a file of `dumpdata`."""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from streams.errors import ConfigurationError, FatalError
from streams.operate.importing import dump
from streams.operate.importing.tables import Table
from streams.settings import tls

SQLITE, MYSQL = "sqlite:///", "mysql://"
MYSQL_PORT = 3306
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """What a database server asks for, and is not said on a command line."""

    password: bytes = field(default=b"", repr=False)
    ca_file: Path | None = None


def rows(source: str, access: Access, tables: Collection[Table]) -> Iterator[tuple[Table, Row]]:
    """The rows of these tables, each with its columns alone.

    Raises `ConfigurationError` where the source is none, or lacks a table; `FatalError` where a server fails.
    """
    if source.startswith(SQLITE):
        yield from _of_sqlite(_file(source.removeprefix(SQLITE)), tables)
    elif source.startswith(MYSQL):
        yield from _of_mysql(source, access, tables)
    elif "://" in source:
        raise ConfigurationError(
            f"SOURCE: {source.partition('://')[0]}://: give mysql://, sqlite:/// or a dump's file"
        )
    else:
        with _opened(Path(source)) as file:
            yield from dump.rows(file, tables)


def _opened(path: Path) -> Any:
    try:
        return path.open(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"SOURCE: {path}: {error.strerror}") from None


def _file(path: str) -> Path:
    """The file of a URL, from where the command runs; from the root where there is none."""
    given = Path(path)
    found = given if given.is_file() else Path("/", given)
    if not found.is_file():
        raise ConfigurationError(f"SOURCE: there is no file {given}")
    return found


def _of_sqlite(path: Path, tables: Collection[Table]) -> Iterator[tuple[Table, Row]]:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            # One name that is not UTF-8 keeps nobody else's badges from being taken along.
            database.text_factory = partial(str, encoding="utf-8", errors="replace")
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            for table in _there(tables, there):
                for row in database.execute(_select(table, there)):
                    yield table, row
    except sqlite3.Error as error:
        raise ConfigurationError(f"SOURCE: {path} cannot be read: {error}") from None


def _of_mysql(source: str, access: Access, tables: Collection[Table]) -> Iterator[tuple[Table, Row]]:
    try:
        import pymysql  # an extra, and dear
        from pymysql.cursors import SSCursor  # one that reads on and on, where others read all at once
    except ImportError:
        raise ConfigurationError(
            "SOURCE: mysql:// needs PyMySQL: pip install 'badge-streams[import]'"
        ) from None
    where = _server(source)
    verified: Any = {"ssl": tls(access.ca_file, "--ca-file")} if access.ca_file else {}
    try:
        with pymysql.connect(
            **where, password=access.password, charset="utf8mb4", cursorclass=SSCursor, **verified
        ) as connection:
            with connection.cursor() as cursor:
                # All tables as of one moment, and nothing written.
                cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
                cursor.execute("SHOW TABLES")
                there = {name for (name,) in cursor.fetchall()}
            for table in _there(tables, there):
                with connection.cursor() as cursor:
                    cursor.execute(_select(table, there))
                    while some := cursor.fetchmany(FETCHED):
                        yield from ((table, row) for row in some)
    except (pymysql.Error, OSError, RuntimeError, UnicodeDecodeError) as error:
        what = error.args[-1] if error.args else type(error).__name__
        raise FatalError(f"{where['host']}:{where['port']}/{where['database']}: {what}") from None


FETCHED = 1_000
"""Rows asked for at once: the cost of asking is then small."""


def _server(source: str) -> dict[str, Any]:
    try:
        parts = urlsplit(source)
        port = parts.port or MYSQL_PORT
    except ValueError as error:
        raise ConfigurationError(f"SOURCE: no address: {error}") from None
    if parts.password is not None:
        raise ConfigurationError(
            "SOURCE: no password there, where others see it: --password-file or the variable MYSQL_PWD"
        )
    database = unquote(parts.path.strip("/"))
    if not parts.hostname or not parts.username or not database:
        raise ConfigurationError("SOURCE: give mysql://USER@HOST/DATABASE")
    return {"host": parts.hostname, "port": port, "user": unquote(parts.username), "database": database}


def _there(tables: Collection[Table], there: Collection[str]) -> Iterator[Table]:
    """The tables that are read; raises `ConfigurationError` where one is missing."""
    missing = [table.name for table in tables if table.name not in there and not table.optional]
    if missing:
        raise ConfigurationError(
            f"SOURCE: has no table {', '.join(missing)}: is it the credentials service's, of Sumac or later?"
        )
    return (table for table in tables if table.name in there)


def _select(table: Table, there: Collection[str]) -> str:
    # Names of ours alone are in it.
    parts = [
        f"{table.key} IN (SELECT usercredential_ptr_id FROM {part})"  # noqa: S608
        for part in table.parts_of
        if part in there
    ]
    where = f" WHERE {' OR '.join(parts)}" if parts else ""
    return f"SELECT {', '.join(table.columns)} FROM {table.name}{where}"  # noqa: S608

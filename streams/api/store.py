"""The store: both changelogs' rows, catalogs and credentials in one SQLite file, and how far it has read.

Rows are kept as the topics have them and are read when somebody asks (decision 0078). What finds them, and
counts, is in small tables beside them.
"""

import fcntl
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path

from streams.api.rows import Entry, IssuanceRow, ProgressRow, RowError, progress_row
from streams.catalog.in_force import Revision
from streams.errors import ConfigurationError
from streams.kafka.consents import Consent

log = logging.getLogger(__name__)

VERSION = 3
"""Of these tables: a file with others is made again, which is cheaper than to convert it."""
CACHE_KIB = 24 * 1024
"""For each connection. The indexes of a million learners are about 40 MB, of which most lies idle."""
BUSY_MS = 5_000
"""How long a connection waits for another to let go: the writer's longest batch takes a second."""

_TABLES = """
CREATE TABLE IF NOT EXISTS known (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (topic TEXT, partition INTEGER, next INTEGER NOT NULL,
  last INTEGER NOT NULL, timestamp INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (offset INTEGER PRIMARY KEY, name TEXT NOT NULL,
  timestamp INTEGER NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS progress (learner INTEGER NOT NULL UNIQUE, row BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS names (name INTEGER, learner INTEGER, PRIMARY KEY (name, learner)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS templates (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS patterns (number INTEGER PRIMARY KEY, fulfilled TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS entries (template INTEGER, badge INTEGER, learner INTEGER,
  pattern INTEGER NOT NULL, PRIMARY KEY (template, badge, learner)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (template INTEGER, badge INTEGER, pattern INTEGER,
  learners INTEGER NOT NULL, PRIMARY KEY (template, badge, pattern)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS issuances (badge BLOB NOT NULL UNIQUE, learner INTEGER NOT NULL,
  template INTEGER NOT NULL, stage INTEGER NOT NULL, row BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS published (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consents (badge BLOB PRIMARY KEY, learner INTEGER NOT NULL, template TEXT NOT NULL,
  link TEXT NOT NULL UNIQUE, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS consents_learner ON consents (learner);
CREATE INDEX IF NOT EXISTS issuances_learner ON issuances (learner);
CREATE INDEX IF NOT EXISTS issuances_open ON issuances (stage, template) WHERE stage > 0;
"""
# A learner's id is no rowid: rows come in no order of it, and to put each into its place among 600 MB would
# write a page for each. So they are appended, and only an index of 15 MB is written all over.

_NUMBERED = {
    "templates": (
        "INSERT OR IGNORE INTO templates (id) VALUES (?)",
        "SELECT number FROM templates WHERE id = ?",
    ),
    "patterns": (
        "INSERT OR IGNORE INTO patterns (fulfilled) VALUES (?)",
        "SELECT number FROM patterns WHERE fulfilled = ?",
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """How far a partition was read: the next offset, and the last record with its time."""

    next: int
    last: int
    timestamp: int


@dataclass(slots=True)
class Batch:
    """What some records come to: of each key the last, None where it was deleted."""

    progress: dict[int, ProgressRow | None] = field(default_factory=dict)
    issuances: dict[bytes, IssuanceRow | None] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    published: dict[str, bytes | None] = field(default_factory=dict)
    consents: dict[bytes, Consent | None] = field(default_factory=dict)
    places: dict[tuple[str, int], Place] = field(default_factory=dict)


class Store:
    """The file at `path`, written by one thread at a time. It is made again where it is of another `origin`.

    `origin` names where the rows come from: another cluster or other topics make other rows.
    """

    def __init__(self, path: Path, origin: str) -> None:
        self.path = path
        self._origin = origin
        self._lock = _Lock(Path(f"{path}.lock"))
        self._db = self._opened()
        # Who follows is cancelled while a thread writes, and then closes the file.
        self._writing = threading.Lock()
        self._numbers: dict[tuple[str, str], int] = {}

    @property
    def places(self) -> Mapping[tuple[str, int], Place]:
        """How far each partition was read."""
        rows = self._db.execute("SELECT topic, partition, next, last, timestamp FROM places")
        return {(topic, partition): Place(*place) for topic, partition, *place in rows}

    @property
    def read_up_at(self) -> float | None:
        """When all that was committed had been read (Unix time); None if that never was."""
        row = self._db.execute("SELECT value FROM known WHERE name = 'read_up_at'").fetchone()
        return None if row is None else float(row[0])

    def read_up(self, at: float) -> None:
        """All that was committed at that time has been read."""
        with self._writing:
            self._know("read_up_at", repr(at))

    def apply(self, batch: Batch) -> None:
        """Take a batch over, with its places, whole or not at all.

        What a deleted row held is overwritten in the file before this returns.
        """
        with self._writing:
            self._apply(batch)

    def _apply(self, batch: Batch) -> None:
        with self._transaction():
            forgets = [self._put_progress(learner, row) for learner, row in batch.progress.items()]
            gone = [self._put_issuance(badge, row) for badge, row in sorted(batch.issuances.items())]
            gone += [self._put_published(*one) for one in sorted(batch.published.items())]
            gone += [self._put_consent(*one) for one in batch.consents.items()]
            self._db.executemany(
                "INSERT OR REPLACE INTO revisions VALUES (?, ?, ?, ?)",
                [(r.offset, r.name, r.timestamp_ms, r.value) for r in batch.revisions],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)",
                [(*at, place.next, place.last, place.timestamp) for at, place in batch.places.items()],
            )
        if any(forgets) or any(gone):
            # Pages that were freed are overwritten in the log only; this brings them into the file.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def belongs_to(self, cluster: str) -> bool:
        """Whether the rows are of this cluster, as all are from now on where there are none."""
        row = self._db.execute("SELECT value FROM known WHERE name = 'cluster'").fetchone()
        if row is None:
            self._know("cluster", cluster)
        return row is None or row == (cluster,)

    def clear(self) -> None:
        """Begin again with nothing; in the same file, which others read."""
        with self._writing:
            self._clear()

    def _clear(self) -> None:
        self._numbers.clear()
        with self._transaction():  # whole: who asks meanwhile finds the tables, full or empty
            for (name,) in self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                self._db.execute(f"DROP TABLE {name}")
            self._make(self._db)
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file once nothing is being written, and leave it to others."""
        with self._writing:
            self._db.close()
            self._lock.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            if why := self._foreign():
                log.warning("the store %s is made again: %s", self.path, why)
                _remove(self.path)
            # It has personal data; the files beside it get the mode that it has.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            db = connected(self.path)
            db.execute("PRAGMA secure_delete = ON").fetchall()
            self._make(db)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"BADGES_API_STORE: {self.path}: {error}") from None
        return db

    def _make(self, db: sqlite3.Connection) -> None:
        # Not `executescript`, which would end a transaction.
        for statement in filter(str.strip, _TABLES.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("INSERT OR REPLACE INTO known VALUES ('origin', ?)", [self._origin])

    def _foreign(self) -> str:
        """Why the file is none of ours; empty where it is, or is not there yet."""
        if not self.path.exists():
            return ""
        try:
            with closing(connected(self.path)) as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if not version:
                    return ""
                if version != VERSION:
                    return f"it is of version {version}"
                origin = db.execute("SELECT value FROM known WHERE name = 'origin'").fetchone()
                return "" if origin == (self._origin,) else "it is of other topics"
        except sqlite3.OperationalError:
            raise  # it cannot be used now, which says nothing of what is in it
        except sqlite3.DatabaseError as error:
            return str(error)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._numbers.clear()  # some may have been drawn in this transaction
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _know(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO known VALUES (?, ?)", [name, value])

    def _put_progress(self, learner: int, row: ProgressRow | None) -> bool:
        """Take a learner's row over; True where the learner's data is gone by it."""
        former = self._db.execute("SELECT row FROM progress WHERE learner = ?", [learner]).fetchone()
        known = _known(former)
        before, after = known.entries, row.entries if row is not None else {}
        if row is None:
            self._db.execute("DELETE FROM progress WHERE learner = ?", [learner])
        elif former is None:
            self._db.execute("INSERT INTO progress VALUES (?, ?)", [learner, row.raw])
        else:
            self._db.execute("UPDATE progress SET row = ? WHERE learner = ?", [row.raw, learner])
        self._move(learner, before, after)
        self._name(learner, known.names, row.names if row is not None else frozenset())
        return former is not None and not after and (row is None or len(row.raw) < len(former[0]))

    def _move(self, learner: int, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
        for template, entry in before.items():
            if after.get(template) != entry:
                at = self._number("templates", template), entry.badge
                self._db.execute(
                    "DELETE FROM entries WHERE template = ? AND badge = ? AND learner = ?", [*at, learner]
                )
                self._count(*at, self._pattern(entry), -1)
        for template, entry in after.items():
            if before.get(template) != entry:
                at, pattern = (self._number("templates", template), entry.badge), self._pattern(entry)
                self._db.execute(
                    "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", [*at, learner, pattern]
                )
                self._count(*at, pattern, 1)

    def _name(self, learner: int, before: frozenset[int], after: frozenset[int]) -> None:
        for name in before - after:
            self._db.execute("DELETE FROM names WHERE name = ? AND learner = ?", [name, learner])
        for name in after - before:
            self._db.execute("INSERT OR REPLACE INTO names VALUES (?, ?)", [name, learner])

    def _count(self, template: int, badge: int, pattern: int, more: int) -> None:
        self._db.execute(
            "INSERT INTO counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET learners = learners + ?",
            [template, badge, pattern, more, more],
        )

    def _put_issuance(self, badge: bytes, row: IssuanceRow | None) -> bool:
        """Take a badge's row over; True where it was there and is gone."""
        if row is None:
            return bool(self._db.execute("DELETE FROM issuances WHERE badge = ?", [badge]).rowcount)
        self._db.execute(
            "INSERT INTO issuances VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (badge) DO UPDATE"
            " SET learner = ?2, template = ?3, stage = ?4, row = ?5",
            [badge, row.learner, self._number("templates", row.template), row.stage, row.raw],
        )
        return False

    def _put_published(self, key: str, value: bytes | None) -> bool:
        """Take over what an issuer has published; True where it was there and is gone."""
        if value is None:
            return bool(self._db.execute("DELETE FROM published WHERE key = ?", [key]).rowcount)
        self._db.execute("INSERT OR REPLACE INTO published VALUES (?, ?)", [key, value])
        return False

    def _put_consent(self, badge: bytes, consent: Consent | None) -> bool:
        """Take a learner's consent over; True where it was there and is gone."""
        if consent is None:
            return bool(self._db.execute("DELETE FROM consents WHERE badge = ?", [badge]).rowcount)
        self._db.execute("INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?, ?)", [badge, *astuple(consent)])
        return False

    def _pattern(self, entry: Entry) -> int:
        return self._number("patterns", json.dumps(entry.fulfilled))

    def _number(self, table: str, text: str) -> int:
        """The number under which the tables know a template, or a set of requirements."""
        number = self._numbers.get((table, text))
        if number is None:
            insert, select = _NUMBERED[table]
            self._db.execute(insert, [text])
            (number,) = self._db.execute(select, [text]).fetchone()
            self._numbers[table, text] = number
        return int(number)


class _Lock:
    """Keeps other workers from a file; raises `ConfigurationError` where another has it."""

    def __init__(self, path: Path) -> None:
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            why = "another worker has it" if isinstance(error, BlockingIOError) else error.strerror
            raise ConfigurationError(f"BADGES_API_STORE: {path.with_suffix('')}: {why}") from None

    def close(self) -> None:
        """Let others have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def connected(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to the file, which any thread may use, one at a time."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    db.execute(f"PRAGMA busy_timeout = {BUSY_MS}").fetchall()
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if not read_only:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        # A power failure may lose the last transactions, whole: they are read again from Kafka.
        db.execute("PRAGMA synchronous = NORMAL")
    return db


def _known(former: Sequence[bytes] | None) -> ProgressRow:
    try:
        return ProgressRow(b"", {}) if former is None else progress_row(former[0])
    except RowError:  # never: only what can be read is stored
        return ProgressRow(b"", {})


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)

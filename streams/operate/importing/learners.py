"""What the credentials service knows of each learner, by LMS user id, and of whom nobody knows the id.

The service keeps it by the user's name, of which `core_user` knows the LMS's id, or a file of the operator's.
"""

import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import IO

from streams.errors import ConfigurationError

RETIRED = "retired__user_"
"""How an LMS begins the name of a learner who has been retired, unless its settings say otherwise."""
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Badge:
    """A row of a badge: what the service says of it, and what the issuer answered last.

    `external` is the issuer's id of it: a UUID of Credly's, a number of Accredible's.
    """

    status: str
    state: str
    external: str | int | None
    uuid: str
    created: str
    modified: str


@dataclass(slots=True)
class OfTemplate:
    """What is known of a learner and a template, by the template's UUID as the service writes it."""

    fulfilled: list[int | None] = field(default_factory=list)
    badges: list[Badge] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Learner:
    """A learner, with what the service knows of their name, by template."""

    id: int
    username: str
    email: str
    name: str
    templates: dict[str, OfTemplate]


def know(copy: sqlite3.Connection, names: IO[str] | None) -> None:
    """Find out who the users are; what `names` says (a CSV of user name and LMS id) counts, too.

    A user whom both know by different ids is nobody, and so is one who was retired.
    """
    copy.execute("CREATE TABLE given (username TEXT PRIMARY KEY, learner INT) WITHOUT ROWID")
    if names is not None:
        copy.executemany("INSERT OR REPLACE INTO given VALUES (?, ?)", _given(names))
    copy.execute("CREATE TABLE who (username TEXT PRIMARY KEY, learner INT, email, name, why) WITHOUT ROWID")
    copy.execute(_KNOW, {"retired": RETIRED})
    copy.execute("CREATE INDEX by_any_case ON who (username COLLATE NOCASE)")
    copy.execute("CREATE TABLE called (name TEXT PRIMARY KEY, username TEXT) WITHOUT ROWID")
    copy.execute(_CALLED)


def learners(copy: sqlite3.Connection) -> Iterator[Learner]:
    """Each learner of whom something is known, one after the other by id."""
    rows = copy.execute(_ROWS)
    for id, of_learner in groupby(rows, key=itemgetter(0)):
        templates: dict[str, OfTemplate] = {}
        who = ("", "", "")
        for _, *named, template, requirement, uuid, status, state, external, created, modified in of_learner:
            # Of two names of one learner, as after a change of it, the one that is known better.
            who = max(who, (named[1] or "", named[2] or "", named[0]))
            found = templates.setdefault(template, OfTemplate())
            if uuid is None:
                found.fulfilled.append(requirement)
            else:
                found.badges.append(Badge(status, state, external, uuid, created, modified))
        yield Learner(id, who[2], who[0], who[1], templates)


def count(copy: sqlite3.Connection) -> tuple[int, int]:
    """How many fulfilments and badges there are."""
    fulfilled, badges = (
        copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in ("badges_fulfillment", _BADGES)
    )
    return fulfilled, badges


def astray(copy: sqlite3.Connection) -> tuple[int, int]:
    """How many fulfilments and badges belong to nothing that is there: their progress, or their template."""
    tables = (("badges_fulfillment", _FULFILLED), (_BADGES, _ISSUED))
    fulfilled, badges = (
        copy.execute(f"SELECT (SELECT count(*) FROM {all}) - (SELECT count(*) FROM {whole})").fetchone()[0]  # noqa: S608
        for all, whole in tables
    )
    return fulfilled, badges


def strangers(copy: sqlite3.Connection) -> Iterator[tuple[str, str, int, int]]:
    """Why, and which user, with how many fulfilments and badges that are not taken along."""
    yield from copy.execute(_STRANGERS)


_KNOW = """
    INSERT OR IGNORE INTO who
    SELECT u.username, coalesce(g.learner, u.lms_user_id), u.email,
           coalesce(nullif(u.full_name, ''), trim(u.first_name || ' ' || u.last_name)),
           CASE WHEN substr(u.username, 1, length(:retired)) = :retired THEN 'retired at the LMS'
                WHEN g.learner <> u.lms_user_id THEN 'known by two LMS ids'
                WHEN coalesce(g.learner, u.lms_user_id, -1) < 0 THEN 'without an LMS id' END
    FROM core_user u LEFT JOIN given g ON g.username = u.username
    UNION ALL
    SELECT g.username, g.learner, NULL, NULL, NULL
    FROM given g WHERE g.username NOT IN (SELECT username FROM core_user)
"""
_CALLED = """
    INSERT INTO called
    SELECT n.username, coalesce(
        (SELECT w.username FROM who w WHERE w.username = n.username),
        (SELECT min(w.username) FROM who w WHERE w.username = n.username COLLATE NOCASE HAVING count(*) = 1))
    FROM (SELECT username FROM badges_badgeprogress UNION SELECT username FROM credentials_usercredential) n
"""
"""Which user a row means: MySQL takes names in capitals and in small letters for the same."""
_FULFILLED = """
    badges_fulfillment f
    JOIN badges_badgeprogress p ON p.id = f.progress_id
    JOIN badges_badgetemplate t ON t.id = p.template_id
"""
_BADGES = """
    (SELECT usercredential_ptr_id, state, external_uuid AS external FROM badges_credlybadge
     UNION ALL SELECT usercredential_ptr_id, state, external_id FROM badges_accrediblebadge)
"""
_ISSUED = f"""
    {_BADGES} b
    JOIN credentials_usercredential c ON c.id = b.usercredential_ptr_id
    JOIN badges_badgetemplate t ON t.id = c.credential_id
"""
_ROWS = f"""
    SELECT w.learner, w.username, w.email, w.name, t.uuid, f.requirement_id,
           NULL, NULL, NULL, NULL, NULL, NULL
    FROM {_FULFILLED} JOIN called k ON k.name = p.username
    JOIN who w ON w.username = k.username WHERE w.why IS NULL
    UNION ALL
    SELECT w.learner, w.username, w.email, w.name, t.uuid, NULL,
           c.uuid, c.status, b.state, b.external, c.created, c.modified
    FROM {_ISSUED} JOIN called k ON k.name = c.username
    JOIN who w ON w.username = k.username WHERE w.why IS NULL
    ORDER BY 1
"""  # noqa: S608 (made of the texts above)
_STRANGERS = f"""
    SELECT coalesce(w.why, 'unknown: renamed or retired since, or never heard of'), x.username,
           sum(x.fulfilled), sum(x.badges)
    FROM (SELECT p.username, 1 AS fulfilled, 0 AS badges FROM {_FULFILLED}
          UNION ALL SELECT c.username, 0, 1 FROM {_ISSUED}) x
    LEFT JOIN called k ON k.name = x.username
    LEFT JOIN who w ON w.username = k.username
    WHERE w.username IS NULL OR w.why IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608


def _given(file: IO[str]) -> Iterator[tuple[str, int]]:
    """The lines of a CSV: a user name and an LMS id, perhaps after a head."""
    try:
        for number, row in enumerate(csv.reader(file, strict=True), start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) == 2 and _is_id(cells[1]) and cells[0]:
                yield cells[0], int(cells[1])
            elif number > 1:
                raise ConfigurationError(f"--learners: line {number}: give a user name and an LMS id")
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--learners: no CSV in UTF-8: {error}") from None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID)) and int(text) <= LARGEST_ID

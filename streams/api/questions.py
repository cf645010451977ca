"""What is asked of the store, answered by the types of the other rooms."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import orjson

from streams.api.rows import NONE, REVOKED, name_of
from streams.api.store import connected
from streams.badges import Progress
from streams.catalog.in_force import Revision
from streams.kafka.consents import Consent
from streams.relay.issuance import Issuance
from streams.relay.rows import load
from streams.tracker.rows import unpack

ALL = (NONE, REVOKED)
"""The first and the last badge state: those who have begun a template."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many learners have the same badge state of a template and fulfil the same requirements of it."""

    badge: int
    fulfilled: frozenset[str]
    learners: int


class Questions:
    """Reads a store; one thread at a time. An answer is of one moment, two answers may be of two."""

    def __init__(self, path: Path) -> None:
        self._db = connected(path, read_only=True)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def learner(self, learner: int) -> tuple[Progress | None, int | None]:
        """A learner's progress, None where there is none; and when they were forgotten."""
        row = self._db.execute("SELECT row FROM progress WHERE learner = ?", [learner]).fetchone()
        if row is None:
            return None, None
        progress, forgotten = unpack(row[0])
        return (None if progress == Progress.initial() else progress), forgotten

    def named(self, text: str, limit: int) -> list[tuple[int, Progress]]:
        """The learners whose user name or address this is, whatever its case, by id."""
        rows = self._db.execute(
            "SELECT learner, row FROM names JOIN progress USING (learner) WHERE name = ?"
            " ORDER BY learner LIMIT ?",
            [name_of(text), limit],
        )
        return [(learner, unpack(row)[0]) for learner, row in rows]

    def issuances(self, learner: int) -> dict[str, Issuance]:
        """What the relay's table has of a learner, by badge."""
        rows = self._db.execute("SELECT badge, row FROM issuances WHERE learner = ?", [learner])
        return {str(UUID(bytes=badge)): load(orjson.loads(row)) for badge, row in rows}

    def count(self, template: str, badges: tuple[int, int] = ALL) -> int:
        """How many learners have begun a template, with a badge state from the first to the last."""
        first, last = badges
        return sum(one.learners for one in self.counted(template) if first <= one.badge <= last)

    def learners(
        self, template: str, limit: int, offset: int, badges: tuple[int, int] = ALL
    ) -> list[tuple[int, Progress]]:
        """The learners whom `count` counts, by badge state and then by id, with their progress."""
        # The inner query runs over the index alone, however many it skips.
        rows = self._db.execute(
            "SELECT progress.learner, progress.row FROM (SELECT badge, learner FROM entries"
            " WHERE template = (SELECT number FROM templates WHERE id = ?) AND badge BETWEEN ? AND ?"
            " ORDER BY badge, learner LIMIT ? OFFSET ?) AS page JOIN progress USING (learner)"
            " ORDER BY page.badge, page.learner",
            [template, *badges, limit, offset],
        )
        return [(learner, unpack(row)[0]) for learner, row in rows]

    def counted(self, template: str) -> list[Counted]:
        """The learners who have begun a template, counted by badge state and what they fulfil."""
        rows = self._db.execute(
            "SELECT badge, fulfilled, learners FROM counts JOIN patterns ON pattern = patterns.number"
            " WHERE template = (SELECT number FROM templates WHERE id = ?) AND learners > 0",
            [template],
        )
        return [Counted(badge, frozenset(json.loads(fulfilled)), n) for badge, fulfilled, n in rows]

    def stages(self) -> Mapping[str, Mapping[int, int]]:
        """How many badges are waiting or refused at their issuers, by template."""
        found: dict[str, dict[int, int]] = {}
        rows = self._db.execute(
            "SELECT id, stage, count(*) FROM issuances JOIN templates ON template = number"
            " WHERE stage > 0 GROUP BY stage, template"
        )
        for template, stage, count in rows:
            found.setdefault(template, {})[stage] = count
        return found

    def open(self) -> Iterator[Issuance]:
        """The badges that wait for their issuers, or for a person."""
        for (row,) in self._db.execute("SELECT row FROM issuances WHERE stage > 0"):
            yield load(orjson.loads(row))

    def published(self, key: str) -> bytes | None:
        """What an issuer has published under a key; None where there is nothing."""
        row = self._db.execute("SELECT value FROM published WHERE key = ?", [key]).fetchone()
        return None if row is None else bytes(row[0])

    def published_under(self, prefix: str) -> dict[str, bytes]:
        """What is published under all keys that begin so, by the rest of the key."""
        rows = self._db.execute(
            "SELECT key, value FROM published WHERE key >= ?1 AND key < ?1 || char(1114111)", [prefix]
        )
        return {key.removeprefix(prefix): bytes(value) for key, value in rows}

    def consents(self, learner: int) -> dict[str, Consent]:
        """What everybody may see of a learner who has the link, by badge."""
        rows = self._db.execute(
            "SELECT badge, learner, template, link, at FROM consents WHERE learner = ?", [learner]
        )
        return {str(UUID(bytes=badge)): Consent(*consent) for badge, *consent in rows}

    def consent(self, link: str) -> Consent | None:
        """What may be seen under a link; None where there is nothing."""
        row = self._db.execute(
            "SELECT learner, template, link, at FROM consents WHERE link = ?", [link]
        ).fetchone()
        return None if row is None else Consent(*row)

    def totals(self) -> tuple[int, int]:
        """How many learners' progress there is, and how many badges the relay's table has."""
        (learners,) = self._db.execute("SELECT count(*) FROM progress").fetchone()
        (badges,) = self._db.execute("SELECT count(*) FROM issuances").fetchone()
        return int(learners), int(badges)

    def published_catalogs(self) -> int:
        """How many `revisions` there are."""
        (count,) = self._db.execute("SELECT count(*) FROM revisions").fetchone()
        return int(count)

    def revisions(self) -> Iterator[Revision]:
        """Every catalog that was published, newest first."""
        for row in self._db.execute(
            "SELECT name, offset, timestamp, value FROM revisions ORDER BY offset DESC"
        ):
            yield Revision(*row)

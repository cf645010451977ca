"""The console in a world without a broker: who is asked there, and what was ordered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka.structs import ConsumerRecord

from streams.api.console.answering import CONSOLE
from streams.api.console.console import routers
from streams.api.console.operator import Groups
from streams.api.console.workers import Pace, Worker
from streams.api.rows import issuance_row
from streams.api.store import Batch
from streams.badges import Note, badge_id, decision_id
from streams.operate.dead_letters import Filter, Letter
from streams.operate.order import Given
from streams.operate.recent import Recent, Row
from streams.operate.status import Stream
from tests.api.world import APPRENTICE, NOW, World, issued, judged, passed, rows, staff, world

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
LETTER = "3:17"
PATHS = (
    "",
    "templates/",
    f"templates/{APPRENTICE}/",
    f"templates/{APPRENTICE}/?state=open",
    f"templates/{APPRENTICE}/?state=revoked",
    "learners/",
    "learners/?q=nobody",
    "learners/1/",
    "learners/404/",
    "catalogs/",
    "dead-letters/",
    f"dead-letters/{LETTER}/",
)
"""Each page of the console."""


@dataclass(slots=True)
class Desk:
    """In a site's place: says what it is given, and remembers what was ordered."""

    workers_: Sequence[Worker] = ()
    rows_: Sequence[Row] = ()
    letter_: Letter | None = None
    before: datetime | None = None
    wanted: list[tuple[Filter, str, str]] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)
    error: Exception | None = None

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def groups(self) -> Groups:
        self._fail()
        return Groups(
            [
                Stream("tracker", "learning-badges-lifecycle", 2, 12, 12, 1_204),
                Stream("tracker", "badge-streams-activities", 2, 12, 12, 17),
                Stream("relay", "badge-relay-decisions", 1, 8, 12, None),
            ],
            [("tracker", "10.0.0.7")],
        )

    async def workers(self, groups: Groups | None) -> Sequence[Worker]:
        self._fail()
        return self.workers_

    async def letters(self, wanted: Filter, worker: str = "", type: str = "") -> Recent:
        self._fail()
        self.wanted.append((wanted, worker, type))
        return Recent(self.rows_, self.before)

    async def letter(self, id: str) -> tuple[Letter, bool] | None:
        self._fail()
        return (self.letter_, True) if self.letter_ and self.letter_.id == id else None

    async def give(self, given: Given, learner: int) -> Sequence[str]:
        self._fail()
        self.given.append((given.order, given.template, learner, given.by, given.reason))
        return [f"order 1 for learner {learner}"]

    async def reissue(self, learner: int, template: str | None) -> Sequence[str]:
        self._fail()
        self.given.append(("reissue", template, learner))
        return ["said again"]

    async def redrive(self, id: str, note: Note) -> Sequence[str]:
        self._fail()
        self.given.append(("redrive", id, *note))
        return [f"sent again: {id}"]


def row(number: int, reason: str = "bad_body", **fields: Any) -> Row:
    """A dead letter of a list."""
    at = datetime(2026, 11, 26, 11, number // 60 % 60, number % 60, tzinfo=UTC)
    known: dict[str, Any] = {"type": "org.openedx.learning.course.passing.status.updated.v1", "event": ""}
    known |= {"what": "not what its schema says: no is_passing", "redriven": False}
    known |= {"id": f"3:{number}", "at": at, "agent": "rekey", "reason": reason}
    return Row(**known | fields)


def letter(value: bytes = b"\x00\x01", headers: Sequence[tuple[str, bytes]] = (), **fields: Any) -> Letter:
    """A dead letter whole."""
    record = ConsumerRecord(
        "dead", 3, 17, int(NOW.timestamp() * 1000), 0, b"\xff\x00", value, None, 2, len(value), headers
    )
    known: dict[str, Any] = {"reason": "bad_body", "detail": "no is_passing", "agent": "rekey"}
    return Letter(
        **{"id": LETTER, "record": record, "place": "0:3:9:bus", "redriven": False} | known | fields
    )


def desk(**fields: Any) -> Desk:
    """A site with some trouble."""
    pace = Pace(
        held="HTTP 503", breaker=True, key_expires=datetime(2026, 12, 24, tzinfo=UTC), parked=3, rate=2.5
    )
    known: dict[str, Any] = {
        "workers_": [
            Worker("tracker", "10.0.0.7:8080", True, "12 partitions assigned and recovered", "file", "0.1.0"),
            Worker("relay", "10.0.0.8:8090", True, "ready", "file", "0.1.0", {ORGANIZATION: pace}),
            Worker("", "10.0.0.9:8090", False, "does not answer in time", answers=False),
        ],
        "rows_": [*(row(n, "refused" if n % 3 else "bad_body") for n in range(70, 0, -1))],
        "letter_": letter(headers=[("ce_type", b"org.openedx.learning.x.v1"), ("ce_id", b"1")]),
    }
    return Desk(**known | fields)


def classroom() -> Batch:
    """Learners 1 to 30 passed one course, the first ten of them both; 30 has lost hers again."""
    lines = [passed(n, "kafka", 1) for n in range(1, 31)] + [passed(n, "streams", 2) for n in range(1, 11)]
    batch = rows(judged([*lines, passed(30, "kafka", 3, passing=False)]))
    for n, fields in (
        (1, {"refused": "HTTP 422: no such template"}),
        (2, {"held": "x", "state": "accepted"}),
    ):
        decision = str(decision_id(badge_id(APPRENTICE, n), "awarded", 1))
        known = {"decision": decision, "sure": True, "answered_at": "2026-03-14T15:09:30+00:00"}
        key, raw = issued(n, APPRENTICE, **known | fields)
        batch.issuances[key] = issuance_row(raw)
    return batch


@asynccontextmanager
async def console(
    folder: Path, at: Desk, batch: Batch | None = None, *, writes: bool = False, **fields: Any
) -> AsyncIterator[World]:
    """A worker whose console asks this desk."""
    batch = classroom() if batch is None else batch
    async with world(folder, batch, more=lambda view: routers(view, at, writes=writes), **fields) as here:
        yield here


async def page(here: World, path: str = "", status: int = 200) -> httpx.Response:
    """A page as an administrator sees it."""
    answer = await here.ask.get(f"{CONSOLE}{path}", headers=staff())
    assert answer.status_code == status, answer.text
    return answer

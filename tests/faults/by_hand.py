"""The past given again and orders, while workers and the commands themselves are killed."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from streams.badges import Ordered
from streams.errors import FatalError
from streams.sandbox import lms
from streams.sandbox.by_hand import CatchUp, Orders
from streams.sandbox.process import tail
from streams.sandbox.publisher import Placed, Publisher
from tests.faults.harms import NEWCOMERS, all_ready, kill_one
from tests.faults.run import FIRST_TERM, LEARNERS_A_TERM, Run

APPRENTICE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
DATA_PERSON = "5f0e8c3b-19a4-4f6f-8a1c-2b7d9e4c3a32"
POLYMATH = "8a9b1e6d-4c2f-4d3b-9e57-6c0f1d2e4b43"
BRISK = "9d2f7b4a-6e51-4a8c-b1d9-7f3e5a6c5c54"
ON_THE_BUS = (APPRENTICE, BRISK)
RECORDED = (DATA_PERSON, POLYMATH)
BEFORE = 100
"""Learners whose past is in the recording alone, after those of the terms: it decides their badges."""
ORDERED = [*range(1, 61), *range(LEARNERS_A_TERM + 1, LEARNERS_A_TERM + 21)]
"""Learners of the bus and of the recording."""
UNHEARD = range(NEWCOMERS, NEWCOMERS + 20)
"""Learners of whom only the orders tell."""
SINCE = FIRST_TERM + timedelta(weeks=2)
"""Within the first term, and the recording's."""
COMMAND_SECONDS = 120.0
"""A limit, not a wait: a command takes some seconds, on a busy machine more."""


async def catch_ups_and_orders(run: Run) -> int:
    """Kill one worker after another for as long as the operator works."""
    await all_ready(run)
    operator = Operator(run, Path(run.stack.enter_context(TemporaryDirectory())))
    working = asyncio.ensure_future(operator.work())
    try:
        while not working.done():
            await kill_one(run)
            operator.blows += 1
        await working
    finally:
        working.cancel()
    return operator.blows


class Operator:
    """Gives commands, of which some are killed and then given again; each order's reason is its own."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.blows = 0
        self._run = run
        self._folder = folder
        self._numbers = count(1)
        self._recording = _recording(run)

    async def work(self) -> None:
        for kill in ("kill:before commit:1", "kill:after commit:1", ""):
            await self._order("award", POLYMATH, kill)
        for kill in ("kill:after commit:2", "", ""):
            await self._catch_up(RECORDED, kill, self._recording)
        for kill in ("kill:before commit:1", ""):
            await self._order("revoke", APPRENTICE, kill)
        for kill in ("kill:before commit:2", "", ""):
            await self._catch_up(ON_THE_BUS, kill)
        await self._order("revoke", DATA_PERSON)
        await self._catch_up(RECORDED, "", self._recording)
        await self._order("award", APPRENTICE)

    async def _catch_up(
        self, templates: Sequence[str], kill: str, recording: Sequence[Placed] | None = None
    ) -> None:
        given = list(self._run.placed) if recording is None else recording
        options = [word for template in templates for word in ("--template", template)]
        if recording is not None:
            file = self._folder / "past.jsonl"
            file.write_bytes(b"".join(map(_line, recording)))
            options += ["--activities", str(file)]
        since = ["--since", SINCE.isoformat()]
        # What is no event on the bus makes the exit code 1.
        ended = await self._command("catch-up", *options, *since, kill=kill, says="concern the templates")
        self._run.catch_ups.append(CatchUp(frozenset(templates), given, SINCE, ended))

    async def _order(self, order: Ordered, template: str, kill: str = "") -> None:
        file = self._folder / "learners.csv"
        told = [f"{id},learner{id},learner{id}@example.org,L {id}" for id in UNHEARD]
        rows = ["learner,username,email,name", *(f"{id},,," for id in ORDERED), *told]
        file.write_text("\n".join(rows))
        reason = f"reason {next(self._numbers)}"
        options = ("--template", template, "--csv", str(file), "--reason", reason)
        ended = await self._command(order, *options, kill=kill, says="orders to")
        self._run.orders.append(Orders(order, template, [*ORDERED, *UNHEARD], reason, ended))

    async def _command(self, *arguments: str, kill: str, says: str) -> bool:
        """Whether it came to its end, where it says so; it must where it is not to be killed."""
        log = self._folder / f"command-{next(self._numbers)}.log"
        command = [sys.executable, "-m", "tests.faults.command", *arguments]
        process = self._run.commands.launch(command, log=log, FAULT=kill or "none:")
        code = await asyncio.to_thread(process.wait, COMMAND_SECONDS)
        ended = says in log.read_text()
        if ended == bool(kill) or (kill and code != -9):
            raise FatalError(f"{' '.join(arguments)} ended with {code}:\n{tail(log)}")
        self.blows += not ended
        return ended


def _recording(run: Run) -> list[Placed]:
    press = Publisher(run.ids, run.name, seed=98)
    happenings = lms.term(98, LEARNERS_A_TERM + BEFORE, FIRST_TERM)
    emissions = press.publish(h for h in happenings if h.learner > LEARNERS_A_TERM)
    return [Placed(replace(e, topic="the past"), 0, number) for number, e in enumerate(emissions)]


def _line(placed: Placed) -> bytes:
    emission = placed.emission
    assert emission.happening is not None
    happening = emission.happening
    source = {"topic": emission.topic, "partition": placed.partition, "offset": placed.offset}
    line = {"type": happening.type, "id": emission.id, "time": happening.time, "source": source}
    return orjson.dumps(line | {"data": happening.data}, option=orjson.OPT_APPEND_NEWLINE)

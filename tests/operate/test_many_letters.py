"""Any number of dead letters: listed, shown and sent again in less than 200 MiB."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from confluent_kafka import Producer

from streams.kafka.dead_letters import AGENT, DETAIL, ORIGIN, REASON
from streams.kafka.topics import topics
from streams.operate.dead_letters import Filter
from streams.operate.recent import LOOKED_AT, Recent, recent
from streams.sandbox import lms
from streams.sandbox.audit import read_topic
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands, on_bus
from tests.sites import CATALOG, letters

LETTERS = int(os.environ.get("LETTERS", "40_000"))
"""Held in memory all at once these were 220 MiB, and 420 to send them again. A million takes some minutes."""
MIB = 1024
PROGRAM = """
import atexit, shutil, sys
from streams.cli import main
# Not what the parent accounts for: that counts the tests' own memory, of before the program began.
atexit.register(shutil.copy, "/proc/self/status", sys.argv.pop(1))
main()
"""
PARTITIONS = 3


@pytest.fixture(scope="module")
def site(sandbox: Bus) -> Commands:
    """A site without workers, whose dead letters are many."""
    commands = on_bus(sandbox, f"many-{uuid4().hex[:8]}", catalog=CATALOG, partitions=PARTITIONS)
    commands.run("topics", "--create", "--all")
    topic = topics(commands.parsed).dead_letters.name
    producer = Producer({"bootstrap.servers": sandbox.kafka, "linger.ms": 50})
    source = {"topic": "bus", "partition": 0, "offset": 0}
    pii = {"username": "x" * 100, "email": "", "name": ""}
    head = {"type": lms.PASSING, "id": "0" * 36, "time": "2026-01-01", "source": source}
    for n in range(LETTERS):
        reason = b"no_id" if n % 100 else b"bad_body"
        ours: list[tuple[str, str | bytes | None]] = [
            (REASON, reason),
            (DETAIL, b""),
            (AGENT, b"track"),
            (ORIGIN, b"0:0:%d:bus" % n),
        ]
        activity = orjson.dumps(head | {"data": {"user": {"id": n, "pii": pii}}})
        while True:
            try:
                producer.produce(topic, activity, b"%d" % n, n % PARTITIONS, headers=ours)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    return commands


def run(site: Commands, folder: Path, *arguments: str) -> tuple[list[str], int]:
    """What the command printed, and the most memory that it took, in MiB."""
    said, status = folder / "said", folder / "status"
    with said.open("wb") as output:
        program = [sys.executable, "-c", PROGRAM, str(status), *arguments]
        subprocess.run(program, stdout=output, env=os.environ | dict(site.settings), check=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert peak is not None
    took = int(peak[1]) // MIB
    print(*arguments, f"{took} MiB")
    return said.read_text().splitlines(), took


def test_the_newest_are_read_a_piece_at_a_time_each_once(site: Commands) -> None:
    async def pieces() -> list[Recent]:
        found = [await recent(site.parsed, Filter(), "tracker")]
        for _ in range(2):
            found.append(await recent(site.parsed, Filter(until=found[-1].before), "tracker"))
        return found

    found = asyncio.run(pieces())

    ids = [row.id for piece in found for row in piece.rows]
    assert 0 < len(found[0].rows) <= LOOKED_AT
    assert len({*ids}) == len(ids)
    for partition in map(str, range(PARTITIONS)):
        offsets = sorted(int(id.partition(":")[2]) for id in ids if id.startswith(f"{partition}:"))
        end = (LETTERS - 1 - int(partition)) // PARTITIONS + 1
        assert offsets == list(range(offsets[0], end))
    times = [row.at for piece in found for row in piece.rows]
    assert times == sorted(times, reverse=True)


def test_many_letters_are_read_and_sent_again_in_little_memory(site: Commands, tmp_path: Path) -> None:
    listed, took = run(site, tmp_path, "dead-letters", "list")
    assert (len(listed), took < 200) == (LETTERS + 1, True), f"{took} MiB"

    shown, took = run(site, tmp_path, "dead-letters", "show", f"1:{LETTERS // 6}")
    assert (shown[0].split()[1], took < 200) == (f"1:{LETTERS // 6}", True), f"{took} MiB"

    some, took = run(site, tmp_path, "dead-letters", "redrive", "--reason", "bad_body", "--limit", "100")
    assert (some[0], took < 200) == ("sent again: 100", True), f"{took} MiB"

    rest, took = run(site, tmp_path, "dead-letters", "redrive", "--all")
    assert (rest[0], took < 200) == (f"sent again: {LETTERS - 100}", True), f"{took} MiB"

    assert not set(some[1:]) & set(rest[1:])
    assert asyncio.run(letters(site.parsed, Filter())) == []
    if LETTERS <= 100_000:
        sent = asyncio.run(read_topic(site.parsed, topics(site.parsed).activities.name))
        # Not compared in the assertion: it would take minutes to say how two lists of this length differ.
        is_each_once = sorted(int(record.key or b"") for record in sent) == list(range(LETTERS))
        assert is_each_once

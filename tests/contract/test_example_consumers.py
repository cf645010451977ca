"""The example consumers of `docs/contract.md` keep exactly who holds which badge."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.bus.emitter import REISSUED, BadgeEvent
from streams.headers import Headers
from streams.kafka.client import partition_of
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.kafka import create_topics
from streams.sandbox.process import tail
from tests.here import on_bus
from tests.openedx.groups import begin_at_the_beginning
from tests.relay.badge_bus import Word, encoder, until

ROOT = Path(__file__).parents[2]
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
TOPIC = "learning-badges-lifecycle"
PARTITIONS = 2
LEARNERS = range(1, 41)
SEEN = range(1001, 1017)
"""Learners of the last events: enough for both partitions, so that who has all of these has all before."""
STORIES = ("A1", "A1 R1", "A1 R1 A2", "A1 A2", "A1 A2 R2", "A1 R1 A2 R2 A3")
"""Awards and revocations by generation; an award after an award renews an expired badge."""


def word(learner: int, said: str) -> Word:
    return Word("awarded" if said[0] == "A" else "revoked", TEMPLATE, learner, int(said[1:]))


def story(learner: int) -> list[Word]:
    return [word(learner, said) for said in STORIES[learner % len(STORIES)].split()]


def marked(event: BadgeEvent, name: str, value: bytes) -> BadgeEvent:
    """The event with one header more, or with another value of it."""
    headers: Headers = [header for header in event.headers if header[0] != name]
    return replace(event, headers=[*headers, (name, value)])


@contextmanager
def running(commands: Commands, command: Sequence[str], list: Path) -> Iterator[None]:
    """An example at work on its list, until it is killed."""
    log = list.with_suffix(".log")
    process = commands.launch([*command, str(list)], log=log, PYTHONWARNINGS="default", PYTHONPATH=str(ROOT))
    try:
        yield
    except BaseException as error:
        error.add_note(f"{log.name} ends with:\n{tail(log)}")
        raise
    finally:
        process.kill()


def holders(list: Path) -> set[int]:
    """The learners on a list; each must be on it once."""
    with closing(sqlite3.connect(list)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'holders'").fetchone():
            return set()
        rows = db.execute("SELECT learner, template FROM holders").fetchall()
    assert len(rows) == len(set(rows))
    return {learner for learner, template in rows if template == TEMPLATE}


@dataclass
class Topic:
    """The badge topic, and who writes to it."""

    name: str
    producer: AIOKafkaProducer
    encode: Callable[[Word], BadgeEvent]

    async def put(self, events: Iterable[BadgeEvent], *, abort: bool = False) -> None:
        """Write them in one transaction."""
        await self.producer.begin_transaction()
        for event in events:
            partition = partition_of(event.key, PARTITIONS)
            await self.producer.send_and_wait(
                self.name, event.value, event.key, partition=partition, headers=event.headers
            )
        await (self.producer.abort_transaction() if abort else self.producer.commit_transaction())

    async def say(self, words: Iterable[Word]) -> None:
        await self.put(map(self.encode, words))


@asynccontextmanager
async def topic(commands: Commands, name: str) -> AsyncIterator[Topic]:
    await create_topics(commands.parsed.kafka, [name], partitions=PARTITIONS)
    producer = AIOKafkaProducer(bootstrap_servers=commands.parsed.kafka, transactional_id=name)
    await producer.start()
    try:
        async with encoder(commands.parsed) as encode:
            yield Topic(name, producer, encode)
    finally:
        await producer.stop()


async def test_lists_are_exact_through_repetitions_revocations_aborts_and_crashes(
    openedx_python: Path, sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given two consumers, which crash one day
    commands = on_bus(sandbox, app_prefix, catalog=tmp_path / "none.yaml", partitions=PARTITIONS)
    python, address = str(openedx_python), (sandbox.kafka, sandbox.registry)
    name, groups = f"{app_prefix}-{TOPIC}", (f"{app_prefix}-1", f"{app_prefix}-2")
    plain = [python, "docs/examples/holders.py", *address, name]
    service = [python, "-m", "tests.contract.openedx_service", *address, app_prefix]
    lists = [tmp_path / "plain.db", tmp_path / "service.db"]
    words = [said for learner in LEARNERS for said in story(learner)]
    half = len(words) // 2
    async with topic(commands, name) as bus:
        for group in groups:
            begin_at_the_beginning(sandbox.kafka, group, name, PARTITIONS)
        await bus.say(words[:half])
        with running(commands, plain, lists[0]), running(commands, [*service, groups[0]], lists[1]):
            await until(lambda: all(map(holders, lists)), 40)
        # when all of this happens meanwhile
        await bus.say(words[half // 2 : half])  # a stretch once more
        await bus.say(words[half:])
        await bus.put(marked(bus.encode(story(n)[-1]), REISSUED, b"1") for n in LEARNERS)
        await bus.say(word(learner, "A1") for learner in LEARNERS)  # old decisions, restored from a copy
        await bus.put((bus.encode(word(n, "A9")) for n in LEARNERS), abort=True)
        await bus.put(
            marked(bus.encode(word(n, "A9")), "ce_source", b"openedx/credentials") for n in LEARNERS
        )
        await bus.say(word(learner, "A1") for learner in SEEN)
        # then each that goes on has it right, also if its group's offsets are lost
        right = {n for n in LEARNERS if story(n)[-1].kind == "awarded"} | set(SEEN)
        with running(commands, plain, lists[0]), running(commands, [*service, groups[1]], lists[1]):
            await until(lambda: all(set(SEEN) <= holders(one) for one in lists), 40)
    assert [holders(one) for one in lists] == [right, right]

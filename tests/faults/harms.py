"""What is done to the trackers while they work; each harm returns how often it struck."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import aiohttp

from streams.badges import Activity, Order, Progress
from streams.bus import schemas
from streams.kafka.client import admin
from streams.kafka.topics import topics
from streams.sandbox import lms
from streams.sandbox.lms import Happening
from streams.sandbox.process import Process
from streams.sandbox.publisher import Emission, Publisher
from streams.tracker.rows import pack
from streams.tracker.tracking import PROGRESS_BYTES
from tests.faults.configs import alter
from tests.faults.fleet import READY, Worker, until
from tests.faults.run import Run
from tests.faults.worker import STEPS

PATIENCE = 60.0
"""Seconds until a harm that should have struck is taken to have failed."""
QUIET_SECONDS = 1.5
"""After a rebalance its partitions get ready in less."""
OUTAGE_SECONDS = 20.0
"""Twice what a request to the registry may take: units meet the outage, and try again in it."""
BROKER_AWAY_SECONDS = 8.0
"""Longer than the sandbox's controller waits for a broker (3 s): its leaderships move."""
POISON = "3"
EARLY_AND_LATE = (3, 20)
"""Units of a worker's life."""
NEWCOMERS = 500_000
"""Learner ids above those of every term."""


async def kill_at_random(run: Run) -> int:
    for _ in range(5):
        await kill_one(run)
    return 5


async def kill_one(run: Run) -> None:
    await all_ready(run)
    await asyncio.sleep(run.rng.uniform(0.5, 3.0))
    run.fleet.kill(run.rng.choice(run.fleet.running))


async def kill_at_each_step(run: Run, steps: Iterable[str] = tuple(STEPS)) -> int:
    blows = 0
    for step in steps:
        await all_ready(run)
        victim = run.rng.choice(run.fleet.running)
        await run.fleet.stop(victim)
        code = await _end_with(run, victim, f"kill:{step}:{run.rng.randint(10, 40)}")
        blows += code == -9
    return blows


async def kill_bridges(run: Run, times: int = 15) -> int:
    """Kill bridges one after another, each soon after it has begun to read, and let one be a zombie."""
    for _ in range(times):
        await _kill_early(run, run.rng.choice(sorted(run.fleet.workers)))
    return times + await zombies(run, 1)


async def _kill_early(run: Run, name: str) -> None:
    def reads() -> bool:
        return name in run.fleet.running and run.fleet.is_ready(name)

    await until(reads, PATIENCE, "a bridge does not get ready")
    await asyncio.sleep(run.rng.uniform(0.0, 1.5))
    exits = run.fleet.workers[name].exits
    before = len(exits)
    run.fleet.kill(name)
    await until(lambda: len(exits) > before, PATIENCE, "a bridge is not killed")


async def redis_restarted(run: Run) -> int:
    """Redis crashes, and has all of it again; the LMS, which would drop its events meanwhile, is silent."""
    assert run.redis is not None
    for end in (run.redis.kill, run.redis.stop, run.redis.kill):
        await all_ready(run)
        with run.silence():
            await asyncio.sleep(QUIET_SECONDS)
            await asyncio.to_thread(end)
            await asyncio.sleep(QUIET_SECONDS)
            await asyncio.to_thread(run.redis.start)
        await asyncio.sleep(2.0)
    return 3


async def zombies(run: Run, times: int = 3) -> int:
    for _ in range(times):
        await all_ready(run)
        zombie = run.rng.choice(run.fleet.running)
        run.fleet.pause(zombie)
        await members(run, len(run.fleet.running) - 1)
        await quiet(run)
        woken = run.fleet.workers[zombie]
        ends, ready = len(woken.exits), woken.said(READY)
        run.fleet.resume(zombie)
        await _ends_or_joins(woken, ends, ready)
    return times


async def scale_and_roll(run: Run) -> int:
    for _ in range(3):
        await all_ready(run)
        for name in ("worker-2", "worker-3"):
            run.fleet.start(name)
        for name in sorted(run.fleet.workers):
            await run.fleet.stop(name)
            run.fleet.start(name)
            await all_ready(run)
        for name in ("worker-2", "worker-3"):
            await run.fleet.stop(name)
    return 3


async def replace_a_static_member(run: Run) -> int:
    """Another process takes a paused one's place and name; then the first goes on."""
    for name in ("worker-1", "worker-2", "worker-1"):
        await all_ready(run)
        run.fleet.pause(name)
        paused = run.fleet.workers.pop(name)
        run.fleet.start(name)
        await all_ready(run)
        assert paused.process is not None
        run.fleet.abandon(paused)
        await _ends(paused.process)
        run.fleet.kill(name)
    return 3


async def agent_raises(run: Run) -> int:
    return await _end_with_each(run, "raise", EARLY_AND_LATE)


async def commit_hangs(run: Run, units: Sequence[int] = EARLY_AND_LATE) -> int:
    return await _end_with_each(run, "hang", units)


async def core_raises(run: Run) -> int:
    return 1


async def each_broker(run: Run) -> int:
    for node in run.cluster.nodes:
        await all_ready(run)
        await asyncio.to_thread(run.cluster.kill, node)
        await asyncio.sleep(BROKER_AWAY_SECONDS)
        await asyncio.to_thread(run.cluster.restart, node)
        await asyncio.sleep(2.0)
    return len(run.cluster.nodes)


async def all_brokers(run: Run) -> int:
    for _ in range(2):
        await all_ready(run)
        await asyncio.sleep(2.0)
        for node in run.cluster.nodes:
            await asyncio.to_thread(run.cluster.kill, node)
        await asyncio.sleep(3.0)
        await asyncio.gather(*(asyncio.to_thread(run.cluster.restart, node) for node in run.cluster.nodes))
    return 2


async def registry_away(run: Run) -> int:
    await all_ready(run)
    new_id = await register_with_another_field(run)
    run.registry.pause()
    try:
        run.extra += in_newer_schema(run, new_id)
        await asyncio.sleep(OUTAGE_SECONDS)
    finally:
        run.registry.resume()
    return 1


async def produce_refused(run: Run) -> int:
    await all_ready(run)
    names = topics(run.commands.parsed)
    replicas = len(run.cluster.nodes)
    for topic in (names.activities.name, names.progress.name):
        await alter(run.commands.parsed, topic, {"min.insync.replicas": str(replicas + 1)})
        await asyncio.sleep(OUTAGE_SECONDS)
        await alter(run.commands.parsed, topic, {"min.insync.replicas": "1"})
    return 2


async def records_too_large(run: Run) -> int:
    source = topics(run.commands.parsed).badges.name
    await alter(run.commands.parsed, source, {"max.message.bytes": str(4 * 1024 * 1024)})
    press = Publisher(run.ids, run.name, seed=99)
    run.extra += press.publish(passing(range(NEWCOMERS, NEWCOMERS + 3), "L" * 2_500_000))
    await all_sent(run)
    return 1


def without_value(emission: Emission) -> Emission:
    """What the dead letters keep of a record that is larger than they can take."""
    if emission.value is None or len(emission.value) < 2_000_000:
        return emission
    return replace(emission, value=None, headers=(), happening=None, fault="too large", fate="dead letter")


async def state_at_its_bound(run: Run) -> int:
    press = Publisher(run.ids, run.name, seed=99)
    learners = range(NEWCOMERS, NEWCOMERS + 3)
    # For three learners small, too large, small again; for a new one too large at once.
    run.extra += press.publish(passing(learners, "W" * 400_000))
    run.extra += press.publish(passing(learners, "T" * 700_000))
    run.extra += press.publish(passing([NEWCOMERS + 7], "T" * 700_000))
    run.extra += press.publish(passing([*learners, NEWCOMERS + 7], "name"))
    await all_sent(run)
    return 1


def above_bound(happened: Activity | Order, after: Progress) -> bool:
    return happened.learner >= NEWCOMERS and len(pack(after, None)) > PROGRESS_BYTES


async def nothing_more(run: Run) -> int:
    """The harm was prepared."""
    await all_ready(run)
    return 1


async def all_ready(run: Run) -> None:
    """Wait until every running worker owns partitions and no rebalance is going on."""

    def ready() -> bool:
        return all(run.fleet.is_ready(name) for name in run.fleet.running)

    await until(ready, PATIENCE, "a worker does not get ready")
    await quiet(run)


async def members(run: Run, count: int) -> None:
    async with admin(run.commands.parsed) as client, asyncio.timeout(PATIENCE):
        while True:
            (described,) = await client.describe_consumer_groups([run.group])
            group = described.groups[0]
            if group[2] == "Stable" and len(group[5]) == count:
                return
            await asyncio.sleep(0.2)


async def _ends_or_joins(worker: Worker, ends: int, ready: int) -> None:
    """Wait until the worker has ended more than `ends` times, or got ready more than `ready` times."""
    await until(
        lambda: len(worker.exits) > ends or worker.said(READY) > ready,
        PATIENCE,
        "the zombie neither ends nor joins again",
    )


async def _ends(process: Process) -> None:
    await until(lambda: process.exit_code is not None, PATIENCE, "the zombie stays")


async def quiet(run: Run) -> None:
    """Wait until no partition has changed its owner for `QUIET_SECONDS`."""
    began = asyncio.get_running_loop().time()
    known, since = run.fleet.lines(READY), began
    while (now := asyncio.get_running_loop().time()) - since < QUIET_SECONDS:
        if now - began > PATIENCE:
            raise TimeoutError("the group does not come to rest")
        await asyncio.sleep(0.1)
        if (lines := run.fleet.lines(READY)) != known:
            known, since = lines, now


async def all_sent(run: Run) -> None:
    await until(lambda: not run.extra, PATIENCE, "the records are not sent")


async def _end_with_each(run: Run, fault: str, units: Sequence[int]) -> int:
    """Let the fault strike a worker in each of these units; returns how often they ended by themselves."""
    blows = 0
    for nth in units:
        await all_ready(run)
        victim = run.rng.choice(run.fleet.running)
        await run.fleet.stop(victim)
        blows += await _end_with(run, victim, f"{fault}:{nth}") == 1
    return blows


async def _end_with(run: Run, name: str, fault: str) -> int:
    worker = run.fleet.start(name, FAULT=fault)
    ends = len(worker.exits)
    await until(lambda: len(worker.exits) > ends, PATIENCE, f"{name} never came to {fault}")
    return worker.exits[-1]


def passing(learners: "range | list[int]", name: str) -> Iterator[Happening]:
    for number in learners:
        user = lms.user(number)
        user = user | {"pii": user["pii"] | {"name": name}}
        for course in lms.COURSES[:5]:
            data = {"is_passing": True, "course": lms.course(course), "user": user}
            yield Happening(lms.PASSING, lms.TERM_START, number, data)


def in_newer_schema(run: Run, new_id: int) -> Iterator[Emission]:
    """Passing statuses as `register_with_another_field` lets a newer LMS write them."""
    frame = b"\0" + new_id.to_bytes(4, "big")
    press = Publisher(run.ids, run.name, seed=99)
    for emission in press.publish(passing(range(NEWCOMERS, NEWCOMERS + 50), "name")):
        assert emission.value is not None
        yield replace(emission, value=frame + emission.value[5:] + b"\0")


async def register_with_another_field(run: Run) -> int:
    """Register a newer writer's schema of the passing status, with one more field, a text; returns its id."""
    schema = schemas.schema(lms.PASSING)
    schema = schema | {"fields": [*schema["fields"], {"name": "note", "type": "string", "default": ""}]}
    subject = f"{topics(run.commands.parsed).badges.name}-{lms.PASSING}.CloudEvent"
    url = f"{run.registry.url}/subjects/{subject}/versions"
    text = json.dumps(schema, sort_keys=True)
    async with (
        aiohttp.ClientSession(raise_for_status=True) as http,
        http.post(url, json={"schema": text}) as response,
    ):
        return int((await response.json(content_type=None))["id"])

"""Harms by what is around the trackers: network, brokers, registry, clocks, and long silence."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from confluent_kafka.admin import AdminClient

from streams.sandbox.audit import settled
from tests.faults.fleet import until
from tests.faults.harms import (
    BROKER_AWAY_SECONDS,
    PATIENCE,
    all_ready,
    all_sent,
    in_newer_schema,
    register_with_another_field,
)
from tests.faults.proxy import LaggingRegistry, Proxy
from tests.faults.run import Run

FASTER = 48
IDLE_SECONDS = 240 / FASTER
"""After so long a load balancer forgets a connection: four minutes is common. The trackers' clients run by
the same faster clock."""
SILENCE_SECONDS = 8.0
"""Longer than connections and producer ids last in these runs, with the time that a look for them takes."""
TALK_SECONDS = 2.0
"""Between silences: every topic has some events by then."""
HEARD_SECONDS = 15.0
"""Until what was said after a silence is judged on a busy machine; an unanswered request takes 40 s."""
LAG_SECONDS = 3.0
"""Registries whose nodes replicate lag by tenths of a second, and by seconds under load."""
PATIENCE_SECONDS = 10
"""For a node that lags: longer than it does. The records of a made-up id wait for so long, too."""
CUT_SECONDS = 12.0
"""Longer than a session: a worker that the group's coordinator does not hear loses its partitions."""
SLOW_SECONDS = 15.0
"""Longer than a session, for each broker."""
STOPPED_SECONDS, RUNNING_SECONDS = 0.09, 0.01
"""Nine tenths of the time a slow broker stands still."""
JUMP_SECONDS = 4.0
"""Two heartbeats: what is measured by the wall clock has time to go wrong before the next jump."""
READ_AGAIN = ("activities double", "activities out of order", "dead letters double")
"""Without the group's offsets the sources are read again; that decides nothing anew."""
TABLE_READ = re.compile(rb"-changelog-(\d+): \d+ records, \d+ keys in ")


async def forgetful_network(run: Run) -> None:
    """All trackers reach the brokers by proxies that forget idle connections, by a faster clock."""
    await _behind_proxies(run, ("worker-1", "worker-2"), idle_seconds=IDLE_SECONDS)
    for name in ("worker-1", "worker-2"):
        run.settings[name]["FAULT"] = f"idle:{FASTER}"


async def long_silence(run: Run) -> int:
    for _ in range(2):
        await all_ready(run)
        with run.silence():
            await asyncio.sleep(SILENCE_SECONDS)
        await asyncio.sleep(TALK_SECONDS)
        # `TimeoutError` where the first words after the silence are not heard soon.
        await settled(run.commands.parsed, list(run.placed), within=HEARD_SECONDS)
    return 2


async def offsets_expire(run: Run) -> int:
    """Nobody was in the group for as long as the brokers keep the offsets of an empty one."""
    await all_ready(run)
    await asyncio.sleep(5.0)
    names = run.fleet.running
    for name in names:
        await run.fleet.stop(name)
    group = run.commands.parsed.app_id
    admin = AdminClient({"bootstrap.servers": run.cluster.bootstrap})
    for deletion in admin.delete_consumer_groups([group]).values():
        await asyncio.to_thread(deletion.result, PATIENCE)
    for name in names:
        run.fleet.start(name)
    await all_ready(run)
    return 1


async def lagging_registry(run: Run) -> None:
    """The trackers ask a node that learns of each schema late."""
    node = LaggingRegistry(run.registry.url, LAG_SECONDS)
    await run.stack.enter_async_context(node.listening())
    for name in ("worker-1", "worker-2"):
        run.settings[name]["BADGES_REGISTRY"] = node.url
        run.settings[name]["BADGES_SCHEMA_WAIT_SECONDS"] = f"{PATIENCE_SECONDS}"


async def registry_lags(run: Run) -> int:
    await all_ready(run)
    run.extra += in_newer_schema(run, await register_with_another_field(run))
    await all_sent(run)
    return 1


async def roll(run: Run) -> int:
    """Stop one worker after another, and start it again."""
    return await _roll(run, {name: name for name in run.fleet.workers}, added_first=False)


async def roll_adding_first(run: Run) -> int:
    """Start a worker in place of each, as the chart does, before that one is stopped."""
    return await _roll(run, {name: f"{name}-new" for name in run.fleet.workers}, added_first=True)


async def _roll(run: Run, successors: Mapping[str, str], *, added_first: bool) -> int:
    """Replace all workers, and count how often that makes the table be read that is read most."""
    await all_ready(run)
    before = _reads(run)
    for name, successor in successors.items():
        if added_first:
            run.fleet.start(successor)
            await all_ready(run)
        await run.fleet.stop(name)
        if not added_first:
            run.fleet.start(successor)
        await all_ready(run)
    run.reads = max((_reads(run) - before).values())
    return len(successors)


def _reads(run: Run) -> Counter[bytes]:
    """How often each partition's table was read, by the workers' logs."""
    logs = [worker.log.read_bytes() for worker in run.fleet.workers.values()]
    return Counter(partition for log in logs for partition in TABLE_READ.findall(log))


async def jumping_clock(run: Run) -> None:
    """The clock of one of the trackers is wrong now and then."""
    run.settings["worker-1"]["FAULT"] = f"clock:{JUMP_SECONDS}"


async def clock_jumps(run: Run) -> int:
    await all_ready(run)
    await asyncio.sleep(5 * JUMP_SECONDS)
    return 4


async def own_network(run: Run) -> None:
    """One tracker reaches the brokers by proxies, the other as always."""
    await _behind_proxies(run, ("worker-1",))


async def cut_off(run: Run) -> int:
    blows = 0
    for proxy in run.proxies[:2]:
        for directions in (("requests", "answers"), ("answers",)):
            await all_ready(run)
            proxy.cut(*directions)
            await asyncio.sleep(CUT_SECONDS)
            proxy.heal()
            blows += 1
    return blows


async def slow_broker(run: Run) -> int:
    for node in run.cluster.nodes:
        await all_ready(run)
        ends = asyncio.get_running_loop().time() + SLOW_SECONDS
        try:
            while asyncio.get_running_loop().time() < ends:
                run.cluster.pause(node)
                await asyncio.sleep(STOPPED_SECONDS)
                run.cluster.resume(node)
                await asyncio.sleep(RUNNING_SECONDS)
        finally:
            run.cluster.resume(node)
    return len(run.cluster.nodes)


async def full_disk(run: Run) -> int:
    for node in run.cluster.nodes:
        await all_ready(run)
        run.cluster.fill_disk(node)
        await until(partial(run.cluster.has_ended, node), PATIENCE, "the broker has room")
        await asyncio.sleep(BROKER_AWAY_SECONDS)
        await asyncio.to_thread(run.cluster.kill, node)
        await asyncio.to_thread(run.cluster.restart, node)
        await asyncio.sleep(2.0)
    return len(run.cluster.nodes)


async def _behind_proxies(run: Run, workers: Sequence[str], *, idle_seconds: float | None = None) -> None:
    ports = [run.cluster.proxy_ports(node) for node in run.cluster.nodes]
    run.proxies = [Proxy(port, behind, idle_seconds=idle_seconds) for port, behind in ports]
    for proxy in run.proxies:
        await run.stack.enter_async_context(proxy.listening())
    for name in workers:
        run.settings[name]["BADGES_KAFKA"] = ",".join(f"127.0.0.1:{port}" for port, _ in ports)

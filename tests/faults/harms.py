"""What is done to the trackers while they work; each returns how often it struck."""

import asyncio

from tests.faults.fleet import until
from tests.faults.run import Harm, Run

STEPS = ("before begin", "after send", "after offsets sent", "before commit", "after commit")
PATIENCE = 60.0


async def kill_at_random(run: Run) -> int:
    for _ in range(5):
        await _all_reading(run)
        await asyncio.sleep(run.rng.uniform(0.5, 3.0))
        run.fleet.kill(run.rng.choice(run.fleet.running))
    return 5


async def kill_at_each_step(run: Run) -> int:
    blows = 0
    for step in STEPS:
        await _all_reading(run)
        victim = run.rng.choice(run.fleet.running)
        await run.fleet.stop(victim)
        worker = run.fleet.start(victim, FAULT=f"kill:{step}:{run.rng.randint(10, 40)}")
        ended = len(worker.exits)
        await until(lambda w=worker, n=ended: len(w.exits) > n, PATIENCE, f"never came to {step}")
        blows += worker.exits[-1] == -9
    return blows


async def _all_reading(run: Run) -> None:
    def reading() -> bool:
        return all(run.fleet.workers[name].said(": ready at offset") for name in run.fleet.running)

    await until(reading, PATIENCE, "a worker does not get ready")


HARMS = (
    Harm("kill -9 at random moments", kill_at_random, at_least=5),
    Harm("kill -9 at each step of a commit", kill_at_each_step, at_least=5),
)

"""Keeping workers running until the site is to end."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from streams import metrics
from streams.errors import ConfigurationError
from streams.runtime.pages import serve
from streams.supervisor.child import Child, Nursery, Worker
from streams.supervisor.pages import WorkerPages, routes

log = logging.getLogger(__name__)

CONFIGURATION = 2
"""The exit code of what no restart can help."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds."""

    first: float = 1.0
    """Before a worker's first restart: most ends are a broker's restart, which takes seconds."""
    longest: float = 30.0
    """Each further pause is twice as long, up to this: no burden, and no operator waits longer for it."""
    steady: float = 60.0
    """A worker that ran for this long was well: its next pause is the first again."""
    look: float = 15.0
    """Between two looks whether a worker is live, as the chart's probe."""
    misses: int = 3
    """Looks in a row that find a worker not live, until it is ended, as the chart's probe."""
    start: float = 300.0
    """A worker that has not been live yet may wait for brokers this long, as the chart's startup probe."""
    end: float = 65.0
    """Above the longest unit of work, a transaction's 30 s and a rebalance's 30 s; below the 75 s that
    Kubernetes and compose wait for this process."""

    def pause(self, ran: float, before: float) -> float:
        """How long to wait until the next start of a worker that ran for `ran`, the pause `before` that."""
        return self.first if ran >= self.steady or not before else min(before * 2, self.longest)


class Supervisor:  # decision 0031
    """Runs workers, each started again when it ends, and their pages as one at `address`.

    `write` gets each line of their output under their names.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        address: str,
        write: Callable[[str, bytes], None],
        patience: Patience = Patience(),
    ) -> None:
        self._workers = workers
        self._address = address
        self._write = write
        self._patience = patience
        self._sockets = {worker.name: socket.create_server(("127.0.0.1", 0)) for worker in workers}
        self._restarts = {worker.name: 0 for worker in workers}
        metrics.begin(metrics.WORKER_RESTARTS, self._restarts)
        self._children: dict[str, Child] = {}

    async def run(self) -> None:
        """Run until a signal; raise `ConfigurationError` where a worker ends because of one."""
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        nursery = Nursery()
        async with AsyncExitStack() as stack:
            for listening in self._sockets.values():
                stack.callback(listening.close)
            pages = WorkerPages({name: one.getsockname()[1] for name, one in self._sockets.items()})
            stack.push_async_callback(pages.close)
            server = await serve(self._address, routes(pages, self._restarts))
            stack.push_async_callback(server.cleanup)
            stack.push_async_callback(self._end)
            await _first(over.wait(), *(self._keep(worker, nursery, pages) for worker in self._workers))
            log.info("The site ends: its workers finish what they are at")

    async def _keep(self, worker: Worker, nursery: Nursery, pages: WorkerPages) -> None:
        pause = 0.0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            child = nursery.start(worker, self._sockets[worker.name], partial(self._write, worker.name))
            self._children[worker.name] = child
            watch = asyncio.ensure_future(self._watch(worker.name, child, pages))
            code = await asyncio.shield(child.ended)
            watch.cancel()
            pages.ended(worker.name)
            if code == CONFIGURATION:
                raise ConfigurationError(f"the {worker.name} cannot run with this configuration; it says why")
            pause = self._patience.pause(loop.time() - started, pause)
            log.error("The %s ended, %s; it is started again in %g s", worker.name, meaning(code), pause)
            self._restarts[worker.name] += 1
            metrics.WORKER_RESTARTS.labels(worker.name).inc()
            await asyncio.sleep(pause)

    async def _watch(self, name: str, child: Child, pages: WorkerPages) -> None:
        """End a worker that is not live, or hangs, so that it is started again."""
        patience, loop = self._patience, asyncio.get_running_loop()
        begun, seen, missed = loop.time(), False, 0
        while missed < patience.misses:
            await asyncio.sleep(patience.look)
            live = (await pages.ask(name, "/live")).status == 200
            seen = seen or live
            missed = 0 if live or not (seen or loop.time() - begun > patience.start) else missed + 1
        log.error("The %s is not live, and is ended", name)
        await self._end_child(name, child)

    async def _end(self) -> None:
        await asyncio.gather(*(self._end_child(name, child) for name, child in self._children.items()))

    async def _end_child(self, name: str, child: Child) -> None:
        child.send(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.end):
                await asyncio.shield(child.ended)
                return
        log.error("The %s did not end within %g s, and is killed", name, self._patience.end)
        child.send(signal.SIGKILL)
        await child.ended


async def _first(*these: Coroutine[Any, Any, object]) -> None:
    """Run all of these until one has ended, and end the others; raises what that one raised."""
    tasks = [asyncio.ensure_future(one) for one in these]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


def meaning(code: int) -> str:
    """An exit code in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

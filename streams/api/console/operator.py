"""What the console asks and orders in an operator's place, by the code of the commands.

Each question runs in a thread and a loop of its own: what a command does there, to wait or to parse for
seconds, takes nothing from who is answered meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from streams.api.console.workers import Address, Worker, look
from streams.badges import Note
from streams.kafka.topics import topics
from streams.operate.dead_letters import Filter, Letter
from streams.operate.order import Given, give
from streams.operate.recent import Recent, letter, recent
from streams.operate.redrive import Redriven, Wanted, redrive
from streams.operate.reissue import reissue
from streams.operate.site import site
from streams.operate.status import Stream, groups, ports_of
from streams.settings import Settings, read_secret

T = TypeVar("T")

REACH_SECONDS = 2.0
"""How long to try to reach Kafka: a person waits."""
ANSWER_SECONDS = 10.0
"""How long a question may take; most take a tenth of a second."""
ORDER_SECONDS = 30.0
"""How long an order may take, of which its worker has `FOLLOW_SECONDS` to follow it."""
FOLLOW_SECONDS = 5.0
AT_ONCE = 2
"""Questions that are asked at once: each takes some megabytes, whoever presses a key again and again."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What the workers read, and at which hosts they are, by worker."""

    streams: Sequence[Stream]
    hosts: Sequence[tuple[str, str]]


class Operator(Protocol):
    """Who is asked, and orders: a site, or what a test has in its place."""

    async def groups(self) -> Groups:
        """What the workers' groups read."""

    async def workers(self, groups: Groups | None) -> Sequence[Worker]:
        """What the workers say of themselves."""

    async def letters(self, wanted: Filter, worker: str = "", type: str = "") -> Recent:
        """The newest dead letters, as `recent` has them."""

    async def letter(self, id: str) -> tuple[Letter, bool] | None:
        """One of them, as `letter` has it."""

    async def give(self, given: Given, learner: int) -> Sequence[str]:
        """Award or revoke; return what was ordered."""

    async def reissue(self, learner: int, template: str | None) -> Sequence[str]:
        """Have badges said again; return which."""

    async def redrive(self, id: str, note: Note) -> Sequence[str]:
        """Send a dead letter again, by whom and why; return what became of it."""


class OfSite:
    """The site that `settings` name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.model_copy(update={"start_seconds": REACH_SECONDS})
        self._turns = asyncio.Semaphore(AT_ONCE)
        names = topics(settings)
        self._roles = {names.activities.name: "tracker", names.decisions.name: "relay"}
        self._roles[names.shares.name] = "bridge"

    async def groups(self) -> Groups:
        """As `status` asks for them."""

        async def ask() -> Groups:
            async with site(self._settings) as here:
                streams, hosts = await groups(here)
            return Groups(streams, [(worker, host) for worker in hosts for host in sorted(hosts[worker])])

        return await self._apart(ask)

    async def workers(self, groups: Groups | None) -> Sequence[Worker]:
        """At the addresses of `BADGES_CONSOLE_WORKERS`; without, where the groups' members are."""
        named = [_address(text) for text in self._settings.console_workers]
        token = self._settings.http_token_file
        if named:
            shown = read_secret(token, "BADGES_HTTP_TOKEN_FILE").strip() if token is not None else ""
            return await self._look(named, shown)
        # Without the token, which whoever joins a group could have sent to a host of theirs.
        found = groups.hosts if groups else ()
        places = {(host, port) for worker, host in found for port in ports_of(self._settings, worker)}
        return _one_of_each(await self._look(sorted(places), ""))

    async def letters(self, wanted: Filter, worker: str = "", type: str = "") -> Recent:
        """From the topics."""
        return await self._apart(lambda: recent(self._settings, wanted, worker, type))

    async def letter(self, id: str) -> tuple[Letter, bool] | None:
        """From its topic."""
        return await self._apart(lambda: letter(self._settings, id))

    async def give(self, given: Given, learner: int) -> Sequence[str]:
        """As the commands `award` and `revoke`."""
        orders = await self._apart(lambda: give(self._settings, given, {learner: None}), ORDER_SECONDS)
        return [f"order {one.id} for learner {one.learner}" for one in orders]

    async def reissue(self, learner: int, template: str | None) -> Sequence[str]:
        """As the command."""
        return await self._apart(
            lambda: reissue(self._settings, learner, template, FOLLOW_SECONDS), ORDER_SECONDS
        )

    async def redrive(self, id: str, note: Note) -> Sequence[str]:
        """As the command `dead-letters redrive`."""
        told = Redriven()
        await self._apart(lambda: redrive(self._settings, Wanted([id], note=note), told), ORDER_SECONDS)
        return _told(told)

    async def _look(self, addresses: Sequence[Address], token: str) -> list[Worker]:
        return await asyncio.to_thread(lambda: asyncio.run(look(addresses, token, self._roles)))

    async def _apart(self, ask: Callable[[], Awaitable[T]], within: float = ANSWER_SECONDS) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(within):
                return await ask()

        async with self._turns:
            return await asyncio.to_thread(lambda: asyncio.run(bounded()))


def _one_of_each(workers: Sequence[Worker]) -> list[Worker]:
    """Those that answer; of a host where none does, one. Its pages are at one of several ports."""
    answering = [one for one in workers if one.answers]
    hosts = {one.host for one in answering}
    silent = {one.host: one for one in workers if one.host not in hosts}
    return [*answering, *silent.values()]


def _told(told: Redriven) -> list[str]:
    said = [f"sent again: {id}" for id in told.sent]
    said += [f"{id}: was sent again before" for id in told.sent_before]
    said += [f"{id}: its record was left at its origin, and is there no longer" for id in told.gone]
    said += [f"{id}: still not to be read ({', '.join(told.reasons)})" for id in told.unreadable]
    return said + [f"{id}: there is no such letter" for id in told.unknown]


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)

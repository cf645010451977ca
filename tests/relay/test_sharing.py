"""However many relays run, an issuer sees the set rate."""

import asyncio
from collections.abc import Mapping

import pytest

from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.known import ISSUERS
from streams.relay.keys import KeyRef
from streams.relay.organizations import Organization, Organizations
from streams.relay.pace import Limits
from streams.relay.terms import OrganizationTerms, TemplateTerms
from tests.relay.simulated import ACCREDIBLE, CREDLY, ORGANIZATION, TEMPLATE, Simulated
from tests.relay.virtual import in_virtual_time, virtual_clock
from tests.relay.world import ANYWHERE, BASE

SECONDS = 60.0


class Counting:
    """Answers at once, and knows when it was called."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.throttles = False

    async def call(self, base: str, request: Request, headers: Mapping[str, str]) -> Answer | NoAnswer:
        self.times.append(asyncio.get_running_loop().time())
        return Answer(429) if self.throttles else Answer(404)

    def within(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.times)


def worker(transport: Counting, limits: Limits, simulated: Simulated = CREDLY) -> Organizations:
    organizations = Organizations(limits, transport, virtual_clock(), ANYWHERE)
    terms = OrganizationTerms(ORGANIZATION, simulated.provider, BASE, KeyRef(env="KEY"))
    external = simulated.external(TEMPLATE)
    organizations.take([terms], {TEMPLATE: TemplateTerms(TEMPLATE, external, ORGANIZATION)})
    return organizations


async def call_for_ever(organizations: Organizations) -> None:
    [organization] = organizations
    call = next(ISSUERS[organization.terms.issuer].template(ORGANIZATION, "1"))
    while True:
        await organization.ask(call)


def only(organizations: Organizations) -> Organization:
    [organization] = organizations
    return organization


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.5), (3 / 8, 5 / 8), (1 / 24,) * 24])
def test_the_calls_of_all_workers_keep_to_the_rate(shares: tuple[float, ...]) -> None:
    async def run() -> Counting:
        transport = Counting()
        workers = [worker(transport, Limits(rate=6.0)) for _ in shares]
        for organizations, share in zip(workers, shares, strict=True):
            organizations.share(share)
        calling = [asyncio.ensure_future(call_for_ever(organizations)) for organizations in workers]
        await asyncio.sleep(SECONDS)
        for task in calling:
            task.cancel()
        return transport

    seen = in_virtual_time(run()).within(0.0, SECONDS)
    # A first call of each worker is not waited for.
    assert 6.0 * SECONDS - len(shares) <= seen <= 6.0 * SECONDS + len(shares)


def test_the_share_of_a_worker_that_ends_goes_to_who_takes_its_badges() -> None:
    async def run() -> Counting:
        transport = Counting()
        staying, going = worker(transport, Limits(rate=6.0)), worker(transport, Limits(rate=6.0))
        for organizations in (staying, going):
            organizations.share(0.5)
        tasks = [asyncio.ensure_future(call_for_ever(organizations)) for organizations in (staying, going)]
        await asyncio.sleep(SECONDS)
        tasks[1].cancel()
        staying.share(1.0)
        await asyncio.sleep(SECONDS)
        tasks[0].cancel()
        return transport

    counted = in_virtual_time(run())
    for begin in (0.0, SECONDS):
        assert counted.within(begin, begin + SECONDS) == pytest.approx(6.0 * SECONDS, abs=3)


def test_an_issuers_own_limit_holds_above_the_setting() -> None:
    async def run() -> tuple[float, float]:
        organizations = worker(Counting(), Limits(rate=100.0), ACCREDIBLE)
        whole = only(organizations).rate
        organizations.share(0.25)
        return whole, only(organizations).rate

    # 2,000 in five minutes, counted in thirty seconds.
    whole, quarter = in_virtual_time(run())
    assert 30 * whole <= 2_000 / 10
    assert quarter == pytest.approx(whole / 4)


def test_relays_and_a_command_together_keep_to_the_rate() -> None:
    async def run() -> Counting:
        transport = Counting()
        parts = (0.8, 0.8, 0.2)
        workers = [worker(transport, Limits(rate=6.0, part=part)) for part in parts]
        for relay in workers[:2]:
            relay.share(0.5)
        calling = [asyncio.ensure_future(call_for_ever(organizations)) for organizations in workers]
        await asyncio.sleep(SECONDS)
        for task in calling:
            task.cancel()
        return transport

    assert in_virtual_time(run()).within(0.0, SECONDS) == pytest.approx(6.0 * SECONDS, abs=3)


def test_what_was_learned_of_the_issuer_stays_when_the_share_changes() -> None:
    async def run() -> tuple[float, float]:
        transport = Counting()
        organizations = worker(transport, Limits(rate=8.0))
        transport.throttles = True
        call = next(ISSUERS["credly"].template(ORGANIZATION, "1"))
        await only(organizations).ask(call)
        before = only(organizations).rate
        organizations.share(0.5)
        return before, only(organizations).rate

    assert in_virtual_time(run()) == (4.0, 2.0)


def test_each_worker_may_have_one_call_in_flight() -> None:
    limits = Limits(in_flight=8)
    assert [limits.share(share, 100.0).in_flight for share in (1.0, 0.5, 0.3, 0.01)] == [8, 4, 2, 1]

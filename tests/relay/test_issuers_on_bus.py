"""Two relays as they are run, one of them killed, with each issuer that is not Credly behind HTTP."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from standardwebhooks import Webhook

from streams.issuers import ISSUERS
from streams.relay.issuance import done
from streams.sandbox.accredible import AccredibleSimulator
from streams.sandbox.bus import Bus
from streams.sandbox.issuers.faults import Fault
from streams.sandbox.issuers.server import IssuerServer
from streams.sandbox.webhook import Receiver
from tests.here import on_bus
from tests.relay.badge_bus import PASSING, Word, all_done, speaker, until
from tests.relay.simulated import KEY, ORGANIZATION, SECRET, TEMPLATE

LEARNERS = 16
RATE = 20.0
BURST = 8
"""Calls beyond the rate: those that begin at once, when a relay begins or the share of one changes."""
TROUBLE = [
    Fault("error", share=0.1, status=503),
    Fault("lost", share=0.1, status=502, body="html"),
    Fault("reset_after", share=0.1),
    Fault("slow_before", share=0.05, seconds=1.0),
]


def believes(id: str, seconds: str, body: bytes) -> str:
    """As those who wrote the standard sign."""
    at = datetime.fromtimestamp(int(seconds or 0), UTC)
    signature: str = Webhook(SECRET).sign(id, at, body.decode())
    return signature


def accredible() -> AccredibleSimulator:
    simulator = AccredibleSimulator()
    simulator.add_account(ORGANIZATION, KEY)
    simulator.add_group(ORGANIZATION, 9549)
    return simulator


@dataclass(frozen=True)
class Service:
    """An issuer by its provider, with what a catalog says of it."""

    provider: str
    begin: Callable[[], Any]
    key: str
    secret: str
    path: str = ""
    external: object = None

    def catalog(self, url: str) -> str:
        template: dict[str, Any] = {
            "id": TEMPLATE,
            "organization": ORGANIZATION,
            "name": "A badge",
            "requirements": [{"id": "passed", "event_type": PASSING}],
        }
        template |= {} if self.external is None else {"external_id": self.external}
        variable = {"env": f"{self.provider.upper()}_KEY_OF_THE_TEST"}
        organization = {
            "id": ORGANIZATION,
            "provider": self.provider,
            "url": url + self.path,
            self.key: variable,
        }
        return yaml.safe_dump({"version": 1, "organizations": [organization], "templates": [template]})


SERVICES = [
    Service("accredible", accredible, "api_key", KEY, external=9549),
    Service("webhook", lambda: Receiver(believes), "secret", SECRET, path=f"/hooks/{ORGANIZATION}"),
]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.provider)
async def test_two_relays_of_which_one_is_killed_tell_an_issuer_each_decision_once_and_at_its_rate(
    sandbox: Bus, app_prefix: str, tmp_path: Path, service: Service
) -> None:
    # given
    awards = [Word("awarded", TEMPLATE, learner, 1) for learner in range(LEARNERS)]
    simulator = service.begin()
    simulator.schedule(TROUBLE)
    async with IssuerServer(simulator) as server:
        file = tmp_path / "catalog.yaml"
        file.write_text(service.catalog(server.url))
        more = {
            f"{service.provider.upper()}_KEY_OF_THE_TEST": service.secret,
            "BADGES_ISSUER_RATE": str(RATE),
            "BADGES_ISSUER_IN_FLIGHT": "8",
            "BADGES_ISSUER_LAG_SECONDS": "1",
        }
        commands = on_bus(sandbox, app_prefix, catalog=file, partitions=4, **more)
        await asyncio.to_thread(commands.run, "topics", "--create", "--all")
        # when
        relays = [commands.start("relay", log=tmp_path / f"{name}.log") for name in "12"]
        try:
            async with speaker(commands.parsed) as bus:
                await bus.say(awards)
                await until(lambda: len(simulator.held()) > LEARNERS // 4, 60)
                relays[0].kill()
                table = await all_done(commands.parsed, LEARNERS, within=120)
        finally:
            for relay in relays:
                relay.stop()
    # then
    assert {int(badge.earner) for badge in simulator.held()} == set(range(LEARNERS))
    assert all(done(issuance) and not issuance.refused for issuance in table.values())
    issues = Counter(entry.earner for entry in simulator.journal if entry.done and entry.call == "issue")
    assert max(issues.values()) == 1
    assert at_its_rate([entry.at for entry in simulator.journal], service)


def at_its_rate(times: list[float], service: Service) -> bool:
    """Whether no time has more calls than the rate of all relays allows."""
    rate = min(RATE, ISSUERS[service.provider].traits.rate)
    return all(
        later - first <= BURST + rate * (times[later] - times[first])
        for first in range(len(times))
        for later in range(first, len(times))
    )

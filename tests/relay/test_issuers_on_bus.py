"""Two relays as they are run, one of them killed, with each issuer that is not Credly."""

import asyncio
import shlex
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from standardwebhooks import Webhook

from streams.issuers.known import ISSUERS
from streams.kafka.topics import topics
from streams.relay.issuance import Issuance, done
from streams.sandbox.accredible import AccredibleSimulator
from streams.sandbox.audit import read_topic
from streams.sandbox.bus import Bus
from streams.sandbox.credentials import Credentials
from streams.sandbox.issuers.faults import Fault
from streams.sandbox.issuers.server import IssuerServer
from streams.sandbox.webhook import Receiver
from streams.settings import Settings
from tests.here import on_bus
from tests.issuers.open_badges.a_badge import public_pem
from tests.relay.badge_bus import PASSING, Word, all_done, issuances, speaker, until
from tests.relay.signing_command import alive
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

    @property
    def variable(self) -> str:
        return f"{self.provider.upper()}_KEY_OF_THE_TEST"

    def catalog(self, url: str) -> str:
        template: dict[str, Any] = {
            "id": TEMPLATE,
            "organization": ORGANIZATION,
            "name": "A badge",
            "requirements": [{"id": "passed", "event_type": PASSING}],
        }
        template |= {} if self.external is None else {"external_id": self.external}
        organization = {
            "id": ORGANIZATION,
            "name": "Example University",
            "provider": self.provider,
            "url": url + self.path,
            self.key: {"env": self.variable},
        }
        return yaml.safe_dump({"version": 1, "organizations": [organization], "templates": [template]})


SERVICES = [
    Service("accredible", accredible, "api_key", KEY, external=9549),
    Service("webhook", lambda: Receiver(believes), "secret", SECRET, path=f"/hooks/{ORGANIZATION}"),
]
OPEN_BADGES = Service("open_badges", lambda: None, "signing_key", public_pem())
SIGNED = 400
"""Learners: enough that both relays have signed some and have some left when one is killed."""


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
            service.variable: service.secret,
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


async def test_two_relays_of_which_one_is_killed_have_each_badge_signed_once_by_a_command(
    sandbox: Bus, app_prefix: str, tmp_path: Path
) -> None:
    # given
    file = tmp_path / "catalog.yaml"
    file.write_text(OPEN_BADGES.catalog("https://badges.example.edu"))
    signing = [sys.executable, "-m", "tests.relay.signing_command", "good", str(tmp_path / "signers"), "1"]
    more = {
        OPEN_BADGES.variable: OPEN_BADGES.secret,
        "BADGES_SIGNING_COMMAND": shlex.join(signing),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    commands = on_bus(sandbox, app_prefix, catalog=file, partitions=4, **more)
    await asyncio.to_thread(commands.run, "topics", "--create", "--all")
    # when
    logs = [tmp_path / f"{name}.log" for name in "12"]
    relays = [commands.start("relay", log=log) for log in logs]
    try:
        await until(lambda: all("ready at offset" in log.read_text() for log in logs), 60)
        async with speaker(commands.parsed) as bus:
            await bus.say(Word("awarded", TEMPLATE, learner, 1) for learner in range(SIGNED))
            lost = await some_held(commands.parsed, SIGNED // 8)
            await until(lambda: len(signers(tmp_path)) >= 2, 60)
            revocations = [Word("revoked", TEMPLATE, learner, 1) for learner in lost]
            await bus.say(revocations)
            relays[0].kill()
            table = await all_done(commands.parsed, SIGNED, within=120, said=revocations)
    finally:
        for relay in relays:
            relay.stop()
    # then
    assert all(done(issuance) and not issuance.refused for issuance in table.values())
    records, credentials = await published(commands.parsed)
    assert records["credentials"] == len(credentials.documents) == SIGNED
    places = [d["credentialStatus"]["id"] for d in credentials.documents.values()]
    assert len(set(places)) == SIGNED
    assert credentials.held == {(TEMPLATE, learner) for learner in range(SIGNED)} - {
        (TEMPLATE, learner) for learner in lost
    }
    assert sum(byte.bit_count() for bits in credentials.lists.values() for byte in bits.bits) == len(lost)
    assert credentials.forged() == []
    # Also that of the relay which was killed.
    await until(lambda: not any(map(alive, signers(tmp_path))), 10)


def signers(folder: Path) -> list[int]:
    """The processes that have signed."""
    return list(map(int, (folder / "signers").read_text().split()))


async def some_held(settings: Settings, count: int) -> list[int]:
    """Wait until at least so many learners hold their badge; return some of them."""
    async with asyncio.timeout(60):
        while True:
            table: dict[str, Issuance] = await issuances(settings)
            held = [issuance.learner for issuance in table.values() if issuance.held]
            if len(held) >= count:
                return held[:count]


async def published(settings: Settings) -> tuple[Counter[str], Credentials]:
    """How many records of each kind were ever published, and what they come to."""
    names, credentials = topics(settings), Credentials()
    records = await read_topic(settings, names.credentials.name)
    for record in (*records, *await read_topic(settings, names.issuances.name)):
        credentials.take(record, names)
    return Counter(record.key.decode().partition("/")[0] for record in records), credentials

"""A real broker that lets in only clients that show both a certificate and a bearer token."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.errors import FatalError
from streams.sandbox import lms, publisher
from streams.sandbox.audit import settled
from streams.sandbox.bus import Bus
from streams.sandbox.commands import Commands
from streams.sandbox.kafka import Kafka
from streams.sandbox.publisher import Placed, Publisher
from tests.certificates import certificate
from tests.here import on_bus
from tests.sites import CATALOG

LISTENER = "listener.name.client"
MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
SESSION_MS = 1_500
"""The broker drops a client that has not logged in again for so long; at a site this is the token's life."""
SECONDS = 4
"""Of traffic: each connection is dropped twice."""

pytestmark = pytest.mark.broker


@dataclass(frozen=True, slots=True)
class Guarded:
    """The broker, a registry, and a folder with certificates and the token."""

    bus: Bus
    internal: str
    folder: Path

    def commands(self, name: str, shown: str) -> Commands:
        """The product's commands on topics that begin with `name`, showing the certificate `shown`."""
        return on_bus(
            self.bus,
            name,
            catalog=CATALOG,
            partitions=2,
            BADGES_KAFKA_SECURITY_PROTOCOL="SASL_SSL",
            BADGES_KAFKA_CA_FILE=str(self.folder / "broker.pem"),
            BADGES_KAFKA_SASL_MECHANISM="OAUTHBEARER",
            BADGES_KAFKA_PASSWORD_FILE=str(self.folder / "token"),
            **({"BADGES_KAFKA_CERT_FILE": str(self.folder / f"{shown}.pem")} if shown else {}),
            **({"BADGES_KAFKA_KEY_FILE": str(self.folder / f"{shown}.key")} if shown else {}),
        )

    def show_token(self, lasts: float) -> None:
        """Let the next connection show a token that is good for so many seconds."""
        now = time.time()
        claims = {"sub": "badges", "iat": now - 3_600, "exp": now + lasts}
        parts = (urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims))
        (self.folder / "token").write_text(".".join(part.decode().rstrip("=") for part in parts) + ".\n")


@pytest.fixture(scope="module")
def guarded(sandbox: Bus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    ours, key = certificate(folder, "broker")
    trusted, _ = certificate(folder, "trusted")
    certificate(folder, "other")
    store = folder / "store.pem"
    store.write_text(key.read_text() + ours.read_text())
    properties: dict[str, str | int] = {
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        # The broker takes tokens that nobody has signed: it tests us, not an identity provider.
        f"{LISTENER}.oauthbearer.sasl.jaas.config": f'{MODULE} required unsecuredLoginStringClaim_sub="it";',
        f"{LISTENER}.connections.max.reauth.ms": SESSION_MS,
        f"{LISTENER}.ssl.client.auth": "required",
        f"{LISTENER}.ssl.keystore.type": "PEM",
        f"{LISTENER}.ssl.keystore.location": str(store),
        f"{LISTENER}.ssl.truststore.type": "PEM",
        f"{LISTENER}.ssl.truststore.location": str(trusted),
    }
    with Kafka(properties=properties) as kafka:
        yield Guarded(Bus(kafka.bootstrap, sandbox.registry), kafka.internal, folder)


@pytest.mark.parametrize(
    ("shown", "lasts", "says"),
    [
        ("other", 60, r"refuses our certificate \(\w+\): see BADGES_KAFKA_CERT_FILE$"),
        ("", 60, r"refuses a client without a certificate \(\w+\): see BADGES_KAFKA_CERT_FILE$"),
        ("trusted", -60, r"refuses the token of BADGES_KAFKA_PASSWORD_FILE: .*invalid_token"),
    ],
    ids=["another certificate", "no certificate", "an expired token"],
)
def test_who_is_not_let_in_is_told_why_in_one_line(
    guarded: Guarded, shown: str, lasts: float, says: str
) -> None:
    guarded.show_token(lasts)

    with pytest.raises(FatalError, match=says) as ended:
        guarded.commands("refused", shown).run("topics", "--create", "--all")

    assert str(ended.value).count("\n") == 1


async def test_a_tracker_works_where_its_token_and_certificate_are_asked_for_again_and_again(
    guarded: Guarded, tmp_path: Path
) -> None:
    guarded.show_token(600)
    commands = guarded.commands("guarded", "trusted")
    await asyncio.to_thread(commands.run, "topics", "--create", "--all")
    press = Publisher(await publisher.register(guarded.bus.registry, "guarded"), "guarded", seed=1)
    emissions = list(press.publish(lms.term(1, 40)))
    placed: list[Placed] = []

    tracker = commands.start("tracker", log=tmp_path / "tracker.log")
    try:
        await publisher.emit(guarded.internal, emissions, rate=len(emissions) / SECONDS, placed=placed.extend)
        await settled(commands.parsed, placed, within=30)
        assert tracker.exit_code is None
        assert "closed" in tracker.log.read_text()
    finally:
        await asyncio.to_thread(tracker.stop)

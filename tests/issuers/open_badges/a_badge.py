"""A badge of a small issuer, signed: what the tests of Open Badges verify."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.issuers.open_badges import did, proof, status
from streams.issuers.open_badges.credential import Achievement, Badge, Profile, credential, names
from streams.issuers.open_badges.keys import KeyInMemory
from streams.issuers.open_badges.status import StatusList

URL = "https://badges.example.edu"
LIST = f"{URL}/badges/status/0-0"
TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = did.did(URL)
PROFILE = Profile(ISSUER, "Example University", URL)
ACHIEVEMENT = Achievement(
    f"{URL}/badges/achievements/1", "Diligent", "For diligence", "Pass two <courses> & more"
)


def key(seed: int = 1) -> KeyInMemory:
    return KeyInMemory(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


@dataclass
class Issuing:
    """An issuer that keeps its status list and signs by one key after the other."""

    key: KeyInMemory
    list: StatusList = field(default_factory=StatusList)

    @property
    def method(self) -> str:
        return did.method(ISSUER, self.key.public)

    def unsigned(
        self, badge: str = "badge", generation: int = 1, expires: datetime | None = None
    ) -> dict[str, Any]:
        self.list, place = self.list.take()
        taken = Badge(names(self.key, badge, generation), "Learner.Seven@Example.org", TIME, expires, LIST, place)
        return credential(f"{URL}/badges/credentials", PROFILE, ACHIEVEMENT, taken)

    def issue(self, badge: str = "badge", generation: int = 1) -> Mapping[str, Any]:
        return proof.signed(self.unsigned(badge, generation), self.key, self.method, TIME)

    def revoke(self, *places: int) -> None:
        self.list = self.list.revoke(places)

    def rotate(self, key: KeyInMemory) -> None:
        self.key = key

    def unsigned_list(self) -> dict[str, Any]:
        return status.credential(LIST, ISSUER, self.list, proof.timestamp(TIME))

    def status_list(self) -> Mapping[str, Any]:
        return proof.signed(self.unsigned_list(), self.key, self.method, TIME)

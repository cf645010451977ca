"""A small issuer at its desk: what the tests of Open Badges verify."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streams.issuers.issuer import About, Award, Cause, Desk, Evidence, Made, Signed, Wanted
from streams.issuers.open_badges import did, making
from streams.issuers.open_badges.keys import Key, read_key
from streams.issuers.outcomes import Issued, Recipient

T = TypeVar("T")

URL = "https://badges.example.edu"
ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
LIST = f"{URL}/badges/status/{ORGANIZATION}-3-0"
TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUER = did.did(URL)
ABOUT = About("Diligent", "For diligence", "Pass two <courses> & more", "https://images.example.edu/1.png")


def private(seed: int = 1) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def pem(seed: int = 1) -> str:
    return private(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(seed: int = 1) -> str:
    public = private(seed).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key(seed: int = 1) -> Key:
    return read_key(pem(seed))


def signed(steps: Signed[T], key: Key) -> T:
    """What the steps come to, signed by the key."""
    try:
        data = next(steps)
        while True:
            data = steps.send([key.sign(one) or b"" for one in data])
    except StopIteration as end:
        result: T = end.value
        return result


def award(
    badge: str = "badge",
    decision: str = "1",
    expires: datetime | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> Award:
    return Award(
        wanted=Wanted("template", ("7",), own=badge),
        recipient=Recipient("learner7", "Learner.Seven@Example.org", "Learner Seven"),
        cause=Cause(TIME, decision),
        expires_at=expires,
        notify=False,
        evidence=evidence,
    )


@dataclass
class Issuing:
    """An issuer that publishes and keeps in memory, and signs by one key after the other."""

    seed: int = 1
    number: int = 3
    jwt: bool = True
    about: About = ABOUT
    evidence: tuple[Evidence, ...] = ()
    kept: dict[str, bytes] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        return self.desk_of(key(self.seed), key(self.seed).sign(b"names") or b"")

    def desk_of(self, key: Key, secret: bytes) -> Desk:
        """The desk with any key."""
        return Desk(ORGANIZATION, "Example University", URL, self.number, self.kept, key, secret, self.jwt)

    def issue(self, badge: str = "badge", decision: str = "1", expires: datetime | None = None) -> str:
        made = self.take(making.issue(self.desk, award(badge, decision, expires, self.evidence), self.about))
        assert isinstance(made.outcome, Issued)
        return made.outcome.badge

    def revoke(self, badge: str) -> None:
        self.take(making.revoke(self.desk, badge, TIME))

    def erase(self, badge: str) -> None:
        self.take(making.erase(self.desk, badge, TIME))

    def take(self, steps: Signed[Made]) -> Made:
        return self.keep(signed(steps, key(self.seed)))

    def keep(self, made: Made) -> Made:
        """Write down what was made."""
        self.kept |= made.kept
        for name, raw in made.published.items():
            self.published[name] = None if raw is None else orjson.loads(raw)
        return made

    def credential(self, badge: str) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self.published[f"credentials/{badge}"]["document"]
        return document

    def issued(self, badge: str = "badge", decision: str = "1") -> Mapping[str, Any]:
        """The credential of a new badge."""
        return self.credential(self.issue(badge, decision))

    def keys(self) -> list[str]:
        """The public keys that have signed."""
        return [name.rpartition("/")[2] for name in self.published if name.startswith("keys/")]

    def documents(self) -> dict[str, Any]:
        """What a verifier may look at, by address."""
        lists = {
            f"{URL}/badges/{name}": value["document"]
            for name, value in self.published.items()
            if name.startswith("status/")
        }
        return {ISSUER: did.document(ISSUER, self.keys()), **lists}

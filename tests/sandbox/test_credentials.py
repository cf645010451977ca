"""What the demo's verifier says of Open Badges."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from streams.kafka.topics import topics
from streams.relay.issuance import Issuance
from streams.relay.rows import dump
from streams.sandbox.credentials import Credentials
from streams.settings import Settings
from tests.issuers.open_badges.a_badge import Issuing

NAMES = topics(Settings())
TIME = datetime(2026, 3, 14, tzinfo=UTC)


@dataclass
class Record:
    topic: str
    key: bytes
    value: bytes | None


def seen(issuing: Issuing, *held: str) -> Credentials:
    """What an issuer has published, and the issuances of learners 1, 2, … who hold these badges."""
    credentials = Credentials()
    for number, badge in enumerate(held, 1):
        issuance = Issuance("awarded", "t", number, 2, "d", TIME, held=badge)
        credentials.take(
            Record(NAMES.issuances.name, f"b{number}".encode(), orjson.dumps(dump(issuance))), NAMES
        )
    for key, value in issuing.published.items():
        raw: Any = None if value is None else orjson.dumps(value)
        credentials.take(Record(NAMES.credentials.name, key.encode(), raw), NAMES)
    return credentials


def test_a_badge_is_held_until_its_bit_is_set() -> None:
    issuing = Issuing()
    first, second = issuing.issue("a"), issuing.issue("b")
    issuing.revoke(first)

    credentials = seen(issuing, first, second, "of another issuer")

    assert credentials.held == {("t", 2)}
    assert credentials.newest == issuing.credential(second)["id"]
    assert credentials.forged() == []


def test_a_deleted_badge_is_not_held() -> None:
    issuing = Issuing()
    badge = issuing.issue("a")
    issuing.erase(badge)

    assert seen(issuing, badge).held == set()


def test_what_was_changed_and_what_another_key_has_signed_is_forged() -> None:
    issuing, forger = Issuing(), Issuing(seed=2)
    good, changed = issuing.issue("a"), issuing.issue("b")
    issuing.published[f"credentials/{changed}"]["document"]["name"] = "Something else"
    forged = forger.issue("c")
    issuing.published[f"credentials/{forged}"] = forger.published[f"credentials/{forged}"]

    assert seen(issuing, good).forged() == [changed, forged]

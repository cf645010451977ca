"""From a record of the bus to the badge event that the relay follows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from streams.badges import badge_id, decision_id
from streams.bus.reader import Event
from streams.bus.schemas import BADGE_AWARDED, BADGE_REVOKED
from streams.errors import UnreadableError
from streams.relay.badge_events import word_of
from streams.relay.issuance import desire
from streams.relay.rows import dump, load

TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
BADGE = str(badge_id(TEMPLATE, 7))
TIME = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
ADA = {"id": 7, "pii": {"username": "ada", "email": "ada@example.org", "name": "Ada Lovelace"}}
AWARDED = str(decision_id(UUID(BADGE), "awarded", 1))


@dataclass
class Record:
    """What is read of one."""

    headers: list[tuple[str, bytes]]
    value: bytes = b"value"


def read(*headers: tuple[str, bytes], type: str = BADGE_AWARDED, id: str = AWARDED, **data: Any) -> Any:
    said = {"uuid": BADGE, "template": {"uuid": TEMPLATE}, "user": ADA, **data}
    event = Event(type, id, TIME.isoformat().encode(), -1, 7, said)
    return word_of(event, Record(list(headers or [("ce_generation", b"1")])))


def decided(generation: int) -> str:
    """The id of the award of that generation."""
    return str(decision_id(UUID(BADGE), "awarded", generation))


def refused(*headers: tuple[str, bytes], **said: Any) -> str:
    """What is said of a record that our tracker cannot have written."""
    with pytest.raises(UnreadableError) as raised:
        read(*headers, **said)
    assert raised.value.reason == "bad_badge"
    return f"{raised.value} {raised.value.detail}"


@pytest.mark.parametrize(
    ("given", "generation"), [(b"1", 1), (b"007", 7), (b"0", 0), (b"9" * 18, 10**18 - 1)]
)
def test_a_generation_is_a_number_that_the_table_can_hold(given: bytes, generation: int) -> None:
    event = read(("ce_generation", given), id=decided(generation))
    assert event.generation == generation
    issuance = desire(None, event)
    assert load(orjson.loads(orjson.dumps(dump(issuance)))) == issuance


@pytest.mark.parametrize(
    ("given", "reason"),
    [("für Ada".encode(), "für Ada"), (b"x" * 501, "x" * 500), (b"\xff", "\N{REPLACEMENT CHARACTER}")],
)
def test_a_reason_is_a_text_that_the_table_can_hold(given: bytes, reason: str) -> None:
    revoked = str(decision_id(UUID(BADGE), "revoked", 1))
    event = read(("ce_generation", b"1"), ("ce_reason", given), type=BADGE_REVOKED, id=revoked)
    assert event.reason == reason


@pytest.mark.parametrize(
    "given", [b"", b"-1", b"1.0", b" 1", b"1_0", b"one", b"\xff", b"9" * 19, b"9" * 5_000]
)
def test_a_generation_that_is_none_is_unreadable(given: bytes) -> None:
    assert refused(("ce_generation", given))


def test_a_badge_event_without_a_generation_is_not_ours() -> None:
    assert "generation" in refused(("another", b"1"))


def test_of_two_generations_the_first_counts() -> None:
    headers = (("ce_generation", b"2"), ("ce_generation", b"x"))
    assert read(*headers, id=decided(2)).generation == 2


@pytest.mark.parametrize("badge", ["", "7", "ada@example.org", BADGE + "0"])
def test_a_badge_without_an_id_is_unreadable_and_not_quoted(badge: str) -> None:
    assert "ada" not in refused(uuid=badge)


@pytest.mark.parametrize("template", ["", "7", "ada@example.org"])
def test_a_template_without_an_id_is_unreadable_and_not_quoted(template: str) -> None:
    assert "ada" not in refused(template={"uuid": template})


@pytest.mark.parametrize(
    "badge", [uuid4(), badge_id(TEMPLATE, 8), badge_id("9b5a0e7e-0e5f-4d0e-9f0a-2f1c1b7d1a11", 7)]
)
def test_a_badge_of_another_learner_or_template_is_not_ours(badge: UUID) -> None:
    assert "learner" in refused(uuid=str(badge))


@pytest.mark.parametrize(
    ("said", "generation"),
    [({"id": str(uuid4())}, 1), ({"type": BADGE_REVOKED}, 1), ({}, 10**18 - 1)],
)
def test_a_decision_whose_id_is_not_its_own_is_not_ours(said: dict[str, str], generation: int) -> None:
    assert "ce_id" in refused(("ce_generation", b"%d" % generation), **said)


def test_ids_are_taken_in_one_spelling() -> None:
    event = read(id=AWARDED.upper(), uuid=BADGE.upper(), template={"uuid": TEMPLATE.upper()})
    assert (event.badge, event.template, event.decision) == (BADGE, TEMPLATE, AWARDED)

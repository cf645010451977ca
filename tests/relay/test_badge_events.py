"""From a record of the bus to the badge event that the relay follows."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.badges import Activity, Source, User
from streams.bus.schemas import BADGE_AWARDED
from streams.errors import UnreadableError
from streams.relay.badge_events import word_of
from streams.relay.issuance import desire, dump, load

BADGE = "3d3d9b0e-2f53-5a63-9b8e-8f5a4f6f2d10"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
TIME = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
ADA = User(7, True, "ada", "ada@example.org", "Ada Lovelace")
ACTIVITY = Activity(
    type=BADGE_AWARDED,
    id="c0ffee00-0000-4000-8000-000000000001",
    time=TIME,
    learner=7,
    user=ADA,
    data={"uuid": BADGE, "template": {"uuid": TEMPLATE}},
    source=Source("badges", 0, 1),
)


@dataclass
class Record:
    """What is read of one."""

    headers: list[tuple[str, bytes]]
    value: bytes = b"value"


def read(*headers: tuple[str, bytes], **data: Any) -> Any:
    activity = replace(ACTIVITY, data={**ACTIVITY.data, **data})
    return word_of(activity, Record(list(headers)))


@pytest.mark.parametrize(
    ("given", "generation"), [(b"1", 1), (b"007", 7), (b"0", 0), (b"9" * 18, 10**18 - 1), (None, None)]
)
def test_a_generation_is_a_number_that_the_table_can_hold(
    given: bytes | None, generation: int | None
) -> None:
    event = read(*([] if given is None else [("ce_generation", given)]))
    assert event.generation == generation
    issuance = desire(None, event)
    assert load(orjson.loads(orjson.dumps(dump(issuance)))) == issuance


@pytest.mark.parametrize(
    "given", [b"", b"-1", b"1.0", b" 1", b"1_0", b"one", b"\xff", b"9" * 19, b"9" * 5_000]
)
def test_a_generation_that_is_none_is_unreadable(given: bytes) -> None:
    with pytest.raises(UnreadableError) as raised:
        read(("ce_generation", given))
    assert raised.value.reason == "bad_badge"


def test_of_two_generations_the_first_counts() -> None:
    assert read(("ce_generation", b"2"), ("ce_generation", b"x")).generation == 2


@pytest.mark.parametrize("badge", ["", "7", "ada@example.org", BADGE + "0"])
def test_a_badge_without_an_id_is_unreadable_and_not_quoted(badge: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        read(uuid=badge)
    assert "ada" not in f"{raised.value} {raised.value.detail}"


def test_ids_are_taken_in_one_spelling() -> None:
    event = read(uuid=BADGE.upper(), template={"uuid": TEMPLATE.upper()})
    assert (event.badge, event.template) == (BADGE, TEMPLATE)

"""What is wrong with the badge events that come back to Redis is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.sandbox.returned import Entry, as_entry, compare
from tests.bus.memory import record_of
from tests.bus.messages import message

AWARDED = record_of(message("badge_awarded.credly"), offset=1)
REVOKED = replace(record_of(message("badge_revoked.credly"), offset=2), key=AWARDED.key)
OTHER = replace(AWARDED, key=b"other", value=(AWARDED.value or b"") + b"\0", offset=3)
SENT = [AWARDED, REVOKED, OTHER]
GOOD = [as_entry(record) for record in SENT]


def faults(found: list[Entry]) -> set[str]:
    return {name.removesuffix(" on Redis") for name, ids in compare(SENT, found).items() if ids}


def test_what_came_back_once_and_in_order_has_no_fault() -> None:
    assert faults(GOOD) == set()


def test_the_order_of_different_badges_does_not_matter() -> None:
    assert faults([GOOD[2], GOOD[0], GOOD[1]]) == set()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda found: found[1:], {"badge events missing"}),
        (lambda found: [*found, found[0]], {"badge events double"}),
        (lambda found: [found[1], found[0], found[2]], {"badge events out of order"}),
        (
            lambda found: [found[0][:-1], *found[1:]],
            {"badge events missing", "badge events changed"},
        ),
    ],
)
def test_each_fault_is_found(spoil: Callable[[list[Entry]], list[Entry]], said: set[str]) -> None:
    assert faults(spoil(GOOD)) == said


def test_an_entry_has_the_eight_fields_and_no_frame() -> None:
    names = [name for name, _ in GOOD[0]]

    assert names == ["type", "id", "source", "time", "minorversion", "sourcehost", "sourcelib", "event_data"]
    assert dict(GOOD[0])["event_data"] == message("badge_awarded.credly").avro

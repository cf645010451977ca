"""A pending badge is in one place, and comes out of it when what it waits for happens."""

from dataclasses import dataclass, field

import pytest

from streams.issuers.outcomes import Issued
from streams.relay.issuance import desire, learned
from streams.relay.steps import Issue
from streams.relay.waiting import Pending, Waiting
from tests.relay.virtual import EPOCH
from tests.relay.world import (
    ORGANIZATION,
    OTHER_ORGANIZATION,
    OTHER_TEMPLATE,
    TEMPLATE,
    badge_id,
    event,
    recipient,
)

BADGE = badge_id(1).encode()
DESIRED = desire(None, event("awarded"))
HELD = learned(DESIRED, Issue(recipient(1), EPOCH), Issued("c-1", "pending"), EPOCH)


@dataclass
class Place:
    """A room of waiting badges under a catalog that can change; it notes what was queued."""

    catalog: dict[str, str] = field(default_factory=lambda: {TEMPLATE: ORGANIZATION})
    queued: list[str] = field(default_factory=list)
    rescheduled: int = 0

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.catalog.get, self.queued.append, self._count)

    def taken(self, organization: str = ORGANIZATION) -> Pending:
        taken = self.waiting.take(organization)
        assert taken is not None
        return taken[1]

    def _count(self) -> None:
        self.rescheduled += 1


@pytest.fixture
def here() -> Place:
    return Place()


def test_a_badge_is_taken_once_however_often_it_is_filed(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.file(BADGE, DESIRED)
    assert here.queued == [ORGANIZATION]
    assert here.taken().place == "busy"
    assert here.waiting.take(ORGANIZATION) is None


def test_what_the_bus_says_of_a_busy_badge_is_remembered_for_afterwards(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    pending = here.taken()
    here.waiting.file(BADGE, DESIRED)
    assert pending.again
    assert here.waiting.take(ORGANIZATION) is None
    here.waiting.back_in_line(BADGE)
    assert here.taken() is pending


def test_a_badge_with_nothing_left_to_do_is_not_pending(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.file(BADGE, HELD)
    assert here.waiting.census().pending == {}
    # Its entry in the queue is stale.
    assert here.waiting.take(ORGANIZATION) is None


def test_a_badge_that_was_put_off_is_queued_when_its_time_has_come(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.put_off(BADGE, here.taken(), until=10.0)
    assert here.rescheduled == 1
    assert here.waiting.next_at == 10.0
    assert list(here.waiting.wake(9.9)) == []
    assert here.waiting.take(ORGANIZATION) is None
    assert list(here.waiting.wake(10.0)) == []
    assert here.taken().place == "busy"
    assert here.waiting.next_at == float("inf")


def test_a_word_of_the_bus_ends_the_waiting_for_a_time_at_once(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.put_off(BADGE, here.taken(), until=10.0)
    here.waiting.file(BADGE, DESIRED)
    here.taken()
    # and the time that comes then takes nothing out of its hands
    assert list(here.waiting.wake(10.0)) == []
    assert here.waiting.take(ORGANIZATION) is None


def test_parked_badges_wait_for_their_template_which_is_named_once(here: Place) -> None:
    others = [badge_id(learner).encode() for learner in (1, 2)]
    for badge, learner in zip(others, (1, 2), strict=True):
        here.waiting.file(badge, desire(None, event("awarded", learner)))
        here.waiting.park(badge, here.taken(), look_at=30.0)
    assert here.waiting.census().parked == {TEMPLATE: 2}
    assert list(here.waiting.wake(30.0)) == [TEMPLATE]
    here.waiting.look_again(TEMPLATE, 60.0)
    assert list(here.waiting.wake(60.0)) == [TEMPLATE]
    here.waiting.release(TEMPLATE)
    assert not here.waiting.has_parked(TEMPLATE)
    assert [here.taken().place, here.taken().place] == ["busy", "busy"]
    # Nobody looks at a template without parked badges.
    here.waiting.look_again(TEMPLATE, 90.0)
    assert here.waiting.next_at == float("inf")


def test_a_badge_that_lacks_something_waits_until_it_is_filed_again_or_another_catalog_comes(
    here: Place,
) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.hold(here.taken())
    assert here.waiting.take(ORGANIZATION) is None
    here.waiting.file(BADGE, DESIRED)
    here.waiting.hold(here.taken())
    here.waiting.catalog_changed()
    assert here.taken().place == "busy"


def test_a_badge_whose_template_the_catalog_lacks_waits_for_another_catalog(here: Place) -> None:
    here.waiting.file(
        badge_id(1, OTHER_TEMPLATE).encode(), desire(None, event("awarded", template=OTHER_TEMPLATE))
    )
    assert here.queued == []
    assert here.waiting.census().pending == {"": 1}
    here.catalog[OTHER_TEMPLATE] = OTHER_ORGANIZATION
    here.waiting.catalog_changed()
    assert here.queued == [OTHER_ORGANIZATION]
    assert here.taken(OTHER_ORGANIZATION).template == OTHER_TEMPLATE


def test_queued_badges_move_with_their_template_and_busy_ones_stay_where_they_are(here: Place) -> None:
    second = badge_id(2).encode()
    here.waiting.file(BADGE, DESIRED)
    here.waiting.file(second, desire(None, event("awarded", 2)))
    here.taken()
    here.catalog[TEMPLATE] = OTHER_ORGANIZATION
    here.waiting.catalog_changed()
    assert here.waiting.take(ORGANIZATION) is None
    taken = here.waiting.take(OTHER_ORGANIZATION)
    assert taken is not None
    assert taken[0] == second
    assert here.waiting.take(OTHER_ORGANIZATION) is None


def test_when_everything_is_let_go_of_nothing_waits(here: Place) -> None:
    here.waiting.file(BADGE, DESIRED)
    here.waiting.put_off(BADGE, here.taken(), until=10.0)
    here.waiting.clear()
    assert here.waiting.census().pending == {}
    assert here.waiting.next_at == float("inf")

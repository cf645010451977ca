"""A learner is forgotten: their badges are deleted at Credly, then in the table."""

import pytest

from streams.sandbox.credly import Fault
from tests.relay.world import OTHER_TEMPLATE, TEMPLATE, World, event, in_world


def nothing_is_left(here: World, learner: int) -> bool:
    rows = [issuance for _, issuance in here.store.scan() if issuance.learner == learner]
    return not rows and all(badge.earner != str(learner) for badge in here.credly.badges.values())


@in_world()
async def test_the_badges_of_a_forgotten_learner_are_deleted_and_nobody_elses(here: World) -> None:
    here.say(event("awarded", 1), event("awarded", 1, template=OTHER_TEMPLATE), event("awarded", 2))
    await here.settled()
    here.forget(1)
    await here.settled()
    assert nothing_is_left(here, 1)
    assert here.held() == [(TEMPLATE, "2")]


@in_world()
async def test_a_revoked_badge_is_deleted_too(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.say(event("revoked"))
    await here.settled()
    assert len(here.credly.badges) == 1
    here.forget(1)
    await here.settled()
    assert nothing_is_left(here, 1)


@in_world()
async def test_a_badge_whose_issue_is_in_flight_is_deleted_once_it_is_there(here: World) -> None:
    here.credly.schedule([Fault("slow_before", call="issue", seconds=10)])
    here.say(event("awarded"))
    await here.until(lambda: here.issuance().doubt is not None)
    here.forget(1)
    await here.settled()
    assert [entry.call for entry in here.calls("issue", "erase") if entry.done] == ["issue", "erase"]
    assert nothing_is_left(here, 1)


@in_world()
async def test_a_badge_that_was_never_issued_only_leaves_the_table(here: World) -> None:
    here.credly.schedule([Fault("error", call="issue", status=422)])
    here.say(event("awarded"))
    await here.settled()
    here.forget(1)
    await here.settled()
    assert nothing_is_left(here, 1)
    assert here.calls("erase") == []


@pytest.mark.parametrize("kind", ["error", "lost", "reset_before", "reset_after"])
@in_world()
async def test_deleting_is_tried_until_it_is_done(here: World, kind: str) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.credly.schedule([Fault(kind, call="erase", last=3)])  # type: ignore[arg-type]
    here.forget(1)
    await here.settled()
    assert nothing_is_left(here, 1)


@in_world()
async def test_a_forgotten_badge_is_still_forgotten_by_the_next_worker(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.credly.schedule([Fault("error", last=2)])
    here.forget(1)
    here.restart()
    await here.settled()
    assert nothing_is_left(here, 1)


@in_world()
async def test_what_credly_will_not_delete_stays_with_its_words_until_the_learner_is_forgotten_again(
    here: World,
) -> None:
    here.say(event("awarded"), event("awarded", 2))
    await here.settled()
    here.credly.schedule([Fault("error", call="erase", status=403, last=1)])
    here.forget(1)
    await here.settled()
    assert here.issuance().refused.startswith("403")
    assert not any(organization.held for organization in here.organizations)
    here.forget(1)
    await here.settled()
    assert nothing_is_left(here, 1)


@in_world()
async def test_a_learner_who_earns_the_badge_anew_gets_it_anew(here: World) -> None:
    here.say(event("awarded"))
    await here.settled()
    here.forget(1)
    await here.settled()
    here.say(event("awarded"))
    await here.settled()
    assert here.held() == [(TEMPLATE, "1")]

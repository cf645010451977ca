"""What a site takes, computed from what was measured."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.bench.scale import PAGE, SIZES, page, read_checked, read_costs
from tests.bench.sizing import Costs, Load, Site

COSTS = Costs(
    start_s=1.5,
    worker_mib=80,
    busy_mib=200,
    learner_bytes=1_000,
    learner_memory=1_200,
    read_rate=500_000,
    event_us=50,
    activity_bytes=600,
    badge_bytes=800,
    issuance_bytes=400,
    issuance_memory=600,
    waiting_memory=2_000,
)


def site(learners: int, costs: Costs = COSTS, **load: float) -> Site:
    return Site(learners, costs, replace(Load(), **load))


def test_the_page_is_what_its_own_costs_come_to() -> None:
    text = PAGE.read_text()

    assert page(read_costs(text), Load(), read_checked(text)) == text


def test_a_cost_that_the_page_does_not_have_is_named() -> None:
    text = PAGE.read_text().replace("`read_rate`", "`rate`")

    with pytest.raises(ValueError, match=r"no figure for read_rate$"):
        read_costs(text)


@pytest.mark.parametrize(
    "need",
    [
        lambda site: site.partitions,
        lambda site: site.trackers,
        lambda site: site.cold_start_s,
        lambda site: site.relays,
        lambda site: site.disk,
        lambda site: site.written,
    ],
    ids=["partitions", "trackers", "cold start", "relays", "disk", "written"],
)
def test_more_learners_never_need_less(need: Callable[[Site], float]) -> None:
    found = [need(site(learners)) for learners in SIZES]

    assert found == sorted(found)
    assert found[-1] > found[0]


def test_trackers_have_room_for_all_learners_while_one_is_missing() -> None:
    for learners in SIZES:
        assert site(learners).tracker_mib <= 4_096
    heavy = replace(COSTS, learner_memory=100 * COSTS.learner_memory)
    assert site(100_000, heavy).trackers == site(10_000_000).trackers > 2


def test_where_each_event_is_dear_the_processor_asks_for_trackers() -> None:
    busy = site(1_000_000, replace(COSTS, event_us=50_000))

    assert busy.peak == pytest.approx(57.87, abs=0.01)
    assert busy.trackers == 1 + 6


def test_a_start_from_nothing_is_no_faster_than_the_brokers_send() -> None:
    few, many = site(50_000_000), site(50_000_000, replace(COSTS, learner_memory=12_000))

    assert many.trackers > 2 * few.trackers
    assert many.cold_start_s == few.cold_start_s > 2 * 50_000_000 * 1_000 / 3e9

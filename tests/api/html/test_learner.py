"""How far a learner is, as her page has it."""

import pytest

from streams.api.html.learner import Group, Path, Step
from streams.api.models import TemplateSummary

TEMPLATE = TemplateSummary(id="t", name="T", description=None, image_url=None)


def step(counted: int, count: int = 1, text: str = "") -> Step:
    return Step(text, counted >= count, counted, count)


def group(*steps: Step, at_least: int | None = None) -> Group:
    least = len(steps) if at_least is None else at_least
    return Group(least, sum(one.fulfilled for one in steps) >= least, steps)


def path(*groups: Group) -> Path:
    return Path(TEMPLATE, 1, groups)


@pytest.mark.parametrize(
    ("way", "percent"),
    [
        (path(group(step(0))), 0),
        (path(group(step(1)), group(step(0))), 50),
        (path(group(step(2, 5))), 40),
        (path(group(step(1), step(0), step(0), at_least=2)), 50),
        (path(group(step(1), step(1), step(0), at_least=2)), 100),
        (path(group(step(999, 1_000))), 99),
        (path(group(Step("", False, 3, 3))), 99),  # counted, but not within its window
        (path(group(step(1))), 100),
    ],
)
def test_a_bar_is_full_at_the_end_and_not_before(way: Path, percent: int) -> None:
    assert way.percent == percent


def test_what_is_next_is_the_nearest_of_the_first_group_that_lacks_one() -> None:
    done, far, near, later = step(1), step(1, 5, "far"), step(3, 4, "near"), step(0, 1, "later")

    way = path(group(done), group(far, near, at_least=1), group(later))

    assert way.next == near
    assert path(group(done)).next is None

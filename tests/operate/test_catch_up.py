"""What is given again of the past: to whom it concerns, with the templates that see it."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from streams.badges import Catalog
from streams.catalog import load_catalog
from streams.errors import UnreadableError
from streams.operate.catch_up import given_again
from tests.operate.test_simulate import PASSING, TEMPLATE, activity, catalog

RULES = [{"path": "is_passing", "operator": "eq", "value": True}]
USER: dict[str, Any] = {"id": 7, "is_active": True, "pii": {"username": "a", "email": "", "name": ""}}


def compiled() -> Catalog:
    requirement = {"id": "any", "event_type": PASSING, "rules": RULES}
    return load_catalog(orjson.dumps(catalog(requirements=[requirement]))).compiled


def given(
    value: object, templates: str = TEMPLATE, since: datetime | None = None
) -> tuple[bytes, Any] | None:
    pair = given_again(orjson.dumps(value), frozenset({templates}), compiled(), since)
    return None if pair is None else (pair[0], orjson.loads(pair[1]))


def test_what_concerns_the_templates_is_given_to_them_under_the_learners_key() -> None:
    passed = activity(user=USER, is_passing=True)

    assert given(passed) == (b"7", passed | {"catch_up": [TEMPLATE]})


def test_whom_a_recording_named_before_is_named_no_more() -> None:
    again = given(activity(user=USER, is_passing=True) | {"catch_up": True})

    assert again is not None
    assert again[1]["catch_up"] == [TEMPLATE]


def test_what_concerns_none_of_the_templates_is_not_given() -> None:
    assert given(activity(user=USER, is_passing=False)) is None
    assert given(activity(user=USER, is_passing=True), "another") is None


@pytest.mark.parametrize(("year", "counts"), [(2025, True), (2026, True), (2027, False)])
def test_what_was_before_the_time_is_not_given(year: int, counts: bool) -> None:
    found = given(activity(user=USER, is_passing=True), since=datetime(year, 1, 1, tzinfo=UTC))

    assert (found is not None) == counts


@pytest.mark.parametrize("value", [[], {"order": "award"}, {"type": PASSING}, activity(user={"id": "7"})])
def test_what_is_no_activity_is_unreadable(value: object) -> None:
    with pytest.raises(UnreadableError):
        given(value)

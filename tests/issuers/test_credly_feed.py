"""Credly's feed, page by page, against the simulator and against answers of no Credly."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from streams.issuers.credly.issuer import CREDLY
from streams.issuers.credly.requests import authorization
from streams.issuers.http import Answer
from streams.issuers.issuer import Call, Known, Steps
from streams.issuers.outcomes import (
    FeedOutcome,
    FeedPage,
    Happened,
    KeyRefused,
    Occurrence,
    Throttled,
    Unsupported,
)
from streams.sandbox.credly import CredlySimulator, Manners
from streams.sandbox.credly.manners import KIND
from streams.sandbox.issuers.faults import Fault

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
KEY = "3xampleKey-0123456789"
NOW = datetime(2026, 3, 14, 15, tzinfo=UTC)


class Site:
    """A simulator in which something happens each second."""

    def __init__(self, manners: Manners = KIND) -> None:
        self.seconds = 0.0
        self.credly = CredlySimulator(now=lambda: NOW.timestamp() + self.seconds, manners=manners)
        self.credly.add_organization(ORGANIZATION, KEY)
        self.asked: list[str] = []

    def happens(self, count: int, type: str = "badge.state.changed") -> None:
        for _ in range(count):
            self.seconds += 1
            badge = {"id": f"badge {self.seconds:.0f}", "state": "revoked", "issuer_earner_id": "42"}
            self.credly.tell(ORGANIZATION, type, badge)

    def read(self, known: Known | None = None) -> FeedOutcome:
        return self.drive(CREDLY.feed(ORGANIZATION, known))

    def drive(self, steps: Steps[FeedOutcome]) -> FeedOutcome:
        outcome = None
        while True:
            try:
                call = steps.send(outcome)
            except StopIteration as end:
                result: FeedOutcome = end.value
                return result
            self.asked.append(call.request.path.partition("/events")[2])
            reply = self.credly.handle("GET", call.request.path, {"Authorization": authorization(KEY)}, b"")
            outcome = call.outcome(Answer(reply.status, dict(reply.headers), reply.body), NOW)


def happened(outcome: FeedOutcome) -> Happened:
    assert isinstance(outcome, Happened), outcome
    return outcome


def known(outcome: FeedOutcome) -> Known:
    return Known(frozenset(of.id for of in happened(outcome).occurrences))


def test_an_event_says_what_happened_to_which_badge_of_whom() -> None:
    site = Site()
    site.happens(1)
    [one] = happened(site.read()).occurrences

    assert (one.event, one.badge, one.state, one.earner) == ("state_changed", "badge 1", "revoked", "42")
    assert one.at == NOW + timedelta(seconds=1)
    assert site.asked == ["?page=1"]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_it_is_read_back_to_what_is_known_and_no_further(oldest_first: bool) -> None:
    site = Site(Manners(feed_oldest_first=oldest_first))
    site.happens(400)
    first = site.read()
    site.happens(30)
    site.asked.clear()
    second = happened(site.read(known(first)))

    assert [of.badge for of in second.occurrences] == [f"badge {n}" for n in range(401, 431)]
    assert second.joins
    assert site.asked == (["?page=1", "?page=9", "?page=8"] if oldest_first else ["?page=1", "?page=2"])


def test_what_an_event_in_the_list_does_not_say_is_asked_for_where_it_matters() -> None:
    site = Site(Manners(feed_tells=False))
    site.happens(1, "badge.created")
    site.happens(1, "badge.privacy.changed")
    site.happens(1)
    found = happened(site.read()).occurrences

    assert [(of.event, of.badge) for of in found] == [
        ("created", ""),
        ("privacy_changed", ""),
        ("state_changed", "badge 3"),
    ]
    assert site.asked == ["?page=1", f"/{found[2].id}"]


def test_an_event_of_which_nothing_more_can_be_had_is_unreadable() -> None:
    site = Site()
    site.credly.tell(ORGANIZATION, "badge.state.changed", {})

    assert [of.event for of in happened(site.read()).occurrences] == ["unreadable"]


def test_a_feed_that_no_longer_holds_what_is_known_does_not_join_it() -> None:
    site = Site(Manners(feed_keeps=5))
    site.happens(5)
    first = known(site.read())
    site.happens(4)
    assert happened(site.read(first)).joins
    site.happens(1)
    assert not happened(site.read(first)).joins
    site.credly.manners = replace(site.credly.manners, feed_lag=1e6)
    assert happened(site.read(first)).joins, "nothing is missing where nothing is said"


def test_the_first_look_does_not_go_back_for_ever() -> None:
    site = Site()
    site.happens(1_100)
    assert len(happened(site.read()).occurrences) == 1_000


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(401), KeyRefused),
        (Answer(429), Throttled),
        (Answer(403), Unsupported),
        (Answer(404), Unsupported),
        (Answer(502, body=b"<html>"), Unsupported),
        (Answer(200, body=b"<html>"), Unsupported),
        (Answer(200, body=b'{"data": {}}'), Unsupported),
        (Answer(302), Unsupported),
    ],
)
def test_a_feed_that_cannot_be_read_says_nothing_of_other_calls(answer: Answer, outcome: type[Any]) -> None:
    call = next(CREDLY.feed(ORGANIZATION, None))
    assert isinstance(call.outcome(answer, NOW), outcome)


def test_a_list_that_never_ends_is_left() -> None:
    steps = CREDLY.feed(ORGANIZATION, None)
    call: Call[Any] | None = next(steps)
    pages = 0
    while call is not None:
        pages += 1
        item = {"id": str(pages), "event_type": "badge.created", "occurred_at": NOW.isoformat()}
        metadata = {"current_page": pages, "total_pages": 10**8}
        body = orjson.dumps({"data": [item], "metadata": metadata})
        try:
            call = steps.send(call.outcome(Answer(200, body=body), NOW))
        except StopIteration:
            call = None
    assert pages == 20


@pytest.mark.parametrize(("times", "event"), [(1, "state_changed"), (2, "unreadable")])
def test_an_event_that_alone_cannot_be_asked_for_holds_up_no_other(times: int, event: str) -> None:
    site = Site(Manners(feed_tells=False))
    site.happens(3)
    first = happened(site.read()).occurrences[0]
    site.credly.schedule([Fault("error", call="feed", contains=first.id, status=500, last=times)])
    found = happened(site.read()).occurrences

    assert [of.event for of in found] == [event, "state_changed", "state_changed"]
    site.credly.schedule([Fault("error", call="feed", contains="/events/", status=500)])
    assert isinstance(site.read(), Unsupported)


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-14T15:00:00.000Z",
        "2026-03-14T10:00:00-05:00",
        "2026-03-14 10:00:00 -0500",
        "2026-03-14 15:00:00 UTC",
        "2026-03-14T15:00:00",
    ],
)
@pytest.mark.parametrize("type", ["badge.state.changed", "badge.state_changed"])
def test_a_time_is_read_in_every_form_that_was_seen(time: str, type: str) -> None:
    item = {"id": 7, "event_type": type, "occurred_at": time, "badge": {"id": "b", "state": "revoked"}}
    call = next(CREDLY.feed(ORGANIZATION, None))
    page = call.outcome(Answer(200, body=orjson.dumps({"data": [item]})), NOW)

    assert isinstance(page, FeedPage)
    assert page.occurrences == (Occurrence("7", "state_changed", NOW, "b", "revoked"),)

"""Credly's side without any network: requests, and each outcome by a recorded answer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.issuers import outcomes
from streams.issuers.credly import requests
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.http import LONGEST_WAIT, Answer, NoAnswer
from streams.issuers.issuer import Award, Call, Cause, Evidence, Revocation, Steps, Wanted
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    Deferred,
    Erased,
    Forbidden,
    Found,
    Issued,
    KeyExpiry,
    KeyRefused,
    KeyWorks,
    Recipient,
    Refused,
    Revoked,
    TemplateActive,
    TemplateUnavailable,
    Throttled,
    Unsupported,
)
from streams.issuers.words import WORDS

T = TypeVar("T")

ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
BADGE = "c0ffee00-0000-4000-8000-000000000001"
KEY = "3xampleKey-0123456789"
EMAIL = "ada@example.org"
ADA = Recipient("ada", EMAIL, "Ada Lövelace")
TIME = datetime(2026, 3, 14, 15, 9, 26, 535897, UTC)
NOW = datetime(2026, 3, 14, 15, 10, 0, tzinfo=UTC)
OUTCOMES = tuple(get_origin(one) or one for one in get_args(outcomes.Outcome))
HTML = b"<!DOCTYPE html><html><head><title>502 Bad&#160;Gateway</title></head><body>nginx</body></html>"


def wanted(*addresses: str) -> Wanted:
    return Wanted(TEMPLATE, ("42",), addresses=addresses or (EMAIL,))


UNIQUE = Wanted(TEMPLATE, ("42",), unique=True)
HELD = Wanted(TEMPLATE, ("42",), badge=BADGE)


def revocation(notify: bool, reason: str = "") -> Revocation:
    return Revocation(HELD, Cause(TIME), notify, reason)


def issue(
    who: Recipient = ADA, expires_at: datetime | Literal[False] | None = None, notify: bool = True
) -> Call[Any]:
    return next(CREDLY.issue(ORGANIZATION, Award(wanted(), who, Cause(TIME), expires_at, notify)))


def body_of(call: Call[Any]) -> dict[str, object]:
    request = call.request
    assert request.body is not None
    document = orjson.loads(request.body)
    assert isinstance(document, dict)
    return document


def answer(status: int, document: object = None, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def said(message: str) -> dict[str, object]:
    return {"data": {"message": message}, "metadata": {}}


def listed(*badges: dict[str, object]) -> dict[str, object]:
    return {"data": list(badges), "metadata": {"count": len(badges), "current_page": 1, "total_pages": 1}}


def badge(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "id": BADGE,
        "state": "accepted",
        "issuer_earner_id": "42",
        "recipient_email": EMAIL,
        "badge_template": {"id": TEMPLATE, "name": "Stream Master", "skills": ["kafka"]},
        "a_field_of_tomorrow": {"nested": True},
    }
    return document | changes


def outcome_of(call: Call[Any], answered: Answer | NoAnswer) -> outcomes.Outcome:
    secrets = (KEY, requests.authorization(KEY).removeprefix("Basic "))
    outcome: outcomes.Outcome = call.outcome(answered, NOW, secrets)
    return outcome


def issued(answered: Answer | NoAnswer) -> outcomes.Outcome:
    return outcome_of(issue(), answered)


def through(steps: Steps[T], *answers: Answer | NoAnswer) -> T:
    """What steps come to when their calls are answered so; answers that they do not ask for stay unused."""
    outcome = None
    for answered in (*answers, None):
        try:
            call = steps.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        assert answered is not None, f"there is no answer to {call.request}"
        outcome = outcome_of(call, answered)
    raise AssertionError("the last answer ends the loop")


def looked_up(*answers: Answer | NoAnswer, by_email: bool = False) -> outcomes.LookUpOutcome:
    """By e-mail: after the earner has not been found."""
    steps = CREDLY.look_up(ORGANIZATION, wanted() if by_email else UNIQUE)
    return through(steps, *([answer(200, listed())] * by_email), *answers)


# Requests.


def test_an_issue_carries_what_credly_needs() -> None:
    call = issue()
    request = call.request
    assert (request.method, request.path) == ("POST", f"/v1/organizations/{ORGANIZATION}/badges")
    assert body_of(call) == {
        "recipient_email": EMAIL,
        "issued_to_first_name": "Ada",
        "issued_to_last_name": "Lövelace",
        "badge_template_id": TEMPLATE,
        "issued_at": "2026-03-14 15:09:26 +0000",
        "issuer_earner_id": "42",
        "suppress_badge_notification_email": False,
    }
    assert request.headers == {"Accept": "application/json", "Content-Type": "application/json"}


def test_the_template_decides_about_e_mails_and_expiry() -> None:
    body = body_of(issue(expires_at=TIME.replace(year=2028), notify=False))
    assert body["suppress_badge_notification_email"] is True
    assert body["expires_at"] == "2028-03-14 15:09:26 +0000"
    assert body_of(issue(expires_at=False))["expires_at"] is False


@pytest.mark.parametrize(("notify", "suppressed"), [(True, False), (False, True)])
def test_a_revocation_gives_a_reason_and_says_whether_to_tell_the_earner(
    notify: bool, suppressed: bool
) -> None:
    call = next(CREDLY.revoke(ORGANIZATION, revocation(notify=notify)))
    assert (call.request.method, call.request.path) == (
        "PUT",
        f"/v1/organizations/{ORGANIZATION}/badges/{BADGE}/revoke",
    )
    body = body_of(call)
    assert body["reason"]
    assert body["suppress_revoke_notification_email"] is suppressed


@pytest.mark.parametrize(("reason", "said"), [("a mistake", "a mistake"), (" ", requests.REVOCATION_REASON)])
def test_a_revocation_by_order_gives_the_operators_reason(reason: str, said: str) -> None:
    call = next(CREDLY.revoke(ORGANIZATION, revocation(notify=True, reason=reason)))
    assert body_of(call)["reason"] == said


def test_a_look_up_asks_for_held_badges_of_the_template_and_earner() -> None:
    request = next(CREDLY.look_up(ORGANIZATION, wanted(EMAIL))).request
    query = parse_qs(urlsplit(request.path).query)
    assert query == {
        "filter": [f"issuer_earner_id::42|badge_template_id::{TEMPLATE}|state::pending,accepted"]
    }
    assert request.body is None


def test_a_look_up_by_e_mail_survives_a_plus_and_gives_up_on_filter_signs() -> None:
    nothing = answer(200, listed())
    steps = CREDLY.look_up(ORGANIZATION, wanted("ada+a&b@example.org"))
    by_email = steps.send(outcome_of(next(steps), nothing))
    [asked] = parse_qs(urlsplit(by_email.request.path).query)["filter"]
    assert asked.startswith("recipient_email_all::ada+a&b@example.org|")
    for email in ("a|b@example.org", "a,b@example.org", " "):
        assert through(CREDLY.look_up(ORGANIZATION, wanted(email)), nothing) == Absent()


def test_a_trace_asks_in_every_state_and_by_the_earner_alone() -> None:
    steps = CREDLY.trace(ORGANIZATION, UNIQUE)
    [asked] = parse_qs(urlsplit(next(steps).request.path).query)["filter"]
    assert asked == f"issuer_earner_id::42|badge_template_id::{TEMPLATE}"
    for state in ("accepted", "revoked", "rejected"):
        found = through(CREDLY.trace(ORGANIZATION, UNIQUE), answer(200, listed(badge(state=state))))
        assert found == Found(BADGE, state)


def test_an_identifier_never_leaves_its_place_in_the_path() -> None:
    assert (
        next(CREDLY.template("../admin", "a/b?c")).request.path
        == "/v1/organizations/..%2Fadmin/badge_templates/a%2Fb%3Fc"
    )


def test_the_key_is_the_user_name_and_the_password_is_empty() -> None:
    assert CREDLY.headers("TOKEN", requests.organization(ORGANIZATION), NOW) == {
        "Authorization": "Basic VE9LRU46"
    }


@pytest.mark.parametrize(
    ("environment", "url", "base"),
    [
        ("production", None, "https://api.credly.com"),
        ("sandbox", None, "https://sandbox-api.credly.com"),
        ("production", "http://localhost:8090/", "http://localhost:8090"),
        ("production", "http://localhost:8090/v1/", "http://localhost:8090"),
    ],
)
def test_each_environment_has_its_base(environment: str, url: str | None, base: str) -> None:
    assert CREDLY.base_url(environment, url) == base


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ada Lovelace", "Ada", "Lovelace"),
        ("Ada Augusta King Lovelace", "Ada", "Augusta King Lovelace"),
        ("  Ada \t Lovelace\n", "Ada", "Lovelace"),
        ("Plato", "Plato", "Plato"),
        ("山田 太郎", "山田", "太郎"),
        ("山田\u3000太郎", "山田", "太郎"),
        ("山田太郎", "山田太郎", "山田太郎"),
        ("محمد بن موسى الخوارزمي", "محمد", "بن موسى الخوارزمي"),
        ("می‌خواهم نام", "می‌خواهم", "نام"),
        ("", "ada99", "ada99"),
        (" \t ", "ada99", "ada99"),
        ("\u200b", "ada99", "ada99"),
        ("\u200b Lovelace", "Lovelace", "Lovelace"),
        ("Ada \u200f", "Ada", "Ada"),
        ("Ada\x00Lovelace", "Ada", "Lovelace"),
    ],
)
def test_a_full_name_becomes_a_first_and_a_last_one(name: str, first: str, last: str) -> None:
    assert requests.names(Recipient("ada99", EMAIL, name)) == (first, last)


@given(st.text(), st.text(min_size=1).filter(lambda text: text.isprintable() and not text.isspace()))
def test_no_part_of_a_name_is_ever_empty(name: str, username: str) -> None:
    first, last = requests.names(Recipient(username, EMAIL, name))
    for part in (first, last):
        assert any(sign.isprintable() and not sign.isspace() for sign in part)


@given(st.text(), st.text(min_size=1))
def test_a_login_is_never_shown_where_a_name_is_there(name: str, username: str) -> None:
    login = f"login-{username}"
    shown = " ".join(requests.names(Recipient(login, EMAIL, name)))
    assert ("login-" in shown) == (not requests.names(Recipient("", EMAIL, name))[0])


@pytest.mark.parametrize(
    ("who", "lacking"),
    [
        (ADA, ""),
        (Recipient("ada", EMAIL, ""), ""),
        (Recipient("", EMAIL, "Ada"), ""),
        (Recipient("ada", " ", "Ada"), "the learner's e-mail address is not known"),
        (None, "the learner's e-mail address is not known"),
        (Recipient("", EMAIL, ""), "the learner's name is not known"),
    ],
)
def test_what_a_learner_lacks_is_said(who: Recipient | None, lacking: str) -> None:
    assert CREDLY.lacks(who) == lacking


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (TIME, "2026-03-14 15:09:26 +0000"),
        (TIME.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-03-14 15:09:26 +0000"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00 +0000"),
    ],
)
def test_times_are_told_in_utc(time: datetime, text: str) -> None:
    assert requests.timestamp(time) == text


# Outcomes of issuing.


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(201, {"data": badge(state="pending"), "metadata": {}}), Issued(BADGE, "pending")),
        (answer(200, {"data": badge(), "metadata": {}}), Issued(BADGE, "accepted")),
        (answer(201, {"data": {"id": BADGE}}), Issued(BADGE, "pending")),
        (answer(201, b""), Deferred("201 without a badge's id", ambiguous=True)),
        (answer(201, HTML), Deferred("201 without a badge's id", ambiguous=True)),
        (answer(201, {"data": None}), Deferred("201 without a badge's id", ambiguous=True)),
        (
            answer(422, said("User already has this badge")),
            AlreadyIssued("422: User already has this badge"),
        ),
        (
            answer(422, said("an archived badge template cannot be used to issue new badges")),
            TemplateUnavailable("422: an archived badge template cannot be used to issue new badges"),
        ),
        (answer(404, {"message": "resource not found"}), TemplateUnavailable("404: resource not found")),
        (
            answer(422, said("Validation failed: Issued to last name can't be blank")),
            Refused("422: Validation failed: Issued to last name can't be blank"),
        ),
        (
            answer(
                422, said("Validation failed: This badge cannot be replaced, it has already been replaced.")
            ),
            Refused("422: Validation failed: This badge cannot be replaced, it has already been replaced."),
        ),
        (answer(400, {"message": "bad request"}), Refused("400: bad request")),
        (
            answer(422, {"errors": [{"field": "locale", "message": "is unknown"}, "and more"]}),
            Refused("422: locale is unknown; and more"),
        ),
        (answer(401, said("expired token")), KeyRefused("401: expired token")),
        (answer(403, HTML), Forbidden("403: an HTML page: 502 Bad Gateway")),
        (answer(429, b"", Retry_After="17"), Throttled("429: no body", 17.0)),
        (answer(429, b"slow down"), Throttled("429: slow down", None)),
        (
            answer(429, b"", retry_after="Sat, 14 Mar 2026 15:10:30 GMT"),
            Throttled("429: no body", 30.0),
        ),
        (answer(429, b"", retry_after="Sat, 14 Mar 2026 15:00:00 GMT"), Throttled("429: no body", 0.0)),
        (answer(429, b"", retry_after="99999999999"), Throttled("429: no body", 3600.0)),
        (answer(429, b"", retry_after="soon"), Throttled("429: no body", None)),
        (answer(429, b"", retry_after="1.5"), Throttled("429: no body", 1.5)),
        (answer(429, b"", retry_after="-3"), Throttled("429: no body", None)),
        (answer(429, b"", retry_after="\u00b2"), Throttled("429: no body", None)),
        (
            answer(429, b"", retry_after="Sat, 14 Mar 2026 15:10:30 +99999999999999"),
            Throttled("429: no body", None),
        ),
        (answer(202, {"data": {}}), Deferred('202: {"data":{}}', ambiguous=True)),
        (answer(204, b""), Deferred("204: no body", ambiguous=True)),
        (answer(101, b""), Deferred("101: no body", ambiguous=False)),
        (answer(201, {"data": {"id": "x" * 201}}), Deferred("201 without a badge's id", ambiguous=True)),
        (answer(201, {"data": {"id": {"x": 1}}}), Deferred("201 without a badge's id", ambiguous=True)),
        (answer(201, b'{"data":' * 5_000), Deferred("201 without a badge's id", ambiguous=True)),
        (
            answer(503, HTML, Retry_After="5"),
            Deferred("503: an HTML page: 502 Bad Gateway", ambiguous=True, wait=5.0),
        ),
        (answer(500, b"\xff\xfe\x00"), Deferred("500: \ufffd\ufffd", ambiguous=True)),
        (answer(502, b"<html>"), Deferred("502: an HTML page", ambiguous=True)),
        (answer(408, b""), Deferred("408: no body", ambiguous=True)),
        (answer(302, b""), Deferred("302: no body", ambiguous=True)),
        (answer(303, b""), Deferred("303: no body", ambiguous=True)),
        (NoAnswer("ClientConnectorError", sent=False), Deferred("ClientConnectorError", ambiguous=False)),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
    ],
)
def test_an_issue_ends_by_its_answer(answered: Answer | NoAnswer, outcome: outcomes.Outcome) -> None:
    assert issued(answered) == outcome


@pytest.mark.parametrize(
    "message",
    [
        "User already has this badge",
        "Validation failed: The recipient already has this badge.",
        "user ALREADY HAS THIS BADGE",
    ],
)
@pytest.mark.parametrize("shape", ["data", "message", "errors", "fields", "text"])
def test_a_duplicate_is_told_from_other_refusals_whatever_the_shape(message: str, shape: str) -> None:
    shapes: dict[str, object] = {
        "data": said(message),
        "message": {"message": message},
        "errors": {"data": {"errors": [{"field": "base", "message": message}]}},
        "fields": {"errors": {"base": [message]}},
        "text": message.encode(),
    }
    assert isinstance(issued(answer(422, shapes[shape])), AlreadyIssued)


UNDOCUMENTED = "Validation failed: Issuer earner has already been taken"
ACTIVE = answer(200, {"data": {"id": TEMPLATE, "state": "active"}})


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ([ACTIVE, answer(200, listed(badge()))], AlreadyIssued(f"422: {UNDOCUMENTED}")),
        (
            [ACTIVE, answer(200, listed()), answer(200, listed(badge()))],
            AlreadyIssued(f"422: {UNDOCUMENTED}"),
        ),
        ([ACTIVE, answer(200, listed()), answer(200, listed())], Refused(f"422: {UNDOCUMENTED}")),
        ([ACTIVE, answer(400, b"")], Refused(f"422: {UNDOCUMENTED}")),
        (
            [answer(200, {"data": {"id": TEMPLATE, "state": "draft"}})],
            TemplateUnavailable("the template is draft"),
        ),
        ([answer(429, b"", Retry_After="2")], Throttled("429: no body", 2.0)),
        ([answer(403, b""), ACTIVE], Forbidden("403: no body")),
        ([ACTIVE, answer(503, b"")], Deferred("503: no body", ambiguous=True)),
    ],
)
def test_a_refusal_in_words_that_nobody_documented_is_looked_at_before_it_is_believed(
    after: list[Answer], outcome: outcomes.Outcome
) -> None:
    steps = CREDLY.issue(ORGANIZATION, Award(wanted(), ADA, Cause(TIME), None, notify=True))
    assert through(steps, answer(422, said(UNDOCUMENTED)), *after) == outcome


@given(st.text(max_size=40) | st.dates().map(lambda day: f"{day:%a, %d %b %Y} 00:00:00 +{day.day}99999999"))
def test_whatever_stands_in_retry_after_it_is_no_trouble(text: str) -> None:
    outcome = issued(answer(429, b"", retry_after=text))
    assert isinstance(outcome, Throttled)
    assert outcome.wait is None or 0 <= outcome.wait <= LONGEST_WAIT


# Outcomes of the other calls.

NOT_FOUND = answer(404, {"message": "resource not found"})
THERE = answer(200, {"data": {"id": TEMPLATE, "state": "archived"}})


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(200, {"data": badge(state="revoked")}), Revoked()),
        (answer(200, {"data": {}}), Deferred("200 without a revoked badge", ambiguous=True)),
        (answer(200, b""), Deferred("200 without a revoked badge", ambiguous=True)),
        (answer(204, b""), Deferred("204: no body", ambiguous=True)),
        # A page in between, or a badge that is still held.
        (answer(200, HTML), Deferred("200 without a revoked badge", ambiguous=True)),
        (answer(200, {"data": badge()}), Deferred("200 without a revoked badge", ambiguous=True)),
        (answer(202, b""), Deferred("202: no body", ambiguous=True)),
        (answer(404, HTML), Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        (answer(404, b""), Deferred("404: no body", ambiguous=True)),
        (answer(404, {"message": "no such route"}), Deferred("404: no such route", ambiguous=True)),
        (answer(401, b""), KeyRefused("401: no body")),
        (answer(429, b"", Retry_After="2"), Throttled("429: no body", 2.0)),
        (answer(500, b""), Deferred("500: no body", ambiguous=True)),
        (NoAnswer("ServerDisconnectedError", sent=True), Deferred("ServerDisconnectedError", ambiguous=True)),
    ],
)
def test_a_revocation_ends_by_its_answer(answered: Answer | NoAnswer, outcome: outcomes.Outcome) -> None:
    assert through(CREDLY.revoke(ORGANIZATION, revocation(notify=False)), answered) == outcome


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        (answer(200, {"data": badge(state="revoked")}), Revoked()),
        (answer(200, {"data": badge(state="rejected")}), Revoked()),
        (answer(200, {"data": badge()}), None),
        (NOT_FOUND, None),
        (answer(404, HTML), Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        (answer(400, b""), None),
        (answer(200, HTML), Deferred("200 without what was asked for", ambiguous=False)),
        (answer(200, {"data": badge(id="c-9")}), Deferred("200 without what was asked for", ambiguous=False)),
        (answer(429, b"", Retry_After="2"), Throttled("429: no body", 2.0)),
        (answer(401, b""), KeyRefused("401: no body")),
    ],
)
@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("words", ["Validation failed", "This badge has already been revoked"])
def test_a_revocation_that_is_refused_is_done_if_nobody_holds_the_badge_whatever_the_words(
    shown: Answer, outcome: outcomes.Outcome | None, status: int, words: str
) -> None:
    steps = CREDLY.revoke(ORGANIZATION, revocation(notify=False))
    refused = Refused(f"{status}: {words}")
    assert through(steps, answer(status, said(words)), shown) == (outcome or refused)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([answer(200, {"data": [{"token": KEY, "write_enabled": True}]})], KeyWorks()),
        ([answer(200, {"data": []})], KeyWorks()),
        (
            [answer(200, {"data": [{"token": KEY, "write_enabled": False}]})],
            KeyRefused("the key has no right to write"),
        ),
        ([answer(403, b""), answer(200, {"data": {"id": ORGANIZATION}})], KeyWorks()),
        ([answer(403, b""), answer(403, HTML)], KeyRefused("403: an HTML page: 502 Bad Gateway")),
        ([answer(401, b""), answer(401, b"")], KeyRefused("401: no body")),
        ([answer(503, b""), answer(503, b"")], Deferred("503: no body", ambiguous=True)),
    ],
)
def test_a_key_works_if_it_may_write_or_at_least_see_its_organization(
    answers: list[Answer], outcome: outcomes.Outcome
) -> None:
    assert through(CREDLY.key_works(ORGANIZATION, KEY), *answers) == outcome


@pytest.mark.parametrize(
    ("template", "outcome"),
    [
        (THERE, None),
        (NOT_FOUND, TemplateUnavailable("404: resource not found")),
        (answer(404, HTML), Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        (answer(401, b""), KeyRefused("401: no body")),
        (answer(200, {"data": {}}), Deferred("200 without what was asked for", ambiguous=False)),
    ],
)
def test_a_badge_that_credly_does_not_know_is_gone_only_where_its_template_is(
    template: Answer, outcome: outcomes.Outcome | None
) -> None:
    held = Wanted(TEMPLATE, ("42",), badge=BADGE)
    revoking = CREDLY.revoke(ORGANIZATION, revocation(notify=False))
    assert through(revoking, NOT_FOUND, template) == (outcome or Revoked())
    erasing = CREDLY.erase(ORGANIZATION, HELD, Cause(TIME))
    assert through(erasing, NOT_FOUND, template) == (outcome or Erased())
    assert through(CREDLY.look_up(ORGANIZATION, held), NOT_FOUND, template) == (outcome or Absent())
    tracing = CREDLY.trace(ORGANIZATION, UNIQUE)
    assert through(tracing, answer(200, listed()), template) == (outcome or Absent())


def test_a_replaced_badge_is_not_revoked_and_its_replacement_is_named() -> None:
    replaced = {"data": {"message": "Validation failed"}, "metadata": {"current_badge_id": "b-2"}}
    steps = CREDLY.revoke(ORGANIZATION, revocation(notify=False))
    outcome = through(steps, answer(422, replaced), answer(200, {"data": badge()}))
    assert outcome == Refused("422: Validation failed (the badge was replaced by b-2)")


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(200, listed(badge())), Found(BADGE, "accepted")),
        (answer(200, listed()), Absent()),
        (answer(200, listed(badge(state="revoked"))), Absent()),
        (answer(200, listed(badge(state="rejected"))), Absent()),
        (answer(200, listed(badge(issuer_earner_id="43"))), Absent()),
        (answer(200, listed(badge(issuer_earner_id=None))), Absent(unproven=1)),
        (answer(200, listed(badge(issuer_earner_id=42))), Found(BADGE, "accepted")),
        (answer(200, listed(badge(badge_template={"id": "another"}))), Absent()),
        (answer(200, listed(badge(badge_template={"id": TEMPLATE.upper()}))), Found(BADGE, "accepted")),
        (answer(200, listed(badge(badge_template=None))), Found(BADGE, "accepted")),
        (answer(200, {"data": [None, 1, "x", {}]}), Absent()),
        (answer(200, HTML), Deferred("200 without a list of badges", ambiguous=False)),
        (answer(200, b"[]"), Deferred("200 without a list of badges", ambiguous=False)),
        (answer(404, {"message": "resource not found"}), TemplateUnavailable("404: resource not found")),
        (answer(401, b""), KeyRefused("401: no body")),
        (answer(503, b""), Deferred("503: no body", ambiguous=True)),
        (answer(400, {"message": "unknown filter"}), Refused("400: unknown filter")),
    ],
)
def test_a_look_up_takes_only_the_badge_of_its_earner(
    answered: Answer | NoAnswer, outcome: outcomes.Outcome
) -> None:
    assert looked_up(answered) == outcome


@pytest.mark.parametrize(
    ("badges", "outcome"),
    [
        ([badge(issuer_earner_id=None)], Found(BADGE, "accepted", "address")),
        (
            [badge(issuer_earner_id=None, recipient_email="ADA@example.org")],
            Found(BADGE, "accepted", "address"),
        ),
        ([badge()], Found(BADGE, "accepted", "earner")),
        ([badge(issuer_earner_id="43")], Absent()),
        # The account's other address: believed where Credly says whose it is.
        ([badge(issuer_earner_id=None, recipient_email="ada@home.example")], Absent(unproven=1)),
        ([badge(recipient_email="ada@home.example")], Absent(unproven=1)),
        (
            [badge(issuer_earner_id=None, recipient_email="ada@home.example", user={"email": EMAIL})],
            Found(BADGE, "accepted", "address"),
        ),
        ([badge(issuer_earner_id=None, recipient_email=None)], Absent(unproven=1)),
        # A filter that Credly ignored: badges of everybody.
        (
            [badge(issuer_earner_id=None, recipient_email=f"{n}@example.org") for n in "abc"],
            Absent(unproven=3),
        ),
    ],
)
def test_a_look_up_by_e_mail_takes_only_what_shows_the_learners_address(
    badges: list[dict[str, object]], outcome: outcomes.Outcome
) -> None:
    assert looked_up(answer(200, listed(*badges)), by_email=True) == outcome


def page_of(number: int, total: int, *badges: dict[str, object]) -> Answer:
    metadata = {"current_page": number, "total_pages": total}
    return answer(200, {"data": list(badges), "metadata": metadata})


OTHERS = badge(issuer_earner_id="43", recipient_email="bob@example.org")
OTHER_ADDRESS = badge(issuer_earner_id=None, recipient_email="ada@home.example")


@pytest.mark.parametrize(
    ("by_email", "pages", "outcome"),
    [
        (False, [page_of(1, 3, OTHERS), page_of(2, 3, badge())], Found(BADGE, "accepted")),
        (False, [page_of(1, 2, OTHERS), page_of(2, 2, badge(state="revoked"))], Absent()),
        (False, [page_of(1, 2, OTHERS), answer(503, b"")], Deferred("503: no body", ambiguous=True)),
        # Of other addresses none is known to be the earner's.
        (True, [page_of(1, 2, OTHERS), page_of(2, 2, OTHER_ADDRESS)], Absent(unproven=1)),
        (True, [page_of(1, 2, OTHER_ADDRESS), page_of(2, 2, OTHER_ADDRESS)], Absent(unproven=2)),
        (
            True,
            [page_of(1, 2, OTHER_ADDRESS), page_of(2, 2, badge(id="exact", issuer_earner_id=None))],
            Found("exact", "accepted", "address"),
        ),
        (
            False,
            [page_of(1, 2, OTHERS), page_of(1, 2, OTHERS)],
            Deferred("page 2 of a list does not lead on", ambiguous=False),
        ),
        (
            False,
            [page_of(n, 1_000, OTHERS) for n in range(1, 100)],
            Refused("a look-up lists more than 20 pages"),
        ),
    ],
)
def test_a_look_up_goes_through_all_pages(
    by_email: bool, pages: list[Answer], outcome: outcomes.Outcome
) -> None:
    assert looked_up(*pages, by_email=by_email) == outcome


def test_a_further_page_of_a_look_up_is_asked_for_with_the_same_filter() -> None:
    steps = CREDLY.look_up(ORGANIZATION, UNIQUE)
    first = next(steps)
    second = steps.send(outcome_of(first, page_of(1, 2, OTHERS)))
    assert second.request.path == f"{first.request.path}&page=2"


@pytest.mark.parametrize(
    ("status", "means"),
    [(404, Deferred), (401, KeyRefused), (403, Refused), (405, Refused)],
)
def test_a_deletion_that_fails_ends_by_its_answer(status: int, means: type) -> None:
    assert isinstance(through(CREDLY.erase(ORGANIZATION, HELD, Cause(TIME)), Answer(status)), means)


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        ([NOT_FOUND, THERE], Erased()),
        ([answer(405, b"")], Erased()),
        ([answer(200, {"data": badge()})], Deferred("the badge is still there", ambiguous=False)),
        ([answer(404, HTML)], Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        ([NOT_FOUND, NOT_FOUND], TemplateUnavailable("404: resource not found")),
    ],
)
@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_deletion_is_believed_once_credly_does_not_know_the_badge(
    status: int, shown: list[Answer], outcome: outcomes.Outcome
) -> None:
    erasing = CREDLY.erase(ORGANIZATION, HELD, Cause(TIME))
    assert through(erasing, Answer(status), *shown) == outcome


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (
            answer(200, {"data": {"state": "active", "allow_duplicate_badges": False}}),
            TemplateActive(allows_duplicates=False),
        ),
        (
            answer(200, {"data": {"state": "active", "allow_duplicate_badges": True}}),
            TemplateActive(allows_duplicates=True),
        ),
        # What Credly does not say is taken for the dangerous case.
        (answer(200, {"data": {"state": "active"}}), TemplateActive(allows_duplicates=True)),
        (answer(200, {"data": {"state": "archived"}}), TemplateUnavailable("the template is archived")),
        (answer(404, b""), TemplateUnavailable("404: no body")),
        (answer(200, HTML), Deferred("200 without a template", ambiguous=False)),
        (answer(403, b""), Forbidden("403: no body")),
    ],
)
def test_a_template_is_active_or_not(answered: Answer, outcome: outcomes.Outcome) -> None:
    assert through(CREDLY.template(ORGANIZATION, TEMPLATE), answered) == outcome


@pytest.mark.parametrize(
    "metadata",
    [
        {"current_page": 1, "total_pages": 2},
        {"current_page": "1", "total_pages": "2"},
        {"current_page": 1, "total_pages": 10**12},
        {"next_page_url": "https://x/v1/badges?filter=a&page=2"},
        {"next_page_url": f"http://[x/?page={'9' * 5000}"},
    ],
)
def test_a_listing_goes_through_all_pages(metadata: dict[str, object]) -> None:
    pages = answer(200, {"data": [badge()], "metadata": metadata}), page_of(2, 2, badge(id="c-2"))
    badges = through(CREDLY.listing(ORGANIZATION, TEMPLATE), *pages)
    assert isinstance(badges, tuple)
    assert [badge.id for badge in badges] == [BADGE, "c-2"]


def test_a_badge_that_changes_its_page_meanwhile_is_listed_once() -> None:
    pages = page_of(1, 2, badge(), badge(id="c-2")), page_of(2, 2, badge(id="c-2"), badge(id="c-3"))
    badges = through(CREDLY.listing(ORGANIZATION, TEMPLATE), *pages)
    assert isinstance(badges, tuple)
    assert [badge.id for badge in badges] == [BADGE, "c-2", "c-3"]


def test_a_list_without_an_end_is_not_read_for_ever() -> None:
    pages = [page_of(n, n + 1, badge()) for n in (1, 2)]
    said = Deferred("a list does not lead on", ambiguous=False)
    assert through(CREDLY.listing(ORGANIZATION, TEMPLATE), *pages) == said
    templates = [page_of(n, n + 1, {"id": TEMPLATE, "name": "Kafka"}) for n in (1, 2)]
    assert through(CREDLY.templates(ORGANIZATION), *templates) == said


def test_a_template_that_changes_its_page_meanwhile_is_listed_once() -> None:
    pages = page_of(1, 2, {"id": TEMPLATE}), page_of(2, 2, {"id": TEMPLATE}, {"id": "another"})
    found = through(CREDLY.templates(ORGANIZATION), *pages)
    assert isinstance(found, tuple)
    assert [template.id for template in found] == [TEMPLATE, "another"]


def test_a_page_of_a_listing_that_fails_may_be_asked_for_again() -> None:
    steps = CREDLY.listing(ORGANIZATION, TEMPLATE)
    first = next(steps)
    second = steps.send(outcome_of(first, page_of(1, 2, badge())))
    assert parse_qs(urlsplit(second.request.path).query)["page"] == ["2"]
    assert isinstance(outcome_of(second, answer(503)), Deferred)
    with pytest.raises(StopIteration) as end:
        steps.send(outcome_of(second, page_of(2, 2, badge(id="c-2"))))
    assert [badge.id for badge in end.value.value] == [BADGE, "c-2"]


def test_a_key_knows_its_own_expiry_among_others() -> None:
    document = {
        "data": [
            {"token": "another", "expires_at": "2026-04-01T00:00:00.000Z"},
            {"token": KEY, "expires_at": "2026-06-01T12:00:00.000Z", "write_enabled": True},
        ]
    }
    expiry = through(CREDLY.key_expiry(ORGANIZATION, KEY), answer(200, document))
    assert expiry == KeyExpiry(datetime(2026, 6, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(200, HTML), KeyExpiry(None)),
        (answer(200, listed()), KeyExpiry(None)),
        # A key that may not ask for this may still do its work.
        (answer(401, b""), Unsupported("401: no body")),
        (answer(403, b""), Unsupported("403: no body")),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
    ],
)
def test_a_key_whose_expiry_is_not_said_is_not_refused(
    answered: Answer | NoAnswer, outcome: outcomes.Outcome
) -> None:
    assert through(CREDLY.key_expiry(ORGANIZATION, KEY), answered) == outcome


# What must never be told.


@pytest.mark.parametrize(
    "message",
    [
        f"Validation failed: Recipient email {EMAIL} is invalid",
        f"recipient_email_all%3A%3A{EMAIL.replace('@', '%40')} is no address",
        f"<{EMAIL.upper()}>",
        f'{{"e":"{EMAIL}"}}',
        f"the token {KEY} has expired",
        f"Authorization: {requests.authorization(KEY)}",
        f"we got {requests.authorization(KEY).split()[1]}, which is nothing",
        "x" * 20_000 + EMAIL,
        " " * 8_150 + f"{EMAIL} {KEY}" * 20,
        "o'hara+badges@sub.example.org has no account",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
@pytest.mark.parametrize("plain", [True, False])
def test_no_key_and_no_e_mail_is_ever_quoted(message: str, status: int, plain: bool) -> None:
    document = message.encode() if plain else said(message)
    outcome = issued(answer(status, document))
    told = repr(outcome).casefold()
    for secret in (EMAIL, KEY, "example.org", "%40", requests.authorization(KEY).split()[1], "sub.example"):
        assert secret.casefold() not in told
    assert len(told) < 500


def every_call(answered: Answer) -> None:
    """Each of Credly's calls, answered so, has an outcome."""
    look_up = CREDLY.look_up(ORGANIZATION, wanted())
    look_up_email = look_up.send(outcome_of(next(look_up), answer(200, listed())))
    for call in (
        issue(),
        next(CREDLY.revoke(ORGANIZATION, revocation(notify=True))),
        next(CREDLY.erase(ORGANIZATION, HELD, Cause(TIME))),
        next(CREDLY.template(ORGANIZATION, TEMPLATE)),
        next(CREDLY.look_up(ORGANIZATION, wanted())),
        look_up_email,
        next(CREDLY.trace(ORGANIZATION, wanted())),
        next(CREDLY.listing(ORGANIZATION, TEMPLATE)),
        next(CREDLY.key_expiry(ORGANIZATION, KEY)),
        next(CREDLY.key_works(ORGANIZATION, KEY)),
    ):
        assert isinstance(outcome_of(call, answered), OUTCOMES)


@given(st.binary(max_size=300), st.integers(200, 599))
def test_any_answer_has_an_outcome(body: bytes, status: int) -> None:
    every_call(Answer(status, {}, body))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "metadata", "errors", "message", "id", "state", "badge_template"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from([200, 201, 404, 422, 500]),
)
def test_json_of_any_shape_has_an_outcome(document: object, status: int) -> None:
    every_call(answer(status, document))


def test_a_huge_body_is_cut_quickly() -> None:
    outcome = issued(answer(500, b"a" * 4_000_000))
    assert isinstance(outcome, Deferred)
    assert len(outcome.why) <= WORDS + 10


def test_values_do_not_print_personal_data() -> None:
    steps = CREDLY.look_up(ORGANIZATION, wanted())
    by_email = steps.send(outcome_of(next(steps), answer(200, listed())))
    for value in (issue(), by_email, wanted, ADA, Answer(200, {}, EMAIL.encode(), (EMAIL,))):
        assert EMAIL not in repr(value)
        assert "Ada" not in repr(value)


# A badge that is earned again after it has expired.


def renewed(*answers: Answer | NoAnswer) -> outcomes.Outcome:
    return through(CREDLY.issue(ORGANIZATION, RENEWAL), *answers)


RENEWAL = Award(HELD, ADA, Cause(TIME), TIME + timedelta(days=365), notify=True, renews=True)
REPLACED = {
    "data": {
        "message": "Validation failed: This badge cannot be replaced because it has already been replaced."
    },
    "metadata": {"current_badge_id": "b-2"},
}


def test_a_renewed_badge_replaces_the_one_that_has_expired() -> None:
    call = next(CREDLY.issue(ORGANIZATION, RENEWAL))
    path = f"/v1/organizations/{ORGANIZATION}/badges/{BADGE}/replace"
    assert (call.request.method, call.request.path, call.changes) == ("POST", path, True)
    assert body_of(call) == {
        "badge_template_id": TEMPLATE,
        "issued_at": "2026-03-14 15:09:26 +0000",
        "expires_at": "2027-03-14 15:09:26 +0000",
        "issued_to_first_name": "Ada",
        "issued_to_last_name": "Lövelace",
        "issuer_earner_id": "42",
    }


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([answer(201, {"data": badge(id="b-2", state="pending")})], Issued("b-2", "pending")),
        ([answer(422, REPLACED)], Issued("b-2", "pending")),
        ([answer(422, said("no")), answer(200, {"data": badge()})], Refused("422: no")),
        (
            [answer(422, said("no")), answer(200, {"data": badge(state="revoked")})],
            Deferred("422: no", ambiguous=True),
        ),
        ([NOT_FOUND, NOT_FOUND], Deferred("404: resource not found", ambiguous=True)),
        ([answer(404, HTML)], Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        ([answer(422, said("no")), answer(503, b"")], Deferred("503: no body", ambiguous=True)),
        ([answer(201, HTML)], Deferred("201 without a badge's id", ambiguous=True)),
    ],
)
def test_a_replacement_ends_by_its_answers(answers: list[Answer], outcome: outcomes.Outcome) -> None:
    assert renewed(*answers) == outcome


@pytest.mark.parametrize("renews", [False, True])
def test_what_counted_is_told_as_evidence(renews: bool) -> None:
    counted = Evidence("Pass two courses", TIME, ("Kafka 101", "Streams 201"))
    award = Award(HELD, ADA, Cause(TIME), None, notify=True, renews=renews, evidence=(counted,))
    body = orjson.loads(next(CREDLY.issue(ORGANIZATION, award)).request.body or b"")

    assert body["evidence"] == [
        {
            "type": "IdEvidence",
            "title": "Pass two courses",
            "description": "2026-03-14: Kafka 101, Streams 201",
        }
    ]
    assert "evidence" not in orjson.loads(issue().request.body or b"")

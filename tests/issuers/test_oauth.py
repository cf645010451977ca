"""A key that is a client of OAuth 2: what is asked for, and what each answer comes to."""

from datetime import UTC, datetime
from urllib.parse import parse_qs

import orjson
import pytest

from streams.issuers.credly.issuer import CREDLY
from streams.issuers.http import Answer, NoAnswer
from streams.issuers.oauth import UNSAID_SECONDS, bearer, grant, no_client
from streams.issuers.outcomes import Deferred, Granted, KeyRefused, Outcome, Throttled

NOW = datetime(2026, 3, 14, tzinfo=UTC)
CLIENT = "an-id:a secret&more"


def test_a_client_asks_for_a_token_by_a_form() -> None:
    call = grant(CLIENT, CREDLY.scope)
    assert (call.request.method, call.request.path, call.changes) == ("POST", "/oauth/token", False)
    assert call.request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.request.body is not None
    assert parse_qs(call.request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["an-id"],
        "client_secret": ["a secret&more"],
        "scope": ["issued_badges badge_templates authorization_tokens events"],
    }
    assert bearer("a-token") == {"Authorization": "Bearer a-token"}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (
            Answer(200, {}, orjson.dumps({"access_token": "t", "expires_in": 7200, "token_type": "Bearer"})),
            Granted("t", 7200.0),
        ),
        (Answer(200, {}, orjson.dumps({"access_token": "t"})), Granted("t", UNSAID_SECONDS)),
        (
            Answer(200, {}, orjson.dumps({"access_token": "t", "expires_in": 0})),
            Granted("t", UNSAID_SECONDS),
        ),
        (
            Answer(200, {}, orjson.dumps({"access_token": "t\r\nX: y"})),
            Deferred("200 without a token", ambiguous=False),
        ),
        (Answer(200, {}, b"<html>"), Deferred("200 without a token", ambiguous=False)),
        (Answer(400, {}, b'{"error": "invalid_client"}'), KeyRefused("400: invalid_client")),
        (Answer(401, {}, b'{"error": "a secret&more is wrong"}'), KeyRefused("401: [hidden] is wrong")),
        (Answer(403, {}, b'{"error": "access_denied"}'), KeyRefused("403: access_denied")),
        (Answer(404, {}, b"<html>"), Deferred("404: an HTML page", ambiguous=False)),
        (Answer(405), Deferred("405: no body", ambiguous=False)),
        (Answer(422, {}, b'{"error": "no"}'), Deferred("422: no", ambiguous=False)),
        (Answer(429, {"Retry-After": "9"}), Throttled("429: no body", 9.0)),
        (Answer(503), Deferred("503: no body", ambiguous=True)),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
    ],
)
def test_a_token_is_what_the_answer_grants(answer: Answer | NoAnswer, outcome: Outcome) -> None:
    assert grant(CLIENT, "").outcome(answer, NOW) == outcome


def test_a_token_and_a_secret_are_not_shown() -> None:
    assert "hush" not in repr(Granted("hush", 1.0))
    assert "hush" not in repr(grant("an-id:hush", ""))


@pytest.mark.parametrize(("key", "good"), [(CLIENT, True), ("a-token", False), (":x", False), ("x:", False)])
def test_a_client_is_an_id_and_a_secret(key: str, good: bool) -> None:
    assert bool(no_client(key)) != good


def test_credly_grants_tokens_at_its_site_and_a_simulator_at_its_own_address() -> None:
    assert CREDLY.grant_url("sandbox", None) == "https://sandbox.credly.com"
    assert CREDLY.grant_url("production", "http://127.0.0.1:8070/v1") == "http://127.0.0.1:8070"
    assert {"www.credly.com", "sandbox.credly.com"} <= CREDLY.hosts

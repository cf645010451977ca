"""A webhook's side: messages that the standard's own library believes, and each outcome by an answer."""

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streams.issuers import outcomes
from streams.issuers.http import Answer, NoAnswer, Request
from streams.issuers.issuer import Award, Call, Cause, Revocation, Steps, Wanted
from streams.issuers.outcomes import Deferred, Forbidden, Issued, KeyRefused, Recipient, Refused, Throttled
from streams.issuers.webhook.issuer import WEBHOOK

T = TypeVar("T")

BADGE = "c0ffee00-0000-5000-8000-000000000001"
DECISION = "0d8a5f5e-38a2-5b5e-9d35-9a1f1f3f1f11"
TEMPLATE = "kafka-apprentice"
EARNED = datetime(2026, 3, 14, 15, 9, 26, 535897, UTC)
ADA = Recipient("ada", "ada@example.org", "Ada Lovelace")
WANTED = Wanted(TEMPLATE, ("campus:42", "42"), own=BADGE)
CAUSE = Cause(EARNED, DECISION, 2)
OLD, NEW = ("whsec_" + b64encode(text * 4).decode() for text in (b"of last year", b"of this year"))


def call_of(steps: Steps[Any]) -> Call[Any]:
    return next(steps)


def award(**more: Any) -> Call[Any]:
    given: dict[str, Any] = {"expires_at": None, "notify": True, "wanted": WANTED} | more
    return call_of(WEBHOOK.issue("", Award(recipient=ADA, cause=CAUSE, **given)))


def revocation(**more: Any) -> Call[Any]:
    given: dict[str, Any] = {"wanted": WANTED, "notify": False} | more
    return call_of(WEBHOOK.revoke("", Revocation(cause=Cause(EARNED, DECISION, 3), **given)))


def forgetting() -> Call[Any]:
    return call_of(WEBHOOK.erase("", WANTED, CAUSE))


def sent(request: Request, key: str = NEW, now: datetime | None = None) -> tuple[dict[str, str], bytes]:
    """Headers and body as they go out."""
    assert request.body is not None
    headers = request.headers | dict(WEBHOOK.headers(key, request, now or datetime.now(UTC)))
    return headers, request.body


def message(call: Call[Any]) -> Any:
    headers, body = sent(call.request)
    return Webhook(NEW).verify(body, headers)


def test_an_award_says_who_earned_what_and_when() -> None:
    assert message(award()) == {
        "type": "badge.awarded",
        "timestamp": "2026-03-14T15:09:26Z",
        "data": {
            "badge": BADGE,
            "template": TEMPLATE,
            "earner": "campus:42",
            "sequence": 2,
            "recipient": {"email": "ada@example.org", "name": "Ada Lovelace", "username": "ada"},
            "notify": True,
        },
    }
    expiring = message(award(expires_at=EARNED + timedelta(days=365)))
    assert expiring["data"]["expires_at"] == "2027-03-14T15:09:26Z"
    assert "expires_at" not in message(award(expires_at=False))["data"]


def test_a_revocation_and_an_order_to_forget_name_no_learner() -> None:
    revoked = message(revocation(reason="a mistake"))
    assert revoked["type"] == "badge.revoked"
    assert revoked["data"] == {
        "badge": BADGE,
        "template": TEMPLATE,
        "earner": "campus:42",
        "sequence": 3,
        "notify": False,
        "reason": "a mistake",
    }
    forgotten = message(forgetting())
    assert forgotten["type"] == "badge.forgotten"
    assert "recipient" not in forgotten["data"]


def test_the_receivers_own_id_of_a_badge_is_repeated() -> None:
    given = Wanted(TEMPLATE, ("42",), badge="r-7", own=BADGE)
    assert message(revocation(wanted=given))["data"]["id"] == "r-7"
    ours = Wanted(TEMPLATE, ("42",), badge=BADGE, own=BADGE)
    assert "id" not in message(revocation(wanted=ours))["data"]


def test_a_decision_has_one_id_and_each_attempt_its_own_time() -> None:
    now = datetime.now(UTC)
    first, _ = sent(award().request, now=now)
    later, _ = sent(award().request, now=now + timedelta(minutes=10))
    assert first["webhook-id"] == later["webhook-id"] == DECISION
    assert int(later["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 600
    ids = {forgetting().request.key for _ in range(2)}
    assert len(ids) == 1
    assert DECISION not in ids


@pytest.mark.parametrize("receivers", [OLD, NEW])
def test_while_a_secret_is_changed_the_old_and_the_new_one_are_good(receivers: str) -> None:
    headers, body = sent(award().request, f"{OLD} {NEW}")
    assert Webhook(receivers).verify(body, headers)


def test_what_was_changed_or_signed_by_another_is_not_believed() -> None:
    headers, body = sent(award().request)
    for secret, content in ((OLD, body), (NEW, body.replace(b"campus:42", b"campus:43"))):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(content, headers)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (NEW, ""),
        (f"{OLD} {NEW}", ""),
        ("S3cret", "its secret does not begin with whsec_"),
        ("whsec_", "its secret is not whsec_ and base64, or several of these with blanks between"),
        ("whsec_n0 base64!", "its secret is not whsec_ and base64, or several of these with blanks between"),
        (f"{NEW} {NEW[6:]}", "its secret is not whsec_ and base64, or several of these with blanks between"),
    ],
)
def test_only_secrets_of_the_standard_are_keys(text: str, fault: str) -> None:
    assert WEBHOOK.no_key(text) == fault


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {}, b'{"id": "r-7"}'), Issued("r-7", "issued")),
        (Answer(201, {}, b'{"id": 7}'), Issued("7", "issued")),
        (Answer(202), Issued(BADGE, "issued")),
        (Answer(204), Issued(BADGE, "issued")),
        (Answer(200, {}, b"OK"), Issued(BADGE, "issued")),
        (Answer(200, {}, b'{"id": "%s"}' % (b"x" * 201)), Issued(BADGE, "issued")),
        (Answer(410), Refused("410: no body (the receiver wants no more of this)")),
        (Answer(429, {"Retry-After": "7"}), Throttled("429: no body", 7.0)),
        (Answer(401), KeyRefused("401: no body")),
        (Answer(403), Forbidden("403: no body")),
        (Answer(302, {"Location": "https://elsewhere"}), Deferred("302: no body", ambiguous=True)),
        (Answer(400), Deferred("400: no body", ambiguous=False)),
        (Answer(404), Deferred("404: no body", ambiguous=False)),
        (Answer(408), Deferred("408: no body", ambiguous=True)),
        (Answer(422, {}, b'{"error": "no such badge"}'), Deferred("422: no such badge", ambiguous=False)),
        (Answer(500), Deferred("500: no body", ambiguous=True)),
        (Answer(503, {"Retry-After": "60"}), Deferred("503: no body", ambiguous=True, wait=60.0)),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
    ],
)
def test_an_award_ends_by_the_receivers_answer(answer: Answer | NoAnswer, outcome: outcomes.Outcome) -> None:
    assert award().outcome(answer, EARNED) == outcome
    if not isinstance(outcome, Issued):
        assert revocation().outcome(answer, EARNED) == forgetting().outcome(answer, EARNED) == outcome


def test_a_revocation_and_an_order_to_forget_are_done_with_any_2xx() -> None:
    for status in (200, 202, 204):
        assert revocation().outcome(Answer(status), EARNED) == outcomes.Revoked()
        assert forgetting().outcome(Answer(status), EARNED) == outcomes.Erased(wholly=True)


def test_the_receiver_of_the_documentation_takes_what_is_sent_once_and_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "issuers.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    receiver: dict[str, Any] = {}
    exec(block, receiver)

    def take(call: Call[Any], secret: str = NEW) -> int:
        status: int = receiver["receive"](secret, *sent(call.request))
        return status

    assert [take(award()), take(award()), take(award(), OLD)] == [204, 204, 401]
    assert receiver["badges"][BADGE]["held"]
    assert take(revocation()) == 204
    assert take(award()) == 204  # late
    assert not receiver["badges"][BADGE]["held"]
    assert take(forgetting()) == 204
    assert receiver["badges"] == {}


def test_the_message_of_the_documentation_has_the_fields_of_a_message() -> None:
    page = (Path(__file__).parents[2] / "docs" / "issuers.md").read_text()
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    shown, made = orjson.loads(block), message(award(expires_at=EARNED))
    assert (sorted(shown), sorted(shown["data"])) == (sorted(made), sorted(made["data"]))

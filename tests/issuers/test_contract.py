"""What the relay relies on with every issuer, whichever it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.issuers import ISSUERS
from streams.issuers.http import Answer, NoAnswer
from streams.issuers.issuer import Award, Call, Issuer, Wanted
from streams.issuers.outcomes import Deferred, KeyRefused, Outcome, Recipient, Throttled

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
KEY = "3xampleKey-0123456789"
EMAIL = "ada@example.org"
ADA = Recipient("ada", EMAIL, "Ada Lovelace")
ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"


def calls(issuer: Issuer) -> dict[str, Call[Any]]:
    """The first call of each question that the relay asks."""
    wanted = Wanted(TEMPLATE, ("42",), addresses=(EMAIL,))
    return {
        "issue": next(issuer.issue(ORGANIZATION, Award(wanted, ADA, NOW, None, notify=True))),
        "revoke": next(issuer.revoke(ORGANIZATION, TEMPLATE, "b-1", notify=True)),
        "erase": next(issuer.erase(ORGANIZATION, TEMPLATE, "b-1")),
        "look_up": next(issuer.look_up(ORGANIZATION, wanted)),
        "trace": next(issuer.trace(ORGANIZATION, wanted)),
        "template": next(issuer.template(ORGANIZATION, TEMPLATE)),
        "listing": next(issuer.listing(ORGANIZATION, TEMPLATE)),
    }


@pytest.fixture(params=ISSUERS.values(), ids=list(ISSUERS))
def issuer(request: pytest.FixtureRequest) -> Issuer:
    given: Issuer = request.param
    return given


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(401), KeyRefused("401: no body")),
        (Answer(429, {"retry-after": "7"}), Throttled("429: no body", 7.0)),
        (Answer(503), Deferred("503: no body", ambiguous=True)),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
        (NoAnswer("ClientConnectorError", sent=False), Deferred("ClientConnectorError", ambiguous=False)),
    ],
)
def test_what_is_trouble_with_every_issuer_is_so_with_every_call(
    issuer: Issuer, answer: Answer | NoAnswer, outcome: Outcome
) -> None:
    outcomes = {name: call.outcome(answer, NOW) for name, call in calls(issuer).items()}
    assert outcomes == dict.fromkeys(outcomes, outcome)


def test_only_an_issue_and_a_revocation_need_an_intent(issuer: Issuer) -> None:
    changing = {name for name, call in calls(issuer).items() if call.changes}
    assert changing <= {"issue", "revoke"}


def test_no_trouble_quotes_the_key_or_the_learner(issuer: Issuer) -> None:
    headers = issuer.headers(KEY)
    secrets = (KEY, *(value.rpartition(" ")[2] for value in headers.values()))
    for secret in (*secrets, EMAIL):
        body = f'{{"message": "{secret} is no good"}}'.encode()
        for call in calls(issuer).values():
            assert secret not in repr(call.outcome(Answer(400, {}, body), NOW, secrets))
    assert EMAIL not in repr(calls(issuer))


def test_nobody_can_be_issued_anything_without_being_known(issuer: Issuer) -> None:
    assert issuer.lacks(None)
    assert not issuer.lacks(ADA)

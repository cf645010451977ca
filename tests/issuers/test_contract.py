"""What the relay relies on with every issuer, whichever it is."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from streams.issuers.http import Answer, NoAnswer
from streams.issuers.issuer import Award, Call, Cause, Issuer, Revocation, Steps, Wanted, drive
from streams.issuers.known import ISSUERS
from streams.issuers.outcomes import Deferred, KeyRefused, Outcome, Recipient, Throttled, Unsupported

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
"""Of the form that the most particular issuer wants."""
EMAIL = "ada@example.org"
ADA = Recipient("ada", EMAIL, "Ada Lovelace")
ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
BADGE = "c0ffee00-0000-5000-8000-000000000001"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"


def calls(issuer: Issuer) -> dict[str, Call[Any]]:
    """The first call of each question that the relay asks, where it takes one."""
    wanted = Wanted(TEMPLATE, ("42",), addresses=(EMAIL,), badge="17", own=BADGE)
    cause = Cause(NOW, "0d8a5f5e-38a2-5b5e-9d35-9a1f1f3f1f11", 2)
    asked: dict[str, Steps[Any]] = {
        "issue": issuer.issue(ORGANIZATION, Award(wanted, ADA, cause, None, notify=True)),
        "revoke": issuer.revoke(ORGANIZATION, Revocation(wanted, cause, notify=True)),
        "erase": issuer.erase(ORGANIZATION, wanted, cause),
        "look_up": issuer.look_up(ORGANIZATION, wanted),
        "trace": issuer.trace(ORGANIZATION, wanted),
        "template": issuer.template(ORGANIZATION, TEMPLATE),
        "listing": issuer.listing(ORGANIZATION, TEMPLATE),
    }
    first = {name: next(steps, None) for name, steps in asked.items()}
    return {name: call for name, call in first.items() if call is not None}


CALLED = {provider: issuer for provider, issuer in ISSUERS.items() if issuer.maker is None}


@pytest.fixture(params=CALLED.values(), ids=list(CALLED))
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
    headers = issuer.headers(KEY, calls(issuer)["issue"].request, NOW)
    secrets = (*KEY.split(), *(value.rpartition(" ")[2] for value in headers.values()))
    for secret in (*secrets, EMAIL):
        body = f'{{"message": "{secret} is no good"}}'.encode()
        for call in calls(issuer).values():
            assert secret not in repr(call.outcome(Answer(400, {}, body), NOW, secrets))
    assert EMAIL not in repr(calls(issuer))


def test_nobody_can_be_issued_anything_without_being_known(issuer: Issuer) -> None:
    assert issuer.lacks(None)
    assert not issuer.lacks(ADA)


def test_an_issuer_that_cannot_be_asked_says_so_instead_of_a_list(issuer: Issuer) -> None:
    asked = {"look_up", "trace", "listing"} & set(calls(issuer))
    assert bool(asked) == issuer.traits.finds
    if not issuer.traits.finds:
        [said] = [answered(issuer.listing(ORGANIZATION, TEMPLATE))]
        assert isinstance(said, Unsupported)


def test_a_key_of_an_issuer_is_a_key_to_it(issuer: Issuer) -> None:
    assert not issuer.no_key(KEY)


def answered(steps: Steps[Any]) -> Any:
    """What steps without a call come to."""

    async def ask(call: Call[Any]) -> Outcome:
        raise AssertionError(f"a call: {call}")

    return asyncio.run(drive(steps, ask))

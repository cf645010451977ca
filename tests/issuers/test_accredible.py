"""Accredible's side without any network: requests, and each outcome by an answer of its documentation."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import orjson
import pytest

from streams.issuers import outcomes
from streams.issuers.accredible.issuer import ACCREDIBLE
from streams.issuers.http import Answer, NoAnswer
from streams.issuers.issuer import Award, Call, Cause, Revocation, Steps, Wanted
from streams.issuers.outcomes import (
    Absent,
    AlreadyIssued,
    Deferred,
    Dormant,
    Erased,
    Forbidden,
    Found,
    Issued,
    KeyRefused,
    KeyWorks,
    Recipient,
    Refused,
    Revoked,
    TemplateActive,
    TemplateUnavailable,
    Throttled,
    Unsupported,
    Withheld,
)

T = TypeVar("T")

GROUP = "9549"
OWN = "c0ffee00-0000-5000-8000-000000000001"
EMAIL = "ada@example.org"
ADA = Recipient("ada", EMAIL, "Ada Lovelace")
EARNED = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
CAUSE = Cause(EARNED, "0d8a5f5e-38a2-5b5e-9d35-9a1f1f3f1f11", 2)
WANTED = Wanted(GROUP, ("campus:42", "42"), unique=True, addresses=(EMAIL,), own=OWN)
HELD = Wanted(GROUP, ("campus:42", "42"), badge="10000005", own=OWN)
HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
NO_SUCH = {"errors": "Doesn't exist"}
NOT_FOUND = {"error": "Not found"}
NO_GROUP = {"success": False, "data": "Group does not exist"}
TAKEN = (
    "has already been taken. Your group settings do not allow duplicates of this credential to be sent to "
    "the same email."
)


def answer(status: int, document: object = None, **headers: str) -> Answer:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def credential(**changes: object) -> dict[str, object]:
    """As it is shown by its id."""
    value = {"id": "10000005", "approve": True, "issued_on": "2026-03-14", "expired_on": None, "new": {}}
    return {"credential": value | changes}


def found(**changes: object) -> dict[str, object]:
    """As a search shows it."""
    return {
        "id": 10000005,
        "approve": True,
        "license_id": OWN,
        "recipient_id": "campus:42",
        "recipient_email": EMAIL,
        "group": {"id": int(GROUP), "name": "Kafka"},
        "issued_on": "2026-03-14",
        "expired_on": None,
    } | changes


def searched(*credentials: dict[str, object], cursor: str = "WzFd") -> Answer:
    return answer(200, {"credentials": list(credentials), "meta": {"count": 1, "cursor": cursor}})


def through(steps: Steps[T], *answers: Answer | NoAnswer) -> tuple[T, list[Call[Any]]]:
    """What steps come to when their calls are answered so, and the calls; each answer is asked for."""
    calls: list[Call[Any]] = []
    outcome, left = None, list(answers)
    while True:
        try:
            calls.append(steps.send(outcome))
        except StopIteration as end:
            assert not left
            return end.value, calls
        outcome = calls[-1].outcome(left.pop(0), NOW)


def body(call: Call[Any]) -> Any:
    assert call.request.body is not None
    return orjson.loads(call.request.body)


def award(wanted: Wanted = WANTED, expires_at: datetime | Literal[False] | None = None) -> Award:
    return Award(wanted, ADA, CAUSE, expires_at, notify=True)


def issue(*answers: Answer | NoAnswer, wanted: Wanted = WANTED) -> tuple[outcomes.Outcome, list[Call[Any]]]:
    return through(ACCREDIBLE.issue("", award(wanted)), *answers)


# Issue.


def test_a_new_credential_is_looked_for_by_our_id_and_created_with_it() -> None:
    outcome, [search, create] = issue(searched(), answer(200, credential()))
    assert outcome == Issued("10000005", "published")
    assert (search.request.method, search.request.path) == ("POST", "/v2/credentials/search")
    assert body(search)["query"] == {"license_id": OWN, "group.id": GROUP}
    assert not search.changes
    assert (create.request.method, create.request.path, create.changes) == ("POST", "/v1/credentials", True)
    assert body(create) == {
        "credential": {
            "group_id": 9549,
            "id": OWN,
            "recipient": {"name": "Ada Lovelace", "email": EMAIL, "id": "campus:42"},
            "issued_on": "2026-03-14",
            "approve": True,
        }
    }


@pytest.mark.parametrize(
    ("expires_at", "expired_on"),
    [
        (EARNED + timedelta(days=365), {"expired_on": "2027-03-14"}),
        (False, {"expired_on": None}),
        (None, {}),
    ],
)
def test_an_expiry_is_a_date(expires_at: datetime | Literal[False] | None, expired_on: object) -> None:
    steps = ACCREDIBLE.issue("", award(expires_at=expires_at))
    _, [_, create] = through(steps, searched(), answer(200, credential()))
    assert {k: v for k, v in body(create)["credential"].items() if k == "expired_on"} == expired_on


@pytest.mark.parametrize("known", [False, True])
def test_what_is_there_is_renewed_and_no_other_is_created(known: bool) -> None:
    expired = {"expired_on": "2026-03-15"}
    if known:
        outcome, [_, renew] = issue(
            answer(200, credential(**expired)), answer(200, credential()), wanted=HELD
        )
    else:
        outcome, [_, renew] = issue(searched(found(**expired)), answer(200, credential()))
    assert outcome == Issued("10000005", "published")
    assert (renew.request.method, renew.request.path) == ("PUT", "/v1/credentials/10000005")
    assert renew.changes
    renewed = body(renew)["credential"]
    assert (renewed["expired_on"], renewed["issued_on"], renewed["approve"]) == (None, "2026-03-14", True)


@pytest.mark.parametrize("said", [b"", b"{}", HTML])
def test_a_renewal_that_is_answered_without_a_word_is_looked_at(said: bytes) -> None:
    expired = found(expired_on="2026-03-15")
    for shown, outcome in (
        (answer(200, credential()), Issued("10000005", "published")),
        (
            answer(200, credential(expired_on="2026-03-15")),
            Deferred("a renewed credential shows as expired", ambiguous=True),
        ),
        (answer(404, NO_SUCH), Deferred("a renewed credential is not known", ambiguous=True)),
        (answer(503, b""), Deferred("503: no body", ambiguous=True)),
    ):
        assert issue(searched(expired), Answer(200, {}, said), shown)[0] == outcome
    withheld, _ = issue(searched(expired), Answer(200, {}, said), answer(200, credential(approve=False)))
    assert isinstance(withheld, Withheld)


def test_what_a_person_deleted_is_created_again() -> None:
    outcome, calls = issue(answer(404, NO_SUCH), searched(), answer(200, credential(id="7")), wanted=HELD)
    assert outcome == Issued("7", "published")
    assert calls[-1].request.method == "POST"


@pytest.mark.parametrize("created", [False, True])
def test_what_is_made_and_not_published_is_withheld(created: bool) -> None:
    before = searched() if created else searched(found(approve=False))
    outcome, _ = issue(before, answer(200, credential(approve=False)))
    assert isinstance(outcome, Withheld)
    assert outcome.badge == "10000005"
    assert "no credits are left" in outcome.why


DETAILED = {
    "code": "credential_invalid",
    "message": "The credential is not valid",
    "details": [{"property": "recipient.email", "message": TAKEN}],
}
NESTED = {"recipient": {"email": [TAKEN]}}


@pytest.mark.parametrize("errors", [TAKEN, {"recipient.email": [TAKEN]}, [TAKEN], DETAILED, NESTED])
def test_a_second_credential_for_an_address_is_refused_by_the_group(errors: object) -> None:
    refused = answer(422, {"errors": errors})
    by_another = found(license_id=None, recipient_id=None)
    held, _ = issue(searched(), refused, searched(by_another))
    assert isinstance(held, AlreadyIssued)
    expired, _ = issue(searched(), refused, searched(by_another | {"expired_on": "2026-03-01"}))
    assert expired == Dormant("10000005")
    strange, _ = issue(searched(), refused, searched(by_another | {"recipient_id": "campus:43"}))
    assert isinstance(strange, AlreadyIssued)


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(200, HTML), Deferred("200 without a credential's id", ambiguous=True)),
        (answer(401, b"HTTP Token: Access denied.\n"), KeyRefused("401: HTTP Token: Access denied.")),
        (
            answer(401, {"success": False, "data": "Not enough or too many segments"}),
            KeyRefused("401: Not enough or too many segments"),
        ),
        (
            answer(403, {"errors": "Private Certificate, use key"}),
            Forbidden("403: Private Certificate, use key"),
        ),
        (answer(404, NO_GROUP), TemplateUnavailable("404: Group does not exist")),
        (answer(404, HTML), Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=False)),
        (answer(422, {"errors": "Invalid Group"}), TemplateUnavailable("422: Invalid Group")),
        (
            answer(422, {"errors": "Can not create credential without recipient data"}),
            Refused("422: Can not create credential without recipient data"),
        ),
        (
            answer(422, {"errors": {"course_name": ["can't be blank"], "x": ["is no y"]}}),
            Refused("422: course_name can't be blank; x is no y"),
        ),
        (answer(429, b"Too Many Requests"), Throttled("429: Too Many Requests", None)),
        (
            answer(500, {"errors": "Internal server error"}),
            Deferred("500: Internal server error", ambiguous=True),
        ),
        (NoAnswer("TimeoutError", sent=True), Deferred("TimeoutError", ambiguous=True)),
    ],
)
def test_an_issue_ends_by_its_answer(answered: Answer | NoAnswer, outcome: outcomes.Outcome) -> None:
    assert issue(searched(), answered)[0] == outcome


def test_where_it_cannot_be_looked_for_nothing_is_created() -> None:
    for trouble in (answer(500, HTML), answer(200, HTML), answer(429, b""), answer(404, HTML)):
        outcome, calls = issue(trouble)
        assert isinstance(outcome, Deferred | Throttled)
        assert not any(call.changes for call in calls)


def test_what_is_refused_in_detail_at_the_top_is_understood_too() -> None:
    held, _ = issue(searched(), answer(422, DETAILED), searched(found(license_id=None, recipient_id=None)))
    assert isinstance(held, AlreadyIssued)


def test_an_answer_may_begin_with_a_byte_order_mark() -> None:
    said = b"\xef\xbb\xbf" + orjson.dumps(credential())
    assert issue(searched(), answer(200, said))[0] == Issued("10000005", "published")


# Revoke and erase.


def revoke(*answers: Answer | NoAnswer) -> tuple[outcomes.Outcome, list[Call[Any]]]:
    return through(ACCREDIBLE.revoke("", Revocation(HELD, CAUSE, notify=False)), *answers)


def test_a_revocation_is_an_expiry_on_the_day_of_the_decision() -> None:
    outcome, [expire] = revoke(answer(200, credential(expired_on="2026-03-14")))
    assert outcome == Revoked()
    assert (expire.request.method, expire.request.path) == ("PUT", "/v1/credentials/10000005")
    assert body(expire) == {"credential": {"expired_on": "2026-03-14"}}
    assert expire.changes


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([answer(200, credential())], Deferred("200 without an expired credential", ambiguous=True)),
        ([answer(200, HTML), answer(200, credential(expired_on="2026-03-14"))], Revoked()),
        (
            [answer(200, b""), answer(200, credential())],
            Deferred("a revoked credential has not expired", ambiguous=True),
        ),
        ([answer(200, b""), answer(503, b"")], Deferred("503: no body", ambiguous=True)),
        ([answer(404, NO_SUCH), answer(200, {"group": {"id": 9549}})], Revoked()),
        ([answer(404, NO_SUCH), answer(404, NO_GROUP)], TemplateUnavailable("404: Group does not exist")),
        ([answer(404, HTML)], Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
        ([answer(404, {"message": "no route"})], Deferred("404: no route", ambiguous=True)),
    ],
)
def test_a_revocation_ends_by_its_answers(answers: list[Answer], outcome: outcomes.Outcome) -> None:
    assert revoke(*answers)[0] == outcome


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([answer(200, credential()), answer(404, NO_SUCH), answer(200, {"group": {"id": 1}})], Erased()),
        (
            [answer(200, credential()), answer(200, credential())],
            Deferred("the credential is still there", ambiguous=False),
        ),
        ([answer(404, NOT_FOUND), answer(200, {"group": {"id": 1}})], Erased()),
        ([answer(403, {"errors": "no"})], Forbidden("403: no")),
    ],
)
def test_a_deletion_is_believed_once_the_credential_is_not_known(
    answers: list[Answer], outcome: outcomes.Outcome
) -> None:
    assert through(ACCREDIBLE.erase("", HELD, CAUSE), *answers)[0] == outcome


# Look-ups.


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (found(), None, Found("10000005", "published")),
        (found(expired_on="2026-03-21"), None, Found("10000005", "published")),
        (found(expired_on="2026-03-20"), [], Absent()),
        (found(approve=False), [], Absent()),
        (found(group={"id": 1}), [], Absent(unproven=1)),
        (found(recipient_id="other:42"), [], Absent(unproven=1)),
        (None, [found(license_id=None, recipient_id=None)], Found("10000005", "published", "address")),
        (found(recipient_id=None), None, Found("10000005", "published", "earner")),
        (None, [found(recipient_id=None, recipient_email="x@example.org")], Absent(unproven=1)),
        (None, [], Absent()),
    ],
)
def test_a_look_up_believes_only_what_shows_that_it_is_the_learners(
    first: dict[str, object] | None, second: list[dict[str, object]] | None, outcome: outcomes.Outcome
) -> None:
    answers = [searched(*([first] if first else []))]
    answers += [] if second is None else [searched(*second)]
    said, calls = through(ACCREDIBLE.look_up("", WANTED), *answers)
    assert said == outcome
    if second is not None:
        assert body(calls[1])["query"] == {"recipient_email": EMAIL, "group.id": GROUP}


def test_an_address_is_looked_for_in_small_letters_too() -> None:
    mixed = Wanted(GROUP, ("campus:42",), unique=True, addresses=("Ada@Example.org", EMAIL), own=OWN)
    by_address = searched(found(license_id=None, recipient_id=None))
    said, [_, search] = through(ACCREDIBLE.look_up("", mixed), searched(), by_address)
    assert said == Found("10000005", "published", "address")
    asked = {"recipient_email[in]": ["Ada@Example.org", EMAIL], "group.id": GROUP}
    assert body(search)["query"] == asked


def test_a_search_that_names_the_recipient_as_a_credential_does_is_understood() -> None:
    shown = {"id": "7", "approve": True, "group_id": int(GROUP), "expired_on": None}
    by_id = shown | {"recipient": {"id": "campus:42", "email": "x@example.org"}}
    by_email = shown | {"recipient": {"email": EMAIL.upper()}}
    assert through(ACCREDIBLE.look_up("", WANTED), searched(by_id))[0] == Found("7", "published")
    said, _ = through(ACCREDIBLE.look_up("", WANTED), searched(), searched(by_email))
    assert said == Found("7", "published", "address")
    elsewhere = by_email | {"group_id": 1}
    said, _ = through(ACCREDIBLE.look_up("", WANTED), searched(), searched(elsewhere))
    assert said == Absent(unproven=1)


def test_of_several_credentials_the_one_that_is_held_is_renewed() -> None:
    several = searched(found(id=1, expired_on="2026-03-01"), found(id=2))
    _, [_, renew] = issue(several, answer(200, credential(id="2")))
    assert renew.request.path == "/v1/credentials/2"


def others(first: int) -> list[dict[str, object]]:
    """A full page of what a service shows that looks at no filter."""
    return [found(id=n, recipient_id=f"campus:{n}", license_id=None) for n in range(first, first + 50)]


def test_where_the_filter_is_ignored_a_look_up_goes_through_the_pages() -> None:
    pages = [searched(*others(100), cursor="a"), searched(*others(200), found(), cursor="b"), searched()]
    said, calls = through(ACCREDIBLE.look_up("", WANTED), *pages)
    assert said == Found("10000005", "published")
    assert [body(call)["page"].get("cursor") for call in calls] == [None, "a", "b"]
    endless = [searched(*others(100 * n), cursor=f"c{n}") for n in range(1, 21)]
    said, _ = through(ACCREDIBLE.look_up("", WANTED), *endless)
    assert said == Refused("a search lists more than 20 pages")


def test_a_site_without_a_prefix_is_shown_by_the_address() -> None:
    bare = Wanted(GROUP, ("42",), addresses=(EMAIL,), own=OWN)
    said, _ = through(ACCREDIBLE.look_up("", bare), searched(found(recipient_id="42")))
    assert said == Found("10000005", "published", "earner")
    cloned = searched(found(recipient_id="42", recipient_email="x@example.org"))
    said, _ = through(ACCREDIBLE.look_up("", bare), cloned, searched())
    assert said == Absent(unproven=1)


def test_a_list_goes_on_by_its_cursor_to_the_last_page() -> None:
    # Fewer than were asked for, and one of them twice: the list has changed meanwhile.
    pages = [
        searched(*(found(id=n) for n in range(1, 31)), cursor="a"),
        searched(found(id=30), found(id=31), cursor="b"),
        searched(cursor="b"),
    ]
    listed, calls = through(ACCREDIBLE.listing("", GROUP), *pages)
    assert isinstance(listed, tuple)
    assert [badge.id for badge in listed] == [str(n) for n in range(1, 32)]
    assert [body(call)["page"].get("cursor") for call in calls] == [None, "a", "b"]
    full = searched(*(found(id=n) for n in range(1, 51)), cursor="a")
    said, _ = through(ACCREDIBLE.listing("", GROUP), full, full)
    assert said == Deferred("a list does not lead on", ambiguous=False)


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (answer(200, {"group": {"allow_duplicate_credentials": False}}), TemplateActive(False)),
        (answer(200, {"group": {"allow_duplicate_credentials": True}}), TemplateActive(True)),
        (answer(200, {"group": {"id": 9549}}), TemplateActive(True)),
        (answer(200, {"group": {}}), Deferred("200 without a group", ambiguous=False)),
        (answer(404, NO_GROUP), TemplateUnavailable("404: Group does not exist")),
        (answer(404, HTML), Deferred("404: an HTML page: 502 Bad Gateway", ambiguous=True)),
    ],
)
def test_a_group_is_a_template(answered: Answer, outcome: outcomes.Outcome) -> None:
    assert through(ACCREDIBLE.template("", GROUP), answered)[0] == outcome


def test_a_key_works_if_it_may_see_its_account_and_a_departments_may_not() -> None:
    for answered, outcome in (
        (answer(200, {"issuer": {"id": 1}}), KeyWorks()),
        (answer(401, b"HTTP Token: Access denied."), KeyRefused("401: HTTP Token: Access denied.")),
        (answer(403, {"errors": "no"}), Unsupported("403: no")),
    ):
        assert through(ACCREDIBLE.key_works("", "key"), answered)[0] == outcome


def test_each_region_is_a_service_of_its_own() -> None:
    assert ACCREDIBLE.base_url("eu", None) == "https://eu.api.accredible.com"
    assert ACCREDIBLE.base_url("us", "http://127.0.0.1:8071/v1/") == "http://127.0.0.1:8071"
    request = next(ACCREDIBLE.template("", GROUP)).request
    for given, sent in (("a-key", "Token token=a-key"), ("Bearer k", "Bearer k"), ("Token k", "Token k")):
        assert ACCREDIBLE.headers(given, request, NOW) == {"Authorization": sent}


def test_a_key_of_several_lines_is_none() -> None:
    assert ACCREDIBLE.no_key("a-key") == ""
    assert "not one line" in ACCREDIBLE.no_key("a-key\nanother")


@pytest.mark.parametrize(
    ("who", "lacks"),
    [
        (ADA, ""),
        (Recipient("ada", EMAIL, ""), ""),
        (Recipient("", EMAIL, " "), "the learner's name is not known"),
        (Recipient("ada", "", "Ada"), "the learner's e-mail address is not known"),
        (None, "the learner's e-mail address is not known"),
    ],
)
def test_a_recipient_has_an_address_and_a_name(who: Recipient | None, lacks: str) -> None:
    assert ACCREDIBLE.lacks(who) == lacks

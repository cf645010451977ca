"""The Credly simulator is as unkind as Credly, and more so if it is told to be."""

from typing import Any

import orjson
import pytest

from streams.issuers.credly.requests import authorization
from streams.sandbox.credly import CredlySimulator, Fault, Manners, Reply, Token

ORGANIZATION, OTHER = "an-organization", "another"
TEMPLATE = "a-template"
KEY = "S3cret-Key"
ADA = {
    "recipient_email": "ada@example.org",
    "issued_to_first_name": "Ada",
    "issued_to_last_name": "Lovelace",
    "badge_template_id": TEMPLATE,
    "issued_at": "2026-03-14 15:09:26 +0000",
    "issuer_earner_id": "42",
}


class Site:
    """A Credly with a template, and a client of it; `time` is the simulator's."""

    def __init__(self, **manners: Any) -> None:
        self.time = 1_000.0
        self.credly = CredlySimulator(now=lambda: self.time, manners=Manners(**manners))
        self.credly.add_organization(ORGANIZATION, KEY)
        self.credly.add_template(ORGANIZATION, TEMPLATE)

    def call(self, method: str, path: str, body: object = None, key: str = KEY, **query: str) -> Reply:
        target = f"/v1/organizations/{ORGANIZATION}/{path}"
        target += "?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else ""
        content = b"" if body is None else orjson.dumps(body)
        return self.credly.handle(method, target, {"Authorization": authorization(key)}, content)

    def issue(self, **changes: object) -> Reply:
        return self.call("POST", "badges", ADA | changes)

    def revoke(self, badge: str) -> Reply:
        return self.call("PUT", f"badges/{badge}/revoke", {"reason": "a test"})

    def listed(self, filter: str = "") -> list[tuple[str, str]]:
        badges = data(self.call("GET", "badges", filter=filter))
        return [(badge["id"], badge["state"]) for badge in badges]


def data(reply: Reply) -> Any:
    return orjson.loads(reply.body)["data"]


def metadata(reply: Reply) -> Any:
    return orjson.loads(reply.body)["metadata"]


def test_a_deletion_is_answered_without_a_body() -> None:
    here = Site()
    badge = data(here.issue())["id"]
    assert here.call("DELETE", f"badges/{badge}") == Reply(204, b"")
    assert here.call("DELETE", f"badges/{badge}").status == 404


def test_lists_lag_behind_what_was_issued_revoked_and_deleted() -> None:
    here = Site(list_lag=5.0)
    badge = data(here.issue())["id"]
    for change, before, after in (
        (lambda: None, [], [(badge, "pending")]),
        (lambda: here.revoke(badge), [(badge, "pending")], [(badge, "revoked")]),
        (lambda: here.call("DELETE", f"badges/{badge}"), [(badge, "revoked")], []),
    ):
        change()
        here.time += 4.9
        assert here.listed() == here.listed("issuer_earner_id::42|badge_template_id::a-template") == before
        here.time += 0.2
        assert here.listed() == after


def test_a_filter_by_state_lags_too() -> None:
    here = Site(list_lag=5.0)
    badge = data(here.issue())["id"]
    here.time += 10
    here.revoke(badge)
    assert here.listed("state::pending,accepted") == [(badge, "pending")]
    assert here.listed("state::revoked") == []


def test_a_badge_that_is_asked_for_lags_only_if_told_to() -> None:
    here = Site(list_lag=5.0)
    badge = data(here.issue())["id"]
    assert data(here.call("GET", f"badges/{badge}"))["state"] == "pending"
    here.credly.manners = Manners(badge_lag=5.0)
    assert here.call("GET", f"badges/{badge}").status == 404
    here.time += 6
    here.revoke(badge)
    assert data(here.call("GET", f"badges/{badge}"))["state"] == "pending"


def test_the_duplicate_rule_does_not_lag() -> None:
    here = Site(list_lag=5.0)
    here.issue()
    again = here.issue()
    assert (again.status, data(again)["message"]) == (422, "User already has this badge")


@pytest.mark.parametrize(
    ("missing", "method", "path"),
    [
        ("read_enabled", "GET", "badges"),
        ("read_enabled", "GET", "authorization_tokens"),
        ("write_enabled", "POST", "badges"),
        ("write_enabled", "PUT", "badges/any/revoke"),
        ("delete_enabled", "DELETE", "badges/any"),
    ],
)
def test_a_token_without_the_right_is_forbidden_this_and_nothing_else(
    missing: str, method: str, path: str
) -> None:
    here = Site()
    rights: dict[str, Any] = {missing: False}
    here.credly.add_token(Token(ORGANIZATION, KEY, **rights))
    assert here.call(method, path, ADA).status == 403
    here.credly.add_token(Token(ORGANIZATION, KEY))
    assert here.call(method, path, ADA).status != 403


def test_a_token_ends_at_its_time() -> None:
    here = Site()
    here.credly.add_token(Token(ORGANIZATION, KEY, expires_at="1970-01-01T00:20:00+00:00"))
    assert here.issue().status == 201
    here.time = 1_200.0
    assert here.issue().status == 401


def test_the_tokens_are_told_with_their_values_and_rights() -> None:
    here = Site()
    here.credly.add_token(Token(ORGANIZATION, "second", write_enabled=False, delete_enabled=False))
    first, second = data(here.call("GET", "authorization_tokens"))
    assert first["token"] == KEY
    assert second == {
        "token": "second",
        "expires_at": "2030-01-01T00:00:00.000+00:00",
        "read_enabled": True,
        "write_enabled": False,
        "delete_enabled": False,
    }


def test_an_organization_that_is_not_the_token_s_own_does_not_exist() -> None:
    here = Site()
    here.credly.add_organization(OTHER, "other-key")
    reply = here.call("GET", "badges", key="other-key")
    assert (reply.status, orjson.loads(reply.body)) == (404, {"message": "resource not found"})
    assert here.call("GET", "badges", key="nobody's").status == 401


def test_an_account_is_found_by_any_of_its_addresses_and_shows_the_one_that_the_badge_was_sent_to() -> None:
    here = Site()
    here.credly.add_account("ada@home.example", "Ada@example.org")
    badge = data(here.issue())
    assert badge["recipient_email"] == "ada@example.org"
    assert badge["user"]["email"] == "ada@home.example"
    for filter, count in (
        ("recipient_email_all::ada@home.example", 1),
        ("recipient_email_all::ADA@example.org|badge_template_id::a-template", 1),
        ("recipient_email_all::ada@home.example|badge_template_id::a-template", 1),
        ("recipient_email_all::bob@example.org", 0),
        ("recipient_email::ada@example.org", 1),
        ("recipient_email::ada@home.example", 0),
    ):
        assert len(here.listed(filter)) == count, filter


@pytest.mark.parametrize(
    ("second", "status"),
    [
        ({"recipient_email": "ada@example.org", "issuer_earner_id": "1"}, 422),
        ({"recipient_email": "ada@home.example", "issuer_earner_id": "1"}, 422),
        ({"recipient_email": "bob@example.org", "issuer_earner_id": "42"}, 422),
        ({"recipient_email": "bob@example.org", "issuer_earner_id": "1"}, 201),
    ],
)
def test_a_second_badge_is_refused_by_address_by_account_and_by_earner(
    second: dict[str, object], status: int
) -> None:
    here = Site()
    here.credly.add_account("ada@home.example", "ada@example.org")
    here.issue()
    assert here.issue(**second).status == status


def test_a_proxy_refuses_calls_with_a_text_and_lets_others_pass() -> None:
    here = Site()
    here.credly.schedule([Fault("error", status=403, body="proxy", contains="<script>")])
    refused = here.issue(issued_to_first_name="<script>alert(1)</script>")
    assert (refused.status, refused.body.splitlines()[1]) == (
        403,
        b"<head><title>403 Forbidden</title></head>",
    )
    assert here.call("GET", "badges", filter="query::%3Cscript%3E").status == 403
    assert here.issue().status == 201


@pytest.mark.parametrize("status", [404, 502])
def test_a_proxy_answers_with_pages_of_its_own(status: int) -> None:
    here = Site()
    here.credly.schedule([Fault("error", status=status, body="proxy")])
    reply = here.issue()
    assert (reply.status, b"nginx" in reply.body) == (status, True)


def test_a_login_page_comes_with_success() -> None:
    here = Site()
    here.credly.schedule([Fault("error", status=200, body="login")])
    reply = here.issue()
    assert (reply.status, b"Sign in" in reply.body) == (200, True)


def test_a_wrong_path_is_the_proxy_s_and_not_credly_s() -> None:
    reply = Site().credly.handle("GET", "/api/v1/organizations/o/badges", {}, b"")
    assert (reply.status, reply.body.splitlines()[1]) == (404, b"<head><title>404 Not Found</title></head>")


@pytest.mark.parametrize("state", ["revoked", "rejected"])
@pytest.mark.parametrize("status", [200, 404, 409, 422])
def test_nobody_knows_what_a_revocation_of_what_nobody_holds_is_answered_with(
    status: int, state: str
) -> None:
    here = Site(not_held=status)
    badge = data(here.issue())["id"]
    here.credly.set_state(badge, state)
    reply = here.revoke(badge)
    assert reply.status == status
    assert b"already" not in reply.body
    assert here.listed() == [(badge, state)]


def test_a_replaced_badge_can_be_neither_revoked_nor_replaced_and_names_its_replacement() -> None:
    here = Site()
    old = data(here.issue())["id"]
    again = {"badge_template_id": TEMPLATE, "issued_at": "2026-04-01T10:00:00Z"}
    new = data(here.call("POST", f"badges/{old}/replace", again))
    assert (new["replaces_badge_id"], new["issuer_earner_id"]) == (old, "42")
    assert data(here.call("GET", f"badges/{old}"))["replacement_badge_id"] == new["id"]
    for refused in (here.revoke(old), here.call("POST", f"badges/{old}/replace", again)):
        assert refused.status == 422
        assert metadata(refused)["current_badge_id"] == new["id"]
    assert [badge.id for badge in here.credly.held()] == [new["id"]]
    assert here.issue().status == 422


@pytest.mark.parametrize("state", ["accepted", "rejected", "revoked"])
def test_an_earner_may_issue_again_only_what_nobody_holds(state: str) -> None:
    here = Site()
    here.credly.set_state(data(here.issue())["id"], state)
    assert here.issue().status == (422 if state == "accepted" else 201)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, None),
        (False, None),
        ("2028-03-14 15:09:26 +0100", "2028-03-14T14:09:26.000Z"),
        ("2028-03-14T15:09:26Z", "2028-03-14T15:09:26.000Z"),
    ],
)
def test_an_expiry_is_taken_in_every_form_and_shown_in_one(given: object, shown: str | None) -> None:
    badge = data(Site().issue(expires_at=given))
    assert (badge["expires_at"], badge["expires_at_date"]) == (shown, shown and shown[:10])


@pytest.mark.parametrize("name", ["expires_at", "issued_at"])
def test_what_is_no_time_is_refused(name: str) -> None:
    assert Site().issue(**{name: "tomorrow"}).status == 422


@pytest.mark.parametrize("retry_after", ["3", None])
def test_more_calls_than_the_rate_are_throttled_organization_by_organization(retry_after: str | None) -> None:
    here = Site(rate=2.0, burst=3, retry_after=retry_after)
    assert [here.call("GET", "badges").status for _ in range(4)] == [200, 200, 200, 429]
    assert here.call("GET", "badges").headers == ({"Retry-After": "3"} if retry_after else {})
    here.time += 0.6
    assert [here.call("GET", "badges").status for _ in range(2)] == [200, 429]
    assert here.credly.handle("GET", f"/v1/organizations/{OTHER}/badges", {}, b"").status == 401


def test_a_list_has_pages_of_50_and_their_addresses_are_whole_but_without_the_filter() -> None:
    here = Site()
    for earner in range(120):
        here.issue(issuer_earner_id=str(earner), recipient_email=f"user{earner}@example.org")
    first = here.call("GET", "badges", filter="state::pending")
    last = here.call("GET", "badges", filter="state::pending", page="3")
    assert [len(data(first)), len(data(last))] == [50, 20]
    assert (
        metadata(first)["next_page_url"] == f"https://sandbox/v1/organizations/{ORGANIZATION}/badges?page=2"
    )
    assert metadata(last) | {"previous_page_url": ""} == {
        "count": 20,
        "current_page": 3,
        "total_count": 120,
        "total_pages": 3,
        "per": 50,
        "previous_page_url": "",
        "next_page_url": None,
    }


def test_filters_are_ignored_if_told_to() -> None:
    here = Site(ignored_filters=frozenset(["issuer_earner_id"]))
    here.issue()
    assert len(here.listed("issuer_earner_id::7")) == 1


def test_an_archived_template_is_hidden_in_a_success_if_told_to() -> None:
    here = Site()
    here.issue()
    here.credly.add_template(ORGANIZATION, TEMPLATE, "archived")
    by_template = "badge_template_id::a-template"
    assert data(here.call("GET", f"badge_templates/{TEMPLATE}"))["state"] == "archived"
    assert len(here.listed(by_template)) == 1
    here.credly.manners = Manners(hides_archived=True)
    hidden = here.call("GET", f"badge_templates/{TEMPLATE}")
    assert (hidden.status, data(hidden)) == (200, {})
    assert here.listed(by_template) == []


def test_there_are_attributes_that_nobody_expects() -> None:
    here = Site()
    assert "attribute_of_tomorrow" in data(here.issue())
    assert "attribute_of_tomorrow" in data(here.call("GET", f"badge_templates/{TEMPLATE}"))

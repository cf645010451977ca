"""A status list keeps its bits; a desk gives each badge a place of its own."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from streams.issuers.open_badges.status import BITS, StatusList, unpacked
from tests.issuers.open_badges.a_badge import ORGANIZATION, Issuing


@given(st.sets(st.integers(0, BITS - 1), max_size=20))
def test_what_is_revoked_is_read_again_and_nothing_else(places: set[int]) -> None:
    status = StatusList()
    for place in places:
        status = status.revoke(place)

    again = unpacked(status.packed())

    assert again == status
    assert all(map(again.is_revoked, places))
    assert sum(byte.bit_count() for byte in again.bits) == len(places)


def places(issuing: Issuing, *badges: str) -> list[tuple[str, str]]:
    statuses = [issuing.credential(badge)["credentialStatus"] for badge in badges]
    return [(s["statusListCredential"].rpartition("/")[2], s["statusListIndex"]) for s in statuses]


def test_each_badge_has_the_next_place_of_the_desks_list() -> None:
    issuing = Issuing()

    given = [issuing.issue("a"), issuing.issue("b"), issuing.issue("a", "2")]

    list = f"{ORGANIZATION}-3-0"
    assert places(issuing, *given) == [(list, "0"), (list, "1"), (list, "2")]


def test_a_full_list_is_followed_by_another_one_that_is_published_at_once() -> None:
    issuing = Issuing(kept={f"next/{ORGANIZATION}": orjson.dumps([f"{ORGANIZATION}-3-7", BITS])})

    badge = issuing.issue()

    assert places(issuing, badge) == [(f"{ORGANIZATION}-3-8", "0")]
    assert f"status/{ORGANIZATION}-3-8" in issuing.published


def test_desks_share_no_list() -> None:
    one, two = Issuing(number=1), Issuing(number=2)

    assert places(one, one.issue()) != places(two, two.issue())


def test_a_deleted_badge_is_gone_and_shows_as_revoked() -> None:
    issuing = Issuing()
    badge = issuing.issue()

    issuing.erase(badge)

    assert issuing.published[f"credentials/{badge}"] is None
    assert unpacked(issuing.kept[f"bits/{ORGANIZATION}-3-0"]).is_revoked(0)

"""What is read once for many documents is what each of them says by itself."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from streams.issuers.issuer import Evidence
from streams.issuers.open_badges import canonical as module
from streams.issuers.open_badges import status
from streams.issuers.open_badges.achievement import Achievement
from streams.issuers.open_badges.canonical import MARK, canonical
from streams.issuers.open_badges.credential import Badge, Profile, credential
from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT
from streams.issuers.open_badges.status import StatusList
from tests.issuers.open_badges.a_badge import ISSUER, LIST, URL, Issuing

texts = st.text(min_size=1) | st.sampled_from([f"{MARK}0", "\u2028", '"\\\n', "urn:x", "https://x.org/"])
times = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(9000, 1, 1))
achievements = st.builds(
    Achievement,
    st.just(f"{URL}/badges/achievements/t"),
    texts,
    texts,
    texts,
    st.sampled_from(["", "https://images.example.edu/1.png"]),
)
# Of two of them that are the same, nothing tells one from the other.
evidence = st.lists(st.builds(Evidence, texts, times, st.tuples(texts)), max_size=2).flatmap(
    lambda some: st.sampled_from([tuple(some), tuple(some + some[:1])])
)
badges = st.builds(
    Badge,
    st.text("0123456789abcdef"),
    texts,
    times,
    st.none() | times,
    st.just(LIST),
    st.integers(0, 9_999),
    evidence,
)


def whole(document: Mapping[str, Any]) -> str:
    """By the library alone."""
    how = {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": module._load}
    text: str = jsonld.normalize(document, how)
    return text


# To read a whole document takes long where a machine is busy.
@settings(deadline=None)
@given(achievements, st.lists(badges, min_size=2, max_size=2), st.sampled_from(["a", "a b", "a>", "ä"]))
def test_badges_of_a_template_are_what_each_is_by_itself(
    achievement: Achievement, badges: list[Badge], id: str
) -> None:
    profile = Profile(ISSUER, "Example University", URL)
    for number, badge in enumerate(badges):
        document = credential(f"{URL}/badges/credentials/{id}{number}", profile, achievement, badge)

        assert canonical(document) == whole(document)


@settings(deadline=None)
@given(st.sets(st.integers(0, status.BITS - 1), max_size=3))
def test_so_are_status_lists(places: set[int]) -> None:
    bits = StatusList()
    for place in places:
        bits = bits.revoke(place)
    document = status.credential(LIST, ISSUER, bits, "2026-03-14T15:09:26Z")

    assert canonical(document) == whole(document)


@pytest.mark.parametrize("id", ["urn:uuid:1", "relative", "", "https://example.org/a b", "_:b0"])
def test_so_is_a_document_with_any_id(id: str) -> None:
    document = {
        "@context": [CREDENTIALS_CONTEXT],
        "id": id,
        "type": ["VerifiableCredential"],
        "issuer": "did:web:x",
    }

    assert canonical(document) == whole(document)


def test_a_template_is_read_once() -> None:
    issuing = Issuing()
    issuing.issue("a")
    module._dataset.cache_clear()

    for number in range(20):
        issuing.issue(f"b{number}")

    # The options of a proof are a document, too.
    assert module._dataset.cache_info().misses == 2

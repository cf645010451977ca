"""Implementations of other authors accept our credentials, and refuse what was changed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openbadgeslib.ob3 import OB3LdpVerifier, OB3Verifier
from openbadgeslib.ob3.verifier import OB3VerificationError

from streams.issuers.issuer import Evidence
from tests.issuers.open_badges.a_badge import ISSUER, LIST, TIME, URL, Issuing
from tests.issuers.open_badges.conftest import Verify


def test_a_badge_is_verified_and_a_revoked_one_shows_it(verify: Verify) -> None:
    issuing = Issuing(evidence=(Evidence("Pass <both>", TIME, ("Kafka 101", "Streams 201")),))
    held, revoked = issuing.issue("held"), issuing.issue("revoked")
    issuing.revoke(revoked)

    results = verify([issuing.credential(held), issuing.credential(revoked)], issuing.documents())

    assert [(r["verified"], r["status"]) for r in results] == [(True, False), (True, True)]
    assert issuing.credential(held)["evidence"] == [
        {"type": ["Evidence"], "name": "Pass <both>", "narrative": "2026-03-01: Kafka 101, Streams 201"}
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Something else"},
        {"validFrom": "2020-01-01T00:00:00Z"},
        {"credentialStatus": None},
        {"issuer": {"id": ISSUER, "type": ["Profile"], "name": "Another University"}},
    ],
)
def test_a_changed_badge_is_refused(verify: Verify, change: dict[str, Any]) -> None:
    issuing = Issuing()
    changed = {name: value for name, value in {**issuing.issued(), **change}.items() if value is not None}

    (result,) = verify([changed], issuing.documents())

    assert not result["verified"]


def test_a_badge_of_another_key_is_refused(verify: Verify) -> None:
    issuing, forger = Issuing(), Issuing(seed=2)
    issuing.issue()

    (result,) = verify([forger.issued()], issuing.documents())

    assert not result["verified"]


def test_after_a_rotation_what_the_old_key_signed_is_verified(verify: Verify) -> None:
    issuing = Issuing()
    old = issuing.issued("old")
    issuing.seed = 2
    new = issuing.issued("new")

    results = verify([old, new], issuing.documents())

    assert [r["verified"] for r in results] == [True, True]
    assert len(issuing.keys()) == 2


def download(issuing: Issuing) -> Callable[[str], bytes]:
    pages = {
        f"{URL}/.well-known/did.json": json.dumps(issuing.documents()[ISSUER]),
        # This library reads a list as a JWT alone.
        LIST: issuing.published[LIST.removeprefix(f"{URL}/badges/")]["jwt"],
    }
    return lambda url: pages[url].encode()


def test_openbadgeslib_accepts_a_badge_and_sees_that_another_is_revoked() -> None:
    issuing = Issuing()
    held, revoked = issuing.issue("held"), issuing.issue("revoked")
    issuing.revoke(revoked)
    verifier = OB3LdpVerifier.for_issuer_did(ISSUER)

    verifier.verify(dict(issuing.credential(held)), check_status=True, download=download(issuing))
    with pytest.raises(OB3VerificationError, match="'revocation' is set"):
        verifier.verify(dict(issuing.credential(revoked)), check_status=True, download=download(issuing))
    with pytest.raises(OB3VerificationError):
        verifier.verify({**issuing.credential(held), "name": "Something else"}, download=download(issuing))


def test_openbadgeslib_accepts_a_badge_as_a_jwt() -> None:
    issuing = Issuing()
    badge = issuing.issue(expires=TIME.replace(year=2099))
    token = issuing.published[f"credentials/{badge}"]["jwt"]

    verifier = OB3Verifier.for_issuer_did(ISSUER, download=download(issuing))

    assert verifier.verify(token).issuer.id == ISSUER
    head, claims, signature = token.split(".")
    with pytest.raises(OB3VerificationError):
        verifier.verify(f"{head}.{claims[:-2]}AA.{signature}")

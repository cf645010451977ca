"""Implementations of other authors accept our credentials, and refuse what was changed."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from openbadgeslib.ob3 import OB3LdpVerifier, OB3Verifier
from openbadgeslib.ob3.verifier import OB3VerificationError

from streams.issuers.open_badges import did, proof
from streams.sandbox.jars import alone
from tests.issuers.open_badges.a_badge import ISSUER, LIST, TIME, URL, Issuing, key

ROOT = Path(__file__).parents[3]
Verify = Callable[[list[Mapping[str, Any]], Mapping[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def verify() -> Verify:
    """What Digital Bazaar's libraries say of credentials, with the documents that they may look at."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with alone(cache / "open-badges.lock"):
        script = Path(__file__).with_name("verifier")
        found = subprocess.run([script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    folder = Path(found.stdout.strip())

    def verified(credentials: list[Mapping[str, Any]], documents: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked = json.dumps({"credentials": credentials, "documents": documents})
        run = subprocess.run(
            ["node", "verify.mjs"], cwd=folder, input=asked, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        results: list[dict[str, Any]] = json.loads(run.stdout)
        return results

    return verified


def documents(issuing: Issuing, *keys: bytes) -> Mapping[str, Any]:
    return {ISSUER: did.document(ISSUER, keys or [issuing.key.public]), LIST: issuing.status_list()}


def test_a_badge_is_verified_and_a_revoked_one_shows_it(verify: Verify) -> None:
    issuing = Issuing(key())
    held, revoked = issuing.issue("held"), issuing.issue("revoked")
    issuing.revoke(1)

    results = verify([held, revoked], documents(issuing))

    assert [(r["verified"], r["status"]) for r in results] == [(True, False), (True, True)]


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
    issuing = Issuing(key())
    changed = {name: value for name, value in {**issuing.issue(), **change}.items() if value is not None}

    (result,) = verify([changed], documents(issuing))

    assert not result["verified"]


def test_a_badge_of_another_key_is_refused(verify: Verify) -> None:
    issuing, forger = Issuing(key()), Issuing(key(2))

    (result,) = verify([forger.issue()], documents(issuing))

    assert not result["verified"]


def test_after_a_rotation_what_the_old_key_signed_is_verified(verify: Verify) -> None:
    issuing = Issuing(key(1))
    old = issuing.issue("old")
    issuing.rotate(key(2))
    new = issuing.issue("new")

    results = verify([old, new], documents(issuing, key(2).public, key(1).public))

    assert [r["verified"] for r in results] == [True, True]


def download(issuing: Issuing) -> Callable[[str], bytes]:
    pages = {
        f"{URL}/.well-known/did.json": json.dumps(did.document(ISSUER, [issuing.key.public])),
        # This library reads a list as a JWT alone.
        LIST: proof.as_jwt(issuing.unsigned_list(), issuing.key, issuing.method),
    }
    return lambda url: pages[url].encode()


def test_openbadgeslib_accepts_a_badge_and_sees_that_another_is_revoked() -> None:
    issuing = Issuing(key())
    held, revoked = issuing.issue("held"), issuing.issue("revoked")
    issuing.revoke(1)
    verifier = OB3LdpVerifier.for_issuer_did(ISSUER)

    verifier.verify(dict(held), check_status=True, download=download(issuing))
    with pytest.raises(OB3VerificationError, match="'revocation' is set"):
        verifier.verify(dict(revoked), check_status=True, download=download(issuing))
    with pytest.raises(OB3VerificationError):
        verifier.verify({**held, "name": "Something else"}, download=download(issuing))


def test_openbadgeslib_accepts_a_badge_as_a_jwt() -> None:
    issuing = Issuing(key())
    token = proof.as_jwt(issuing.unsigned(expires=TIME.replace(year=2099)), issuing.key, issuing.method)

    verifier = OB3Verifier.for_issuer_did(ISSUER, download=download(issuing))

    assert verifier.verify(token).issuer.id == ISSUER
    head, claims, signature = token.split(".")
    with pytest.raises(OB3VerificationError):
        verifier.verify(f"{head}.{claims[:-2]}AA.{signature}")

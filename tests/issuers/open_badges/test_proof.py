"""The proofs are those of the specification, and the same each time."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openbadgeslib.ob3 import did as theirs
from pyld import jsonld

from streams.clock import zulu
from streams.issuers.open_badges import proof
from streams.issuers.open_badges.base58 import multibase, unmultibase
from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT
from streams.issuers.open_badges.keys import Key
from tests.issuers.open_badges.a_badge import Issuing

VECTORS = Path(__file__).with_name("vectors")
# The second context of the W3C's examples, which is nothing else than this.
EXAMPLES = {"@vocab": "https://www.w3.org/ns/credentials/examples#"}


def test_the_w3cs_test_vector_is_signed_alike() -> None:
    """Of W3C vc-di-eddsa, TestVectors/eddsa-rdfc-2022, under the W3C Software and Document License."""
    pair = json.loads((VECTORS / "keyPair.json").read_text())
    expected = json.loads((VECTORS / "signed.json").read_text())
    private = theirs._b58btc_decode(pair["privateKeyMultibase"][1:]).removeprefix(b"\x80\x26")
    signing = Ed25519PrivateKey.from_private_bytes(private)
    document = {name: value for name, value in expected.items() if name != "proof"}
    document["@context"] = [CREDENTIALS_CONTEXT, EXAMPLES]

    options = proof.options(
        expected["proof"]["verificationMethod"], datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
    )
    signed = proof.proven(document, options, signing.sign(proof.hashes(document, options)))

    assert Key(signing.public_key()).name == pair["publicKeyMultibase"]
    assert signed["proof"] == expected["proof"]


def test_the_same_decision_gives_the_same_bytes() -> None:
    one, other = Issuing(), Issuing()
    one.issue()
    other.issue()

    assert json.dumps(one.published) == json.dumps(other.published)


def test_no_name_of_a_credential_can_be_told_from_its_badge() -> None:
    ids = [Issuing().issue("badge-1"), Issuing().issue("badge-1", "2"), Issuing(seed=2).issue("badge-1")]

    assert len(set(ids)) == 3
    assert not any("badge-1" in id for id in ids)


def test_a_jwt_is_left_out_where_none_is_wanted() -> None:
    issuing = Issuing(jwt=False)
    badge = issuing.issue()
    issuing.revoke(badge)

    assert not any("jwt" in value for value in issuing.published.values())


def test_the_address_of_the_learner_is_not_in_the_credential() -> None:
    assert "seven" not in json.dumps(Issuing().issued()).lower()


def test_a_context_that_is_not_shipped_is_not_fetched() -> None:
    document = {"@context": ["https://example.org/other"], "id": "urn:x"}

    with pytest.raises(jsonld.JsonLdError):
        proof.hashes(document, proof.options("did:web:x#k", datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0a", bytes(range(32)), b"\xff" * 64])
def test_base_58_is_what_others_read(data: bytes) -> None:
    assert theirs._b58btc_decode(multibase(data)[1:]) == data
    assert unmultibase(multibase(data)) == data


def test_a_time_has_four_digits_for_its_year() -> None:
    assert zulu(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"

"""An issuer's name is where its document is looked for, as others look for it."""

import json

import pytest
from openbadgeslib.ob3.did import did_web_from_url, fetch_did_web_document

from streams.issuers.open_badges import did
from streams.issuers.open_badges.keys import no_key
from tests.issuers.open_badges.a_badge import key, pem, public_pem


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("https://badges.example.edu", "did:web:badges.example.edu", "/.well-known/did.json"),
        ("https://Badges.Example.edu/", "did:web:badges.example.edu", "/.well-known/did.json"),
        ("https://example.edu/open/badges", "did:web:example.edu:open:badges", "/open/badges/did.json"),
        ("https://localhost:8443", "did:web:localhost%3A8443", "/.well-known/did.json"),
    ],
)
def test_others_look_for_the_document_where_it_is(url: str, name: str, path: str) -> None:
    looked: list[str] = []
    document = did.document(name, [key().name])

    def download(address: str) -> bytes:
        looked.append(address)
        return json.dumps(document).encode()

    assert did.did(url) == name
    assert fetch_did_web_document(name, download) == document
    assert looked[0].endswith(path)
    assert did.document_path(url) == path
    assert did_web_from_url(url) == name


EC = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----"""


@pytest.mark.parametrize(
    "text", ["", "key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", EC]
)
def test_what_is_no_key_to_sign_with_is_said(text: str) -> None:
    assert no_key(text).startswith("its key is no ")


@pytest.mark.parametrize("text", [pem(), public_pem()])
def test_a_key_in_pem_is_one_to_sign_with(text: str) -> None:
    assert no_key(text) == ""

"""An issuer's name is where its document is looked for, as others look for it."""

import json

import pytest
from openbadgeslib.ob3.did import did_web_from_url, fetch_did_web_document

from streams.errors import ConfigurationError
from streams.issuers.open_badges import did
from streams.issuers.open_badges.keys import read_private, read_public
from tests.issuers.open_badges.a_badge import key


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
    document = did.document(name, [key().public])

    def download(address: str) -> bytes:
        looked.append(address)
        return json.dumps(document).encode()

    assert did.did(url) == name
    assert fetch_did_web_document(name, download) == document
    assert looked[0].endswith(path)
    assert did.document_path(url) == path
    assert did_web_from_url(url) == name


RSA = b"-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJB\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    "pem", [b"", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", RSA]
)
def test_what_is_no_key_is_refused_by_name(pem: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"^issuer\.pem: "):
        read_private(pem, "issuer.pem")
    with pytest.raises(ConfigurationError, match=r"^issuer\.pub: "):
        read_public(pem, "issuer.pub")

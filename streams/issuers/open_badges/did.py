"""The issuer's name in the world, a `did:web`, the document that tells its keys, and where its badges are."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

DID_CONTEXT = "https://www.w3.org/ns/did/v1"
CREDENTIALS_CONTEXT = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_CONTEXT = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
MULTIKEY_CONTEXT = "https://w3id.org/security/multikey/v1"


def did(url: str) -> str:
    """The `did:web` of the issuer whose pages are under `url`: `https://x.org/b` is `did:web:x.org:b`."""
    parts = urlsplit(url)
    names = [quote(part, safe="") for part in (parts.netloc.lower(), *filter(None, parts.path.split("/")))]
    return ":".join(("did:web", *names))


def host(url: str) -> str:
    """The host of an address, with its port, as a request names it."""
    return urlsplit(url).netloc.lower()


def document_path(url: str) -> str:
    """Where resolvers look for the document, below the host."""
    path = urlsplit(url).path.rstrip("/")
    return f"{path}/did.json" if path else "/.well-known/did.json"


def credential_url(url: str, credential: str) -> str:
    """Where the issuer whose pages are under `url` shows a credential."""
    return f"{url.rstrip('/')}/badges/credentials/{credential}"


def method(issuer: str, key: str) -> str:
    """The id of a public key, a Multikey: what a proof names as its verification method."""
    return f"{issuer}#{key}"


def document(issuer: str, keys: Iterable[str]) -> Mapping[str, Any]:
    """The DID document: the issuer's public keys, Multikeys, those of today and all that signed before."""
    methods = [
        {
            "id": method(issuer, key),
            "type": "Multikey",
            "controller": issuer,
            "publicKeyMultibase": key,
        }
        for key in keys
    ]
    return {
        "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
        "id": issuer,
        "verificationMethod": methods,
        "assertionMethod": [each["id"] for each in methods],
    }

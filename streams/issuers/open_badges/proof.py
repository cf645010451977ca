"""Signs a document: Data Integrity with `eddsa-rdfc-2022` (W3C), and JWT (VC-JOSE-COSE)."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from streams.clock import zulu
from streams.issuers.open_badges.base58 import multibase
from streams.issuers.open_badges.canonical import canonical

SUITE = "eddsa-rdfc-2022"

Document = Mapping[str, Any]


def options(method: str, created: datetime) -> Document:
    """What a proof says of itself: it is by the verification method `method`, and was made at `created`."""
    return {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": zulu(created),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }


def proven(document: Document, options: Document, signature: bytes) -> Document:
    """The document with its proof, of which `signature` signs the `hashes`."""
    return {**document, "proof": {**options, "proofValue": multibase(signature)}}


def hashes(document: Document, options: Document) -> bytes:
    """What is signed of a document: by the suite's section 3.2.4 first the hash of the proof's options."""
    return _hash({"@context": document["@context"], **options}) + _hash(document)


def claimed(document: Document, method: str) -> str:
    """The credential as a JWT without its signature, as Open Badges 3.0 has it in section 8.2: the
    credential's properties, and the registered claims that say the same."""
    header = {"alg": "EdDSA", "typ": "vc+jwt", "kid": method}
    claims = {
        **document,
        "iss": method.partition("#")[0],
        "jti": document["id"],
        "nbf": _seconds(document["validFrom"]),
    }
    if "validUntil" in document:
        claims["exp"] = _seconds(document["validUntil"])
    return f"{_base64url(orjson.dumps(header))}.{_base64url(orjson.dumps(claims))}"


def as_jwt(claimed: str, signature: bytes) -> str:
    """The whole JWT."""
    return f"{claimed}.{_base64url(signature)}"


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _hash(document: Document) -> bytes:
    return hashlib.sha256(canonical(document).encode()).digest()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

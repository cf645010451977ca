"""Signs a document: Data Integrity with `eddsa-rdfc-2022` (W3C), and JWT (VC-JOSE-COSE).

The JSON-LD contexts are files of this package; nothing is fetched.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from pyld import jsonld

from streams.issuers.open_badges.base58 import multibase
from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT
from streams.issuers.open_badges.did import OPEN_BADGES_CONTEXT as OPEN_BADGES
from streams.issuers.open_badges.keys import Key

CREDENTIALS = CREDENTIALS_CONTEXT
CONTEXTS: Mapping[str, str] = {CREDENTIALS: "credentials-v2.json", OPEN_BADGES: "open-badges-3.0.3.json"}
SUITE = "eddsa-rdfc-2022"

Document = Mapping[str, Any]


def signed(document: Document, key: Key, method: str, created: datetime) -> Document:
    """The document with a proof by `key`, of the verification method `method`, made at `created`."""
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": timestamp(created),
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    }
    return {**document, "proof": {**options, "proofValue": multibase(key.sign(hashes(document, options)))}}


def hashes(document: Document, options: Document) -> bytes:
    """What is signed of a document: by the suite's section 3.2.4 first the hash of the proof's options."""
    return _hash({"@context": document["@context"], **options}) + _hash(document)


def as_jwt(document: Document, key: Key, method: str) -> str:
    """The credential as a JWT signed by `key`, as Open Badges 3.0 has it in section 8.2: the credential's
    properties, and the registered claims that say the same."""
    header = {"alg": "EdDSA", "typ": "vc+jwt", "kid": method}
    claims = {
        **document,
        "iss": method.partition("#")[0],
        "jti": document["id"],
        "nbf": _seconds(document["validFrom"]),
    }
    if "validUntil" in document:
        claims["exp"] = _seconds(document["validUntil"])
    signing = f"{_base64url(orjson.dumps(header))}.{_base64url(orjson.dumps(claims))}"
    return f"{signing}.{_base64url(key.sign(signing.encode()))}"


def timestamp(time: datetime) -> str:
    """A time as XML Schema's `dateTimeStamp`, in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _hash(document: Document) -> bytes:
    canonical = jsonld.normalize(
        document,
        {"algorithm": "URDNA2015", "format": "application/n-quads", "documentLoader": _load},
    )
    return hashlib.sha256(canonical.encode()).digest()


def _load(url: str, _options: object = None) -> dict[str, Any]:
    return {"contextUrl": None, "documentUrl": url, "document": _context(url)}


@cache
def _context(url: str) -> Any:
    name = CONTEXTS.get(url)
    if name is None:
        raise jsonld.JsonLdError(
            f"{url} is none of the contexts that are shipped", "jsonld.LoadDocumentError"
        )
    return orjson.loads(files(__package__).joinpath("contexts", name).read_bytes())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

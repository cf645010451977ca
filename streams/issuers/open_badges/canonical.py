"""The canonical form of a JSON-LD document (RDFC-1.0), which is what a proof is about.

To read a document by its contexts costs 3.5 ms of a processor; to canonicalize the quads that come of it,
0.1 ms. So what the badges of a template have in common is read once, with a mark in each place where they
differ (decision 0099).

The contexts are files of this package; nothing is fetched.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import orjson
from pyld import jsonld
from pyld.canon import URDNA2015

from streams.issuers.open_badges.did import CREDENTIALS_CONTEXT, OPEN_BADGES_CONTEXT

CONTEXTS: Mapping[str, str] = {
    CREDENTIALS_CONTEXT: "credentials-v2.json",
    OPEN_BADGES_CONTEXT: "open-badges-3.0.3.json",
}

Path = tuple[str, ...]
EACH = "*"
"""In a path: whatever place of a list."""
IRIS: frozenset[Path] = frozenset(
    {
        ("id",),
        ("credentialSubject", "id"),
        ("credentialStatus", "id"),
        ("credentialStatus", "statusListCredential"),
    }
)
LITERALS: frozenset[Path] = frozenset(
    {
        ("created",),
        ("validFrom",),
        ("validUntil",),
        ("credentialStatus", "statusListIndex"),
        ("credentialSubject", "encodedList"),
        ("credentialSubject", "identifier", EACH, "identityHash"),
        ("credentialSubject", "identifier", EACH, "salt"),
        ("evidence", EACH, "name"),
        ("evidence", EACH, "narrative"),
    }
)
"""Where two badges of a template differ, two status lists, or the options of two proofs: addresses and
texts, as the contexts have them."""
MARK = "urn:badge-streams:mark:"
ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")
"""What stays as it is when it is read: it is absolute, and holds nothing that an IRI may not."""
READ_AT_MOST = 512
"""Templates whose badges are signed at about the same time; each is some 10 KiB. Others are read again."""

Quad = Mapping[str, Mapping[str, str]]


def canonical(document: Mapping[str, Any]) -> str:
    """The document's canonical N-Quads; raise `jsonld.JsonLdError` where a context is not shipped."""
    values: dict[str, str] = {}
    pattern = document
    # Where somebody writes our mark into a text, it must stay one.
    if MARK.encode() not in orjson.dumps(document):
        pattern = _marked(document, (), values)
    dataset = {
        graph: [_filled(quad, values) for quad in quads]
        for graph, quads in _dataset(orjson.dumps(pattern)).items()
    }
    text: str = URDNA2015().main(dataset, {"format": "application/n-quads"})
    return text


def _marked(value: Any, path: Path, values: dict[str, str]) -> Any:
    """The value with a mark in each place that differs; what was there is put into `values` by its mark."""
    if isinstance(value, str) and (path in LITERALS or (path in IRIS and ADDRESS.fullmatch(value))):
        mark = f"{MARK}{len(values)}"
        values[mark] = value
        return mark
    if isinstance(value, Mapping):
        return {name: _marked(held, (*path, name), values) for name, held in value.items()}
    if isinstance(value, list):
        return [_marked(held, (*path, EACH), values) for held in value]
    return value


@lru_cache(READ_AT_MOST)
def _dataset(document: bytes) -> Mapping[str, list[Quad]]:
    """What a document says, as quads by their graph."""
    dataset: Mapping[str, list[Quad]] = jsonld.to_rdf(orjson.loads(document), {"documentLoader": _load})
    return dataset


def _filled(quad: Quad, values: Mapping[str, str]) -> Quad:
    # A copy: canonicalization renames what it is given.
    return {part: {**term, "value": values.get(term["value"], term["value"])} for part, term in quad.items()}


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

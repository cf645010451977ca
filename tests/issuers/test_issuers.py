"""The issuers are those that a catalog may name."""

from collections.abc import Iterator
from typing import Any

from streams.catalog.document import Declaration
from streams.issuers.known import ISSUERS


def test_each_issuer_may_be_named_as_a_provider_and_each_provider_is_an_issuer() -> None:
    assert set(_providers(Declaration.model_json_schema())) == set(ISSUERS)


def _providers(schema: Any) -> Iterator[str]:
    """What any property `provider` of the schema may be."""
    if isinstance(schema, dict):
        declared = schema.get("properties", {}).get("provider", {})
        yield from declared.get("enum", [declared["const"]] if "const" in declared else [])
        for part in schema.values():
            yield from _providers(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _providers(part)

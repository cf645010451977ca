"""The JSON Schema that editors check a catalog with."""

from streams.catalog import schema


def test_the_shipped_schema_is_what_the_declaration_makes() -> None:
    assert schema.shipped() == schema.made(), "run python -m streams.catalog.schema"

"""A catalog in force without a topic."""

from streams.catalog import CatalogDocument
from streams.catalog.in_force import CatalogInForce
from streams.settings import Settings


class FixedCatalog(CatalogInForce):
    """In force from the beginning and for good."""

    def __init__(self, settings: Settings, document: CatalogDocument) -> None:
        super().__init__(settings, "catalogs")
        self._fixed = document

    @property
    def document(self) -> CatalogDocument:
        return self._fixed

"""The catalog at the edge: a document written by people becomes what the core judges by, or faults."""

from streams.badges import Duration
from streams.catalog.document import Organization, TemplateDeclaration
from streams.catalog.document_types import is_loopback
from streams.catalog.loading import CatalogDocument, load_catalog, take_catalog

__all__ = [
    "CatalogDocument",
    "Duration",
    "Organization",
    "TemplateDeclaration",
    "is_loopback",
    "load_catalog",
    "take_catalog",
]

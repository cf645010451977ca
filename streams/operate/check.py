"""What is wrong with a catalog, and what is probably not meant."""

from dataclasses import dataclass

from streams.catalog.advice import advice
from streams.catalog.wording import load_worded, worded_advice
from streams.operate.sources import sources


@dataclass(frozen=True, slots=True)
class Checked:
    """An accepted catalog: how many templates it has, and what is probably not meant, a line each."""

    templates: int
    warnings: tuple[str, ...]


def check(text: bytes) -> Checked:
    """Check a catalog; raise `CatalogError` with every fault where it is refused."""
    document = load_worded(text)
    read, unknown = sources()
    return Checked(len(document.templates), (*worded_advice(text, advice(document, read)), *unknown))

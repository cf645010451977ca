"""What is wrong with a catalog, and what is probably not meant."""

from dataclasses import dataclass

from streams.catalog.advice import Sources, advice
from streams.catalog.wording import load_worded, worded_advice
from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.settings import load_settings


@dataclass(frozen=True, slots=True)
class Checked:
    """An accepted catalog: how many templates it has, and what is probably not meant, a line each."""

    templates: int
    warnings: tuple[str, ...]


def check(text: bytes) -> Checked:
    """Check a catalog; raise `CatalogError` with every fault where it is refused."""
    document = load_worded(text)
    sources, unknown = _sources()
    return Checked(len(document.templates), (*worded_advice(text, advice(document, sources)), *unknown))


def _sources() -> tuple[Sources | None, tuple[str, ...]]:
    """The topics that the site reads; where its settings are wrong none, and what is wrong with them."""
    try:
        settings = load_settings()
        names = topics(settings).sources
    except ConfigurationError as error:
        return None, tuple(f"topics are not looked at: {line}" for line in str(error).splitlines())
    return Sources(frozenset(topic.name for topic in names), settings.topic_prefix), ()

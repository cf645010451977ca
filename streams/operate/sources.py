"""The topics that a site's tracker reads, for commands that look at a catalog or at events."""

from streams.catalog.advice import Sources
from streams.errors import ConfigurationError
from streams.kafka.topics import topics
from streams.settings import load_settings


def sources() -> tuple[Sources | None, tuple[str, ...]]:
    """The topics by the settings; where these are wrong none, and what is wrong, a line each."""
    try:
        settings = load_settings()
        read = topics(settings).read
    except ConfigurationError as error:
        return None, tuple(f"topics are not looked at: {line}" for line in str(error).splitlines())
    return Sources(frozenset(read), settings.topic_prefix, settings.bus), ()

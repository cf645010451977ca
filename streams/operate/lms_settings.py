"""What the services of Open edX have to be told, so that they send what a catalog's rules use."""

from collections.abc import Iterator

from streams.bus.publication import PUBLICATIONS, Publication, Service, topic_name
from streams.bus.schemas import BADGE_EVENTS
from streams.catalog import CatalogDocument
from streams.catalog.advice import Sources

_PLACES: dict[Service, str] = {
    "LMS": "Tutor's patch openedx-lms-common-settings, or the end of the LMS's settings",
    "edx-exams": "the settings of edx-exams",
    "credentials": "the settings of credentials",
}
_ADDRESS: dict[str, tuple[str, ...]] = {
    "kafka": (
        "# also needs EVENT_BUS_PRODUCER, EVENT_BUS_TOPIC_PREFIX and the bus's address in the settings.",
        "# badge-streams topics --create --all makes those topics that are missing.",
    ),
    "redis": (
        '# also needs EVENT_BUS_PRODUCER = "edx_event_bus_redis.create_producer", EVENT_BUS_TOPIC_PREFIX and',
        "# EVENT_BUS_REDIS_CONNECTION_URL in the settings; Tutor sets them from its version 21 on.",
        "# A stream is made by its first event. It keeps the last EVENT_BUS_REDIS_STREAM_MAX_LEN (10,000):",
        "# set as many as the LMS may send while the bridge is away.",
    ),
}
_BUS = """\
def _bus(event, topic, key):
    EVENT_BUS_PRODUCER_CONFIG.setdefault(event, {})[topic] = {"event_key_field": key, "enabled": True}
"""


def lms_settings(document: CatalogDocument, sources: Sources | None) -> Iterator[str]:
    """Lines of Python for each service that sends events of the catalog, and of BADGES_SOURCE_TOPICS."""
    prefix, bus = ("", "kafka") if sources is None else (sources.prefix, sources.bus)
    used = _used(document)
    topics = dict.fromkeys(topic_name(how.topic, prefix) for how in used.values())
    yield "# What this catalog needs of the event bus. Nothing is sent until a service is told so; that it is"
    yield from _ADDRESS[bus]
    yield f"# {'The bridge' if bus == 'redis' else 'The tracker'}'s: BADGES_SOURCE_TOPICS={','.join(topics)}"
    for service, place in _PLACES.items():
        lines = [_line(name, how) for name, how in used.items() if how.service == service]
        if lines:
            yield from ("", f"# {service}: {place}", *_BUS.splitlines(), *lines)


def _used(document: CatalogDocument) -> dict[str, Publication]:
    """Where each event type is sent that the catalog names, in the order of their names."""
    templates = document.templates.values()
    conditions = (c for t in templates for c in (*t.requirements, *t.penalties))
    types = {name for condition in conditions for name in condition.types}
    return {name: PUBLICATIONS[name] for name in sorted(types - BADGE_EVENTS)}


def _line(name: str, how: Publication) -> str:
    proposed = "" if how.shipped else "  # the topic's name is ours to choose"
    return f'_bus("{name}", "{how.topic}", "{how.key}"){proposed}'

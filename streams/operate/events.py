"""Which events rules can use: their fields, a sample, their topic, and whether the site reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import orjson

from streams.bus import description, schemas
from streams.bus.publication import PUBLICATIONS, REPEATED, read_on, topic_name
from streams.catalog.advice import Sources
from streams.errors import ConfigurationError
from streams.operate.terminal import table

HEAD = ("event type", "sent by", "on topic", "read here")
OURS = "badge-streams"


@dataclass(frozen=True, slots=True)
class Event:
    """An event type at a site; `read` is None where that cannot be known."""

    type: str
    service: str
    topic: str
    key: str
    shipped: bool
    read: bool | None

    @property
    def row(self) -> tuple[str, ...]:
        """Its row of the list, by `HEAD`."""
        topic = self.topic if self.shipped else f"{self.topic} (our proposal: none is shipped)"
        return self.type, self.service, topic, _READ[self.read]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "type": self.type,
            "service": self.service,
            "topic": self.topic,
            "shipped": self.shipped,
            "key": self.key,
            "read": self.read,
            "repeated": REPEATED.get(self.type),
        }


_READ = {True: "yes", False: "no", None: "if a topic of the site carries it"}


def events(sources: Sources | None) -> list[Event]:
    """Every event that a rule can use, in the order of their names."""
    return [_event(name, sources) for name in sorted(schemas.event_types() - {schemas.BADGE_REVOKED})]


def listed(sources: Sources | None) -> Iterator[str]:
    """A table of all events."""
    return table(HEAD, [event.row for event in events(sources)])


def event(event_type: str, sources: Sources | None) -> Event:
    """The event of that type, which may be without what all of them begin with.

    Raises `ConfigurationError` where there is none, with what may be meant.
    """
    by_name = {one.type: one for one in events(sources)}
    name = description.full_name(event_type)
    if name not in by_name:
        near = get_close_matches(name, by_name, n=1)
        meant = f": did you mean {near[0]}?" if near else ": badge-streams events lists them"
        raise ConfigurationError(f"no event type {event_type}{meant}")
    return by_name[name]


def described(event: Event) -> Iterator[str]:
    """Lines about one event, for people."""
    yield event.type
    yield _sending(event)
    if event.type in REPEATED:
        yield f"it is sent again {REPEATED[event.type]}: count with distinct"
    yield ""
    sample = description.sample(event.type)
    rows = [(f.path, f.words, _written(sample["data"], f.path)) for f in description.fields(event.type)]
    yield from table(("path", "type", "in the sample"), rows)
    yield ""
    yield orjson.dumps(sample).decode()


def described_as_json(event: Event) -> dict[str, Any]:
    """All of one event."""
    members = description.fields(event.type)
    fields = [{"path": f.path, "type": f.kind, "optional": f.optional} for f in members]
    return event.as_json() | {"fields": fields, "sample": description.sample(event.type)}


def _event(name: str, sources: Sources | None) -> Event:
    prefix = sources.prefix if sources is not None else ""
    how = PUBLICATIONS.get(name)
    if how is None:
        topic = topic_name("learning-badges-lifecycle", prefix)
        return Event(name, OURS, topic, "badge.uuid", True, True)
    read = None if sources is None else read_on(name, sources.topics, prefix)
    return Event(name, how.service, topic_name(how.topic, prefix), how.key, how.shipped, read)


def _sending(event: Event) -> str:
    if event.service == OURS:
        return "decided here: only for a badge requirement, with template.uuid eq the other template's id"
    if not event.shipped:
        return (
            f"no topic carries it as {event.service} ships; {event.topic} is our proposal "
            f"(badge-streams lms-settings); read here: {_READ[event.read]}"
        )
    return (
        f"sent by {event.service} on {event.topic}, once that is switched on (badge-streams lms-settings); "
        f"read here: {_READ[event.read]}"
    )


def _written(data: Any, path: str) -> str:
    for name in path.split("."):
        data = data[name]
    return "" if isinstance(data, dict | list) else orjson.dumps(data).decode()

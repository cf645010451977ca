"""Writes `docs/events.md` out of the events' schemas and where they are published.

Run by `make reference`; the argument is the file to write.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from streams.bus import description
from streams.bus.publication import REPEATED
from streams.bus.schemas import source_library
from streams.catalog.advice import Sources
from streams.operate.events import OURS, Event, events
from streams.settings import LIFECYCLE_TOPIC

INTRODUCTION = f"""\
# Events that rules can use

Made from the code by `make reference`; not to be edited. The schemas are those of openedx-events
{source_library()}; the topics are those of the services' own settings, without the bus's prefix.
`badge-streams events` prints the same for your site, and whether its tracker reads each topic.

No service sends any of these events before its settings say so: `badge-streams lms-settings CATALOG`
prints the lines that a catalog needs. For some events no service names a topic; the one that is given here
is our proposal.

A path of a rule leads from the payload: `course.course_key`. Each sample is a line that
`badge-streams simulate` reads, broken into several here.
"""


def main(file: Path) -> None:
    file.write_text("\n".join(page()) + "\n", encoding="utf-8")


def page() -> Iterator[str]:
    """The document's lines."""
    known = events(Sources(frozenset({LIFECYCLE_TOPIC})))
    yield from INTRODUCTION.splitlines()
    yield from ("", "| event type | sent by | on topic | read by default |", "|---|---|---|---|")
    for event in known:
        anchor = event.type.replace(".", "")
        read = "yes" if event.read else "no"
        yield f"| [`{event.type}`](#{anchor}) | {event.service} | {_topic(event)} | {read} |"
    for event in known:
        yield from _event(event)


def _topic(event: Event) -> str:
    if event.service == OURS:
        return "the badge topic"
    return f"`{event.topic}`" + ("" if event.shipped else " (proposed)")


def _event(event: Event) -> Iterator[str]:
    yield from ("", f"## {event.type}", "")
    if event.service == OURS:
        yield "Decided here; only for a badge requirement: `template.uuid` `eq` the other template's id."
        return
    yield f"On {_topic(event)}, by the key `{event.key}`."
    if event.type in REPEATED:
        yield f"It is sent again {REPEATED[event.type]}: count with `distinct`."
    yield from ("", "| path | type |", "|---|---|")
    for field in description.fields(event.type):
        yield f"| `{field.path}` | {field.words} |"
    sample = json.dumps(description.sample(event.type), indent=1, ensure_ascii=False)
    yield from ("", "```json", *sample.splitlines(), "```")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Writes `docs/reference.md` out of the declarations: settings, topics, metrics, commands.

Run by `make reference`; the argument is the file to write.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from prometheus_client.metrics import MetricWrapperBase

from streams import metrics
from streams.cli import main as commands
from streams.kafka.topics import DAY_MS, Topic, topics
from streams.settings import Settings

READERS = {"anyone": "[anyone](contract.md)", "operators": "operators", "ours": "this product"}


def main(file: Path) -> None:
    file.write_text("\n".join(reference()) + "\n", encoding="utf-8")


def reference() -> Iterator[str]:
    """The document's lines."""
    yield "# Reference"
    yield ""
    yield "Made from the code by `make reference`; not to be edited."
    yield from _settings()
    yield from _topics()
    yield from _metrics()
    yield from _commands()


def _settings() -> Iterator[str]:
    yield from ("", "## Settings", "", "Environment variables; secrets are files.", "")
    yield from _table("variable", "default", "what")
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = (
            "" if default in (None, "", ()) else f"`{str(default).lower() if default is True else default}`"
        )
        yield f"| `BADGES_{name.upper()}` | {shown} | {field.description} |"


def _topics() -> Iterator[str]:
    yield from (
        "",
        "## Topics",
        "",
        "Under the default settings, and what a bridge has besides; `badge-streams topics` prints yours.",
        "",
    )
    yield from _table("topic", "holds", "kept", "partitions", "read by")
    for topic in (
        *topics(Settings.model_construct()).all,
        *topics(Settings.model_construct(bus="redis")).bridge,
    ):
        partitions = str(topic.partitions) if topic.ours else "the bus's"
        yield f"| `{topic.name}` | {topic.holds} | {_kept(topic)} | {partitions} | {READERS[topic.readers]} |"


def _kept(topic: Topic) -> str:
    if not topic.ours:
        return "by the operator"
    return "compacted" if topic.retention_ms is None else f"{topic.retention_ms // DAY_MS} days"


def _metrics() -> Iterator[str]:
    yield from ("", "## Metrics", "")
    yield from _table("metric", "type", "labels", "what")
    declared = [c for c in metrics.REGISTRY._collector_to_names if isinstance(c, MetricWrapperBase)]
    for collector in sorted(declared, key=lambda c: c._name):
        suffix = {"counter": "_total", "info": "_info"}.get(collector._type or "", "")
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)
        yield f"| `{collector._name}{suffix}` | {collector._type} | {labels} | {collector._documentation} |"


def _commands() -> Iterator[str]:
    yield from ("", "## Commands")
    for name, command in sorted(_leaves("badge-streams", commands)):
        context = click.Context(command, info_name=name)
        yield from ("", f"### {name}", "", "```", *command.get_help(context).splitlines(), "```")


def _leaves(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _leaves(f"{path} {name}", child)
    else:
        yield path, command


def _table(*columns: str) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))

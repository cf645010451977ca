"""The commands about the catalog at run time."""

from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import click

from streams.cli.options import (
    FileOrStdin,
    as_json,
    at_site,
    print_lines,
    run_async,
    say,
)

if TYPE_CHECKING:
    from streams.settings import Settings


@click.group()
def catalog() -> None:
    """The catalog at run time."""


@catalog.command("publish")
@click.argument("file", type=FileOrStdin)
@at_site
def publish_catalog(settings: "Settings", file: IO[bytes]) -> None:
    """Put a catalog in force, - for stdin; workers take it within seconds."""
    from streams.operate.catalog import publish

    print_lines(run_async(publish(settings, file.read(), datetime.now(UTC))))


@catalog.command("show")
@click.argument("revision", required=False)
@at_site
def show_catalog(settings: "Settings", revision: str | None) -> None:
    """Print the catalog in force, or a REVISION of `catalog history`; its name on standard error."""
    from streams.operate.catalog import show

    name, text = run_async(show(settings, revision))
    click.echo(name, err=True)
    click.echo(text.rstrip())


@catalog.command("history")
@as_json
@at_site
def catalog_history(settings: "Settings", json: bool) -> None:
    """Print every revision that was published."""
    from streams.operate.catalog import history
    from streams.operate.terminal import as_json

    published = run_async(history(settings))
    if not published:
        say(["nothing was published: the file is in force"])
    print_lines(as_json(revision.as_json()) if json else str(revision) for revision in published)

"""The commands about the catalog at run time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.cli.options import (
    FileOrStdin,
    as_json,
    at_site,
    catalog_of,
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

    print_lines(run_async(publish(settings, catalog_of(file), datetime.now(UTC))))


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


@click.group()
def templates() -> None:
    """The templates as their issuers describe them."""


@templates.command("pull")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--organization", "organizations", multiple=True, help="Its id; several times, or all.")
@click.option("--write", is_flag=True, help="Write what differs into FILE.")
@as_json
@at_site
def pull_templates(
    settings: "Settings", file: Path, organizations: tuple[str, ...], write: bool, json: bool
) -> None:
    """Print where a catalog's FILE and its issuers describe templates differently; exit 1 if they do.

    A line each: what differs, the issuer's id, in the file, at the issuer, separated by tabs. With --write
    the file takes it over, and the exit code is 0; what it lacks is written inactive, to be completed.
    """
    from dataclasses import asdict

    from streams.operate.templates import pull, written
    from streams.operate.terminal import as_json

    text = file.read_bytes()
    pulled = run_async(pull(settings, text, organizations))
    print_lines(as_json(asdict(found)) if json else str(found) for found in pulled.differences)
    say(pulled.unasked)
    if write:
        file.write_bytes(written(written(text.decode(), pulled.differences), pulled.more).encode())
    elif pulled.differences:
        raise SystemExit(1)

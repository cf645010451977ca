"""The commands. Each imports what it needs when it is called and calls one function elsewhere."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import click

from streams.errors import ConfigurationError, FatalError

File = click.Path(exists=True, dir_okay=False, path_type=Path)


class Commands(click.Group):
    """Ends what went wrong on purpose as clear lines: exit code 2 for what the operator set, 1 else."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            _say(str(error).splitlines())
            ctx.exit(2)
        except FatalError as error:
            _say(str(error).splitlines())
            ctx.exit(1)


@click.group(cls=Commands)
@click.version_option(package_name="badge-streams")
def main() -> None:
    """Badges out of what learners do, as it happens on Open edX's event bus."""


@main.command()
@click.argument("catalog", type=File)
def check(catalog: Path) -> None:
    """Validate a catalog file; print every fault with its place."""
    from streams.catalog import load_catalog
    from streams.errors import CatalogError

    try:
        document = load_catalog(catalog.read_bytes())
    except CatalogError as error:
        for fault in error.faults:
            click.echo(fault)
        raise SystemExit(1) from None
    click.echo(f"{catalog}: {len(document.templates)} badge templates, no fault")


@main.command()
@click.option("--catalog", type=File, required=True, help="The catalog to judge by.")
@click.option(
    "--activities", type=click.File("rb", lazy=False), required=True, help="JSON lines; - for stdin."
)
def simulate(catalog: Path, activities: IO[bytes]) -> None:
    """Judge activities in JSON lines by a catalog; print the decisions as JSON lines."""
    from streams.simulate import simulate

    unreadable: list[int] = []

    def report(line: str) -> None:
        unreadable[:] = [1]
        click.echo(line, err=True)

    for decision in simulate(catalog.read_bytes(), activities, report):
        click.echo(decision)
    if unreadable:
        raise SystemExit(1)


@main.command()
@click.option("--create", is_flag=True, help="Make ours that are missing.")
@click.option("--all", "everything", is_flag=True, help="With --create: the bus's topics too.")
def topics(create: bool, everything: bool) -> None:
    """Print the topics of both workers, and make them."""
    from streams.provision import describe, make
    from streams.settings import load_settings

    settings = load_settings()
    for line in make(settings, everything=everything) if create else describe(settings):
        click.echo(line)


@main.command()
def tracker() -> None:
    """Run a tracker: from the bus's events to badge events."""
    from streams.tracker import build
    from streams.worker import run

    run(build)


@main.command()
def relay() -> None:
    """Run a relay: from badge events to badges at Credly."""
    from streams.relay import build
    from streams.worker import run

    run(build)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)

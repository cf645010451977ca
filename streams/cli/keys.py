"""The commands about the organizations' keys."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from streams.cli.options import at_site, print_lines, run_async

if TYPE_CHECKING:
    from streams.settings import Settings


@click.group()
def keys() -> None:
    """The keys by which issuers know the organizations."""


@keys.command("rotate")
@click.argument("organization")
@click.option("--within", type=click.IntRange(1, 3_650), help="Only if it expires within so many days.")
@at_site
def rotate_key(settings: "Settings", organization: str, within: int | None) -> None:
    """Have the issuer replace an ORGANIZATION's key, and write the new one into its file."""
    from streams.operate.rotate import rotate

    print_lines([run_async(rotate(settings, organization, timedelta(days=within) if within else None))])


@keys.command("try")
@click.argument("organization")
@at_site
def try_organizations_key(settings: "Settings", organization: str) -> None:
    """Have an ORGANIZATION's key sign something, by a command if it is in no file; print the key's name."""
    from streams.operate.try_key import try_key

    print_lines([run_async(try_key(settings, organization))])

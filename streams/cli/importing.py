"""The commands that take along what the credentials service knows of badges."""

import functools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from streams.cli.options import File, FileOrStdin, at_site, catalog_of, print_lines, run_async, say

if TYPE_CHECKING:
    from streams.operate.importing.sources import Access
    from streams.settings import Settings

PASSWORD = "MYSQL_PWD"  # noqa: S105 (a variable's name, that of MySQL's own programs)


def from_source(command: Callable[..., None]) -> Callable[..., None]:
    """SOURCE, and the options by which a database server is reached."""

    @click.argument("source")
    @click.option("--password-file", type=File, help=f"Holds the database's password; else {PASSWORD} does.")
    @click.option("--ca-file", type=File, help="The authority of the database server's certificate.")
    @functools.wraps(command)
    def called(*args: Any, password_file: Path | None, ca_file: Path | None, **options: Any) -> None:
        command(*args, access=_access(password_file, ca_file), **options)

    return called


@click.group("import")
def importing() -> None:
    """Take along what the credentials service knows of badges.

    SOURCE is its database, mysql://USER@HOST/DATABASE or sqlite:///FILE, or a file of its `dumpdata`.
    """


@importing.command("catalog")
@from_source
@click.option("--site", help="Only the templates of the site with this domain.")
@click.option("--sandbox", is_flag=True, help="The organizations are those of the issuers' sandboxes.")
def import_catalog(source: str, access: "Access", site: str | None, sandbox: bool) -> None:
    """Print the badge templates of SOURCE as a catalog that `check` accepts.

    On standard error: what is not imported, and what changes its meaning. No key of an issuer is read.
    """
    from streams.operate.importing.catalog import import_catalog

    imported = import_catalog(source, access, site, sandbox=sandbox)
    say(imported.report)
    click.echo(imported.text, nl=False)


@importing.command("state")
@from_source
@click.option("--catalog", type=FileOrStdin, required=True, help="The catalog that `import catalog` wrote.")
@click.option(
    "--learners",
    type=click.File("r", encoding="utf-8-sig", lazy=False),
    help="A CSV of user name and LMS user id, for whom SOURCE does not know.",
)
@click.option(
    "--badges",
    type=click.File("w", encoding="utf-8"),
    help="Write there, as CSV, which badge there is which here.",
)
@click.option("--yes", is_flag=True, help="Send it; else only totals are printed.")
@at_site
def import_state(
    settings: "Settings",
    source: str,
    access: "Access",
    catalog: IO[bytes],
    learners: IO[str] | None,
    badges: IO[str] | None,
    yes: bool,
) -> None:
    """Take along what learners have: progress, badges, and what Credly holds of them.

    What is known here already stays as it is, no badge event is sent, and Credly is not called for what it
    has. What was awarded and never issued is issued. A second time changes nothing.
    """
    from streams.catalog.wording import load_worded
    from streams.operate.importing.state import Wanted, import_state

    wanted = Wanted(source, access, load_worded(catalog_of(catalog)), learners, badges)
    print_lines(run_async(import_state(settings, wanted, datetime.now(UTC), sends=yes)))


def _access(password_file: Path | None, ca_file: Path | None) -> "Access":
    from streams.operate.importing.sources import Access

    # Bytes: a server compares them, in whatever encoding they were typed.
    password = os.environb.get(PASSWORD.encode(), b"")
    if password_file is not None:
        password = password_file.read_bytes().strip(b"\r\n")
    return Access(password, ca_file)

"""The commands for whoever designs a catalog; those that need no broker, and what reads the bus for them."""

from collections import Counter
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from streams.cli.options import (
    SAID,
    FileOrStdin,
    LearnerId,
    Time,
    as_json,
    at_site,
    catalog_of,
    counted,
    print_lines,
    run_async,
    say,
)

if TYPE_CHECKING:
    from streams.settings import Settings


@click.command()
@click.argument("catalog", type=FileOrStdin)
@click.option("--strict", is_flag=True, help="Exit 1 also if something is probably not meant.")
def check(catalog: IO[bytes], strict: bool) -> None:
    """Validate a catalog file, - for stdin; print every fault with its place. Exit 1 if there is one.

    What is probably not meant is no fault, and said on standard error: by the settings of the site, events
    too that its tracker does not read.
    """
    from streams.errors import CatalogError
    from streams.operate.check import check

    try:
        checked = check(catalog_of(catalog))
    except CatalogError as error:
        for fault in error.faults:
            click.echo(fault)
        raise SystemExit(1) from None
    say(checked.warnings)
    count = len(checked.warnings)
    warned = f", {count} warning{'s' * (count > 1)}" if count else ""
    click.echo(f"{getattr(catalog, 'name', '-')}: {checked.templates} badge templates, no fault{warned}")
    if strict and count:
        raise SystemExit(1)


@click.command()
@click.argument("type", required=False)
@as_json
def events(type: str | None, json: bool) -> None:
    """Print which events rules can use; of one TYPE its fields, a sample, and where it is sent.

    The sample is a line that simulate reads.
    """
    from streams.operate import events as known
    from streams.operate.sources import sources
    from streams.operate.terminal import as_json

    read, unknown = sources()
    say(unknown)
    if type is None:
        print_lines([as_json(e.as_json()) for e in known.events(read)] if json else known.listed(read))
        return
    found = known.event(type, read)
    print_lines([as_json(known.described_as_json(found))] if json else known.described(found))


@click.command("lms-settings")
@click.argument("catalog", type=FileOrStdin)
def lms_settings(catalog: IO[bytes]) -> None:
    """Print the settings by which the LMS sends what a catalog's rules use, - for stdin."""
    from streams.catalog.wording import load_worded
    from streams.operate.lms_settings import lms_settings
    from streams.operate.sources import sources

    read, unknown = sources()
    say(unknown)
    print_lines(lms_settings(load_worded(catalog_of(catalog)), read))


@click.command()
def schema() -> None:
    """Print the catalog's JSON Schema, by which an editor checks and completes a catalog."""
    from streams.catalog.schema import shipped

    click.echo(shipped().rstrip())


@click.command()
@click.option("--catalog", type=FileOrStdin, required=True, help="The catalog to judge by.")
@click.option("--activities", type=FileOrStdin, required=True, help="JSON lines; - for stdin.")
@click.option("--against", type=FileOrStdin, help="Print where this catalog decides differently instead.")
@click.option("--totals", is_flag=True, help="Totals also where standard error is no terminal.")
def simulate(catalog: IO[bytes], activities: IO[bytes], against: IO[bytes] | None, totals: bool) -> None:
    """Judge activities in JSON lines by a catalog; print the decisions as JSON lines.

    On a terminal, after them: by template how many hold the badge, who just missed it, and what they lack.
    With --against a line for each learner and badge of which the two catalogs decide differently. Exit 1 if
    some could not be read.
    """
    from streams.operate import totals as ours
    from streams.operate.terminal import as_json, is_terminal

    unreadable: set[str] = set()

    def report(line: str) -> None:
        if line not in unreadable:  # both catalogs meet it
            say([line])
        if against is not None or not unreadable:
            unreadable.add(line)

    def note(line: str) -> None:
        say([line])

    totals = totals or is_terminal()
    if against is None:
        rehearsed = ours.rehearse(catalog_of(catalog), activities, report, note, click.echo, closely=totals)
        say(ours.totals(rehearsed) if totals else ())
    else:
        lines = activities.readlines()
        one, other = (ours.rehearse(catalog_of(file), lines, report, note) for file in (catalog, against))
        found = list(ours.differences(one, other))
        print_lines(as_json(difference.as_json()) for difference in found)
        say(ours.compared(found) if totals else ())
    if unreadable:
        raise SystemExit(1)


@click.command()
@click.option("--topic", "names", multiple=True, help="In place of the source topics; may be repeated.")
@click.option("--type", "types", multiple=True, help="Only events of that type; may be repeated.")
@click.option("--learner", type=LearnerId(), help="Only of that LMS user id.")
@click.option("--since", type=Time(), help="Only records of that time and later (ISO 8601).")
@click.option("--until", type=Time(), help="Only records before that time.")
@at_site
def record(
    settings: "Settings",
    names: tuple[str, ...],
    types: tuple[str, ...],
    learner: int | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Print what is on the bus, decoded, in the JSON lines that simulate reads.

    In the order of the records' times. Exit 1 if some could not be read.
    """
    from streams.errors import UnreadableError
    from streams.operate.record import Wanted, record
    from streams.operate.streams import place
    from streams.operate.terminal import meter

    unreadable: Counter[str] = Counter()
    count = 0

    def report(found: Any, error: UnreadableError) -> None:
        unreadable[error.reason] += 1
        if unreadable.total() <= SAID:
            where = place(settings, found.topic, found.partition, found.offset)
            say([f"{where}: {error}"])

    async def run() -> None:
        nonlocal count
        with meter("reading", beside_output=True) as bar:
            async for line in record(
                settings, Wanted(names, since, until, frozenset(types), learner), report, bar
            ):
                click.echo(line)
                count += 1

    run_async(run())
    said = f"; {unreadable.total()} could not be read: {counted(unreadable)}" if unreadable else ""
    say([f"{count} activities{said}"])
    if unreadable:
        raise SystemExit(1)

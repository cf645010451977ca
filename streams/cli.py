"""The commands. Each imports what it needs when it is called and calls one function elsewhere."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click

from streams.errors import ConfigurationError, FatalError

WIDE = 1_000
"""Characters: enough for each letter to be one line of the table where no screen limits it."""

File = click.Path(exists=True, dir_okay=False, path_type=Path)
FileOrStdin = click.File("rb", lazy=False)


class Time(click.ParamType):
    """An ISO 8601 time; naive is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse it."""
        from streams.badges import parse_time

        time = value if isinstance(value, datetime) else parse_time(value)
        if time is None:
            self.fail(f"{value!r} is no ISO 8601 time", param, ctx)
        return time


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
@click.argument("catalog", type=FileOrStdin)
def check(catalog: IO[bytes]) -> None:
    """Validate a catalog file, - for stdin; print every fault with its place."""
    from streams.catalog import load_catalog
    from streams.errors import CatalogError

    try:
        document = load_catalog(catalog.read())
    except CatalogError as error:
        for fault in error.faults:
            click.echo(fault)
        raise SystemExit(1) from None
    click.echo(f"{getattr(catalog, 'name', '-')}: {len(document.templates)} badge templates, no fault")


@main.command()
@click.option("--catalog", type=File, required=True, help="The catalog to judge by.")
@click.option("--activities", type=FileOrStdin, required=True, help="JSON lines; - for stdin.")
def simulate(catalog: Path, activities: IO[bytes]) -> None:
    """Judge activities in JSON lines by a catalog; print the decisions as JSON lines."""
    from streams.operate.simulate import simulate

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
    from streams.operate.topics import describe, make
    from streams.settings import load_settings

    settings = load_settings()
    for line in make(settings, everything=everything) if create else describe(settings):
        click.echo(line)


@main.command()
def tracker() -> None:
    """Run a tracker: from the bus's events to badge events."""
    from streams.runtime.worker import run
    from streams.tracker.agents import build

    run(build)


@main.command()
def relay() -> None:
    """Run a relay: from badge events to badges at their issuers."""
    from streams.relay.agents import build
    from streams.runtime.worker import run

    run(build)


@main.command()
@click.option("--organization", "organizations", multiple=True, help="Its id; several times, or all.")
def reconcile(organizations: tuple[str, ...]) -> None:
    """Print where the issuers and the relay's table differ; exit 1 if they do.

    A line each: what differs, template, learner, badge, the issuer's id, separated by tabs.
    """
    from streams.operate.reconcile import reports
    from streams.settings import load_settings

    async def run() -> bool:
        differ = False
        async for report in reports(load_settings(), organizations):
            for difference in report.differences:
                click.echo(difference)
            differ = differ or bool(report.differences)
            click.echo(report, err=True)
        return differ

    if asyncio.run(run()):
        raise SystemExit(1)


@main.command()
@click.option("--learner", type=int, required=True, help="The LMS user id.")
@click.option("--template", help="Only this badge template.")
def explain(learner: int, template: str | None) -> None:
    """Print a learner's progress and the reasons of each decision, from the changelog."""
    from streams.operate.explain import explain
    from streams.settings import load_settings

    for line in asyncio.run(explain(load_settings(), learner, template)):
        click.echo(line)


@main.command()
@click.option("--learner", type=click.IntRange(min=0), required=True, help="The LMS user id.")
@click.option("--within", default=120.0, show_default=True, help="Seconds to wait for each worker.")
def forget(learner: int, within: float) -> None:
    """Delete a learner's progress and badges, here and at the issuers; exit 1 if some are still there.

    Retire the learner at the LMS first: what it says of them later is judged as of anybody.
    """
    from streams.operate.forget import forget
    from streams.settings import load_settings

    if not asyncio.run(forget(load_settings(), learner, within, click.echo)):
        raise SystemExit(1)


@main.command()
@click.option("--learner", type=click.IntRange(min=0), required=True, help="The LMS user id.")
@click.option("--template", help="Only the badge of this template.")
@click.option("--within", default=120.0, show_default=True, help="Seconds to wait for the tracker.")
def reissue(learner: int, template: str | None, within: float) -> None:
    """Have a learner's awards and revocations said again, with what is known of the learner now.

    What the issuer refused is tried again; what it seems to hold, or not, is looked at again.
    """
    from streams.operate.reissue import reissue
    from streams.settings import load_settings

    for line in asyncio.run(reissue(load_settings(), learner, template, within)):
        click.echo(line)


@main.command()
@click.option("--topic", "names", multiple=True, help="In place of the source topics; may be repeated.")
@click.option("--since", type=Time(), help="Only records of that time and later (ISO 8601).")
@click.option("--until", type=Time(), help="Only records before that time.")
def record(names: tuple[str, ...], since: datetime | None, until: datetime | None) -> None:
    """Print what is on the bus, decoded, in the JSON lines that simulate reads."""
    from streams.operate.record import record
    from streams.settings import load_settings

    async def run() -> None:
        async for line in record(
            load_settings(), names, since, until, lambda said: click.echo(said, err=True)
        ):
            click.echo(line)

    asyncio.run(run())


@main.group()
def catalog() -> None:
    """The catalog at run time."""


@catalog.command("publish")
@click.argument("file", type=FileOrStdin)
def publish_catalog(file: IO[bytes]) -> None:
    """Put a catalog in force, - for stdin; workers take it within seconds."""
    from streams.operate.catalog import publish
    from streams.settings import load_settings

    for line in asyncio.run(publish(load_settings(), file.read(), datetime.now(UTC))):
        click.echo(line)


@catalog.command("show")
@click.argument("revision", required=False)
def show_catalog(revision: str | None) -> None:
    """Print the catalog in force, or a REVISION of `catalog history`; its name on standard error."""
    from streams.operate.catalog import show
    from streams.settings import load_settings

    name, text = asyncio.run(show(load_settings(), revision))
    click.echo(name, err=True)
    click.echo(text.rstrip())


@catalog.command("history")
def catalog_history() -> None:
    """Print every revision that was published."""
    from streams.operate.catalog import history
    from streams.settings import load_settings

    for line in asyncio.run(history(load_settings())):
        click.echo(line)


@main.group("dead-letters")
def dead_letters() -> None:
    """What was set aside, and sending it again."""


@dead_letters.command("list")
@click.option("--reason", default="", help="Only letters of that reason.")
@click.option("--agent", default="", help="Only letters of that agent.")
@click.option("--since", type=Time(), help="Only letters of that time and later (ISO 8601).")
@click.option("--redriven", is_flag=True, help="Also those that were sent again.")
def list_letters(reason: str, agent: str, since: datetime | None, redriven: bool) -> None:
    """Print the letters of both workers as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from streams.operate.dead_letters import Filter, letters
    from streams.settings import load_settings

    wanted = Filter(reason=reason, agent=agent, since=since, redriven=redriven)
    # On a narrow screen the others give way: the id is what the other commands take.
    table = Table(Column("id", no_wrap=True), "at", "agent", "reason", "type", "event", "detail")
    for letter in asyncio.run(letters(load_settings(), wanted)):
        at = letter.at.isoformat(timespec="seconds")
        texts = (letter.reason, letter.header("ce_type"), letter.header("ce_id"), letter.detail)
        table.add_row(letter.id, at, letter.agent, *map(escape, texts))
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table)


@dead_letters.command("show")
@click.argument("id")
def show_letter(id: str) -> None:
    """Print a letter in full, but for its value's bytes."""
    from streams.errors import ConfigurationError
    from streams.operate.dead_letters import Filter, letters, shown
    from streams.settings import load_settings

    found = asyncio.run(letters(load_settings(), Filter(ids=frozenset({id}), redriven=True)))
    if not found:
        raise ConfigurationError(f"there is no dead letter {id}")
    for letter in found:
        for line in shown(letter):
            click.echo(line)


@dead_letters.command("redrive")
@click.argument("ids", nargs=-1)
@click.option("--reason", default="", help="All letters of that reason.")
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option("--again", is_flag=True, help="Also those that were sent again before.")
def redrive_letters(ids: tuple[str, ...], reason: str, everything: bool, again: bool) -> None:
    """Send letters to be judged once more: those with these ids, of a reason, or all.

    What was sent again before is passed over. Exit 1 if one could not be sent.
    """
    from streams.operate.dead_letters import Filter, redrive
    from streams.settings import load_settings

    if not ids and not reason and not everything:
        raise click.UsageError("give ids, --reason or --all")
    wanted = Filter(ids=frozenset(ids), reason=reason, redriven=again)
    redriven = asyncio.run(redrive(load_settings(), wanted))
    click.echo(f"sent again: {len(redriven.sent)}")
    for id in redriven.sent:
        click.echo(id)
    if ids:
        _say(f"{id}: was sent again before; --again sends it once more" for id in redriven.sent_before)
    _say(f"{id}: its record was left at its origin, and is there no longer" for id in redriven.gone)
    _say(f"{id}: there is no such letter" for id in redriven.unknown)
    if redriven.gone or redriven.unknown:
        raise SystemExit(1)


@main.command()
@click.option("--learners", type=click.IntRange(1, 10_000), default=300, show_default=True)
def demo(learners: int) -> None:
    """Show the whole way of an event on a real Kafka; exit 1 if the outcome is not the expected one."""
    from rich.console import Console

    from streams.sandbox.demo import run

    raise SystemExit(run(Console(), learners=learners))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)

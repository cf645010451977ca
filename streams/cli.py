"""The commands. Each imports what it needs when it is called and calls one function elsewhere."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from streams.errors import BadgeStreamsError
from streams.options import (
    Commands,
    File,
    FileOrStdin,
    Time,
    as_json,
    at_site,
    filtered,
    ordering,
    run_async,
    say,
    user_name,
)

if TYPE_CHECKING:
    from streams.badges import Ordered, User
    from streams.settings import Settings

SAID = 20
"""Lines about what cannot be read, before the rest is only counted."""


@click.group(cls=Commands)
@click.version_option(package_name="badge-streams")
def main() -> None:
    """Badges out of what learners do, as it happens on Open edX's event bus."""


@main.command()
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
        checked = check(catalog.read())
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


@main.command()
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
        _print([as_json(e.as_json()) for e in known.events(read)] if json else known.listed(read))
        return
    found = known.event(type, read)
    _print([as_json(known.described_as_json(found))] if json else known.described(found))


@main.command("lms-settings")
@click.argument("catalog", type=FileOrStdin)
def lms_settings(catalog: IO[bytes]) -> None:
    """Print the settings by which the LMS sends what a catalog's rules use, - for stdin."""
    from streams.catalog.wording import load_worded
    from streams.operate.lms_settings import lms_settings
    from streams.operate.sources import sources

    read, unknown = sources()
    say(unknown)
    _print(lms_settings(load_worded(catalog.read()), read.prefix if read is not None else ""))


@main.command()
def schema() -> None:
    """Print the catalog's JSON Schema, by which an editor checks and completes a catalog."""
    from streams.catalog.schema import shipped

    click.echo(shipped().rstrip())


@main.command()
@click.option("--catalog", type=File, required=True, help="The catalog to judge by.")
@click.option("--activities", type=FileOrStdin, required=True, help="JSON lines; - for stdin.")
@click.option("--against", type=File, help="Print where this catalog decides differently instead.")
@click.option("--totals", is_flag=True, help="Totals also where standard error is no terminal.")
def simulate(catalog: Path, activities: IO[bytes], against: Path | None, totals: bool) -> None:
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
        rehearsed = ours.rehearse(catalog.read_bytes(), activities, report, note, click.echo, closely=totals)
        say(ours.totals(rehearsed) if totals else ())
    else:
        lines = activities.readlines()
        one, other = (ours.rehearse(file.read_bytes(), lines, report, note) for file in (catalog, against))
        found = list(ours.differences(one, other))
        _print(as_json(difference.as_json()) for difference in found)
        say(ours.compared(found) if totals else ())
    if unreadable:
        raise SystemExit(1)


@main.command()
@click.option("--create", is_flag=True, help="Make ours that are missing.")
@click.option("--all", "everything", is_flag=True, help="With --create: the bus's topics too.")
@as_json
@at_site
def topics(settings: "Settings", create: bool, everything: bool, json: bool) -> None:
    """Print the topics of both workers, expected and found; make them.

    With --create only what was made, and what is wrong. Exit 1 if a worker would refuse one.
    """
    from streams.operate import terminal
    from streams.operate import topics as ours
    from streams.operate.site import site

    async def run() -> list[ours.Row]:
        async with site(settings) as here:
            made = await ours.create(here, everything=everything) if create else []
            if create and not json:
                _print([f"made {name}" for name in made] or ["every topic exists"])
            return [row for row in await ours.look(here, made) if row.fault or not create]

    rows = run_async(run())
    if json:
        _print(terminal.as_json(row.as_json()) for row in rows)
    elif rows:
        cells = [(row.topic, row.expected, row.found, row.verdict) for row in rows]
        _print(terminal.table(("topic", "expected", "found", "verdict"), cells))
    if any(row.fault for row in rows):
        raise SystemExit(1)


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
@as_json
@at_site
def reconcile(settings: "Settings", organizations: tuple[str, ...], json: bool) -> None:
    """Print where the issuers and the relay's table differ; exit 1 if they do.

    A line each: what differs, template, learner, badge, the issuer's id, separated by tabs.
    """
    from dataclasses import asdict

    from streams.operate.reconcile import reports
    from streams.operate.terminal import as_json

    async def run() -> bool:
        differ = False
        async for report in reports(settings, organizations):
            for difference in report.differences:
                click.echo(as_json(asdict(difference)) if json else difference)
            differ = differ or bool(report.differences)
            click.echo(report, err=True)
        return differ

    if run_async(run()):
        raise SystemExit(1)


@main.command()
@click.option("--learner", type=int, required=True, help="The LMS user id.")
@click.option("--template", help="Only this badge template.")
@click.option("--brief", is_flag=True, help="Activities by their ids alone, which reads no topic of them.")
@at_site
def explain(settings: "Settings", learner: int, template: str | None, brief: bool) -> None:
    """Print a learner's progress and the reasons of each decision, from the changelog.

    What counted is said in words as long as its activity is on its topic, and what is still missing.
    """
    from streams.operate.explain import explain
    from streams.operate.terminal import meter

    with meter("reading") as bar:
        lines = run_async(explain(settings, learner, template, brief=brief, meter=bar))
    _print(lines)


@main.command()
@click.option("--learner", type=click.IntRange(min=0), required=True, help="The LMS user id.")
@click.option("--within", default=120.0, show_default=True, help="Seconds to wait for each worker.")
@at_site
def forget(settings: "Settings", learner: int, within: float) -> None:
    """Delete a learner's progress and badges, here and at the issuers; exit 1 if some are still there.

    Retire the learner at the LMS first: what it says of them later is judged as of anybody.
    """
    from streams.operate.forget import forget

    if not run_async(forget(settings, learner, within, click.echo)):
        raise SystemExit(1)


@main.command()
@click.option("--learner", type=click.IntRange(min=0), required=True, help="The LMS user id.")
@click.option("--template", help="Only the badge of this template.")
@click.option("--within", default=120.0, show_default=True, help="Seconds to wait for the tracker.")
@at_site
def reissue(settings: "Settings", learner: int, template: str | None, within: float) -> None:
    """Have a learner's awards and revocations said again, with what is known of the learner now.

    What the issuer refused is tried again; what it seems to hold, or not, is looked at again.
    """
    from streams.operate.reissue import reissue

    _print(run_async(reissue(settings, learner, template, within)))


@main.command("catch-up")
@click.option("--template", "templates", multiple=True, required=True, help="Its id; may be repeated.")
@click.option("--since", type=Time(), help="Only what happened then and later (ISO 8601).")
@click.option("--activities", type=FileOrStdin, help="JSON lines in place of the bus; - for stdin.")
@at_site
def catch_up(
    settings: "Settings", templates: tuple[str, ...], since: datetime | None, activities: IO[bytes] | None
) -> None:
    """Give what is on the bus, or in a recording, to badge templates once more.

    Beside running workers; only what concerns these templates is sent, and a second time changes nothing.
    Exit 1 if some could not be read.
    """
    from streams.operate.catch_up import Told, catch_up
    from streams.operate.terminal import meter

    def report(where: str, error: Any) -> None:
        if told.unreadable.total() <= SAID:
            say([f"{where}: {error}"])

    told = Told(report)
    with meter("reading and sending") as bar:
        run_async(catch_up(settings, templates, since, activities, told, bar))
    _print([f"{told.sent} of {told.read} activities concern the templates, and are given to them"])
    if told.unreadable:
        say([f"{told.unreadable.total()} could not be read: {_counted(told.unreadable)}"])
        raise SystemExit(1)


@main.command()
@ordering
@at_site
def award(settings: "Settings", /, **given: Any) -> None:
    """Have learners awarded a badge, complete or not; print each order's id and its learner."""
    _order(settings, "award", **given)


@main.command()
@ordering
@at_site
def revoke(settings: "Settings", /, **given: Any) -> None:
    """Have a badge of learners revoked, and begin it anew; print each order's id and its learner."""
    _order(settings, "revoke", **given)


def _order(
    settings: "Settings",
    order: "Ordered",
    template: str,
    learner: int | None,
    csv: IO[bytes] | None,
    reason: str,
    by: str | None,
) -> None:
    from streams.operate.learners import learners
    from streams.operate.order import Given, give

    named: Mapping[int, User | None]
    if csv is not None and learner is None:
        named = learners(csv.read())
    elif learner is not None and csv is None:
        named = {learner: None}
    else:
        raise click.UsageError("give --learner or --csv")
    given = run_async(give(settings, Given(order, template, by or user_name(), reason), named))
    _print(f"{one.id}\t{one.learner}" for one in given)
    say(
        [f"orders to {order} the badge: {len(given)}; what became of one: badge-streams explain --learner ID"]
    )


@main.command()
@as_json
@at_site
def status(settings: "Settings", json: bool) -> None:
    """Print what the workers do: alive, assigned, lag, catalog, what waits for the issuers, dead letters."""
    from streams.operate.status import status
    from streams.operate.terminal import as_json, meter

    with meter("reading") as bar:
        found = run_async(status(settings, bar))
    _print([as_json(found.as_json())] if json else found.lines())


@main.command()
@click.option("--topic", "names", multiple=True, help="In place of the source topics; may be repeated.")
@click.option("--type", "types", multiple=True, help="Only events of that type; may be repeated.")
@click.option("--learner", type=int, help="Only of that LMS user id.")
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
    from streams.operate.terminal import meter

    unreadable: Counter[str] = Counter()
    count = 0

    def report(found: Any, error: UnreadableError) -> None:
        unreadable[error.reason] += 1
        if unreadable.total() <= SAID:
            say([f"{found.topic}-{found.partition} offset {found.offset}: {error}"])

    async def run() -> None:
        nonlocal count
        with meter("reading", beside_output=True) as bar:
            async for line in record(
                settings, Wanted(names, since, until, frozenset(types), learner), report, bar
            ):
                click.echo(line)
                count += 1

    run_async(run())
    said = f"; {unreadable.total()} could not be read: {_counted(unreadable)}" if unreadable else ""
    say([f"{count} activities{said}"])
    if unreadable:
        raise SystemExit(1)


@main.group()
def catalog() -> None:
    """The catalog at run time."""


@catalog.command("publish")
@click.argument("file", type=FileOrStdin)
@at_site
def publish_catalog(settings: "Settings", file: IO[bytes]) -> None:
    """Put a catalog in force, - for stdin; workers take it within seconds."""
    from streams.operate.catalog import publish

    _print(run_async(publish(settings, file.read(), datetime.now(UTC))))


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
    _print(as_json(revision.as_json()) if json else str(revision) for revision in published)


@main.group("dead-letters")
def dead_letters() -> None:
    """What was set aside, and sending it again."""


@dead_letters.command("list")
@filtered
@click.option("--redriven", is_flag=True, help="Also those that were sent again.")
@as_json
@at_site
def list_letters(
    settings: "Settings", /, limit: int | None, redriven: bool, json: bool, **which: Any
) -> None:
    """Print the letters of both workers, oldest first; on standard error how many of each reason."""
    from streams.operate.dead_letters import HEAD, WIDTHS, Filter, listed
    from streams.operate.terminal import aligned, as_json, meter

    reasons: Counter[str] = Counter()

    async def run() -> None:
        with meter("reading", beside_output=True) as bar:
            async for letter in listed(settings, Filter(**which), redriven=redriven, limit=limit, meter=bar):
                if not (json or reasons):
                    click.echo(aligned(HEAD, WIDTHS))
                reasons[letter.reason] += 1
                click.echo(as_json(letter.as_json()) if json else aligned(letter.row, WIDTHS))

    run_async(run())
    say([f"{reasons.total()} dead letters: {_counted(reasons)}" if reasons else "no dead letters"])


@dead_letters.command("show")
@click.argument("id")
@as_json
@at_site
def show_letter(settings: "Settings", id: str, json: bool) -> None:
    """Print a letter in full, but for its value's bytes."""
    from streams.operate.dead_letters import letter, shown, shown_as_json
    from streams.operate.terminal import as_json

    found = run_async(letter(settings, id))
    _print([as_json(shown_as_json(found))] if json else shown(found))


@dead_letters.command("redrive")
@click.argument("ids", nargs=-1)
@filtered
@click.option("--all", "everything", is_flag=True, help="All letters.")
@click.option("--again", is_flag=True, help="Also those that were sent again before.")
@at_site
def redrive_letters(
    settings: "Settings",
    /,
    ids: tuple[str, ...],
    limit: int | None,
    everything: bool,
    again: bool,
    **wanted: Any,
) -> None:
    """Send letters to be judged once more: those with these ids, those that the options name, or all.

    What was sent again before is passed over, and so is what still cannot be read. Exit 1 if one could not be
    sent.
    """
    from streams.operate.dead_letters import Filter
    from streams.operate.redrive import Redriven, Wanted, redrive
    from streams.operate.terminal import meter

    filter = Filter(**wanted)
    if not ids and filter == Filter() and not everything:
        raise click.UsageError("give ids, --all, or which: --reason, --agent, --learner, --since, --until")
    told = Redriven()
    try:
        with meter("reading and sending") as bar:
            run_async(redrive(settings, Wanted(ids, filter, limit, again), told, bar))
    except BadgeStreamsError:
        if told.sent:
            _print((f"sent again: {len(told.sent)}", *told.sent))
        raise
    _print((f"sent again: {len(told.sent)}", *told.sent))
    if ids:
        say(f"{id}: was sent again before; --again sends it once more" for id in told.sent_before)
    say(f"{id}: its record was left at its origin, and is there no longer" for id in told.gone)
    if told.unreadable:
        say([f"still not to be read: {len(told.unreadable)} ({_counted(told.reasons)})"])
        say(told.unreadable)
    say(f"{id}: there is no such letter" for id in told.unknown)
    if told.gone or told.unreadable or told.unknown:
        raise SystemExit(1)


@main.command()
@click.option("--learners", type=click.IntRange(1, 10_000), default=300, show_default=True)
def demo(learners: int) -> None:
    """Show the whole way of an event on a real Kafka; exit 1 if the outcome is not the expected one."""
    from rich.console import Console

    from streams.sandbox.demo import run

    raise SystemExit(run(Console(), learners=learners))


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)

"""The commands about dead letters."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from streams.cli.options import (
    as_json,
    at_site,
    counted,
    filtered,
    print_lines,
    run_async,
    say,
)
from streams.errors import BadgeStreamsError

if TYPE_CHECKING:
    from streams.settings import Settings


@click.group("dead-letters")
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
    say([f"{reasons.total()} dead letters: {counted(reasons)}" if reasons else "no dead letters"])


@dead_letters.command("show")
@click.argument("id")
@as_json
@at_site
def show_letter(settings: "Settings", id: str, json: bool) -> None:
    """Print a letter in full, but for its value's bytes."""
    from streams.operate.dead_letters import letter, shown, shown_as_json
    from streams.operate.terminal import as_json

    found = run_async(letter(settings, id))
    print_lines([as_json(shown_as_json(found))] if json else shown(found))


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
            print_lines((f"sent again: {len(told.sent)}", *told.sent))
        raise
    print_lines((f"sent again: {len(told.sent)}", *told.sent))
    if ids:
        say(f"{id}: was sent again before; --again sends it once more" for id in told.sent_before)
    say(f"{id}: its record was left at its origin, and is there no longer" for id in told.gone)
    if told.unreadable:
        say([f"still not to be read: {len(told.unreadable)} ({counted(told.reasons)})"])
        say(told.unreadable)
    say(f"{id}: there is no such letter" for id in told.unknown)
    if told.gone or told.unreadable or told.unknown:
        raise SystemExit(1)

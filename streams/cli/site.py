"""The commands about a site as it stands: topics, workers, issuers."""

from typing import TYPE_CHECKING

import click

from streams.cli.options import (
    as_json,
    at_site,
    print_lines,
    run_async,
)

if TYPE_CHECKING:
    from streams.settings import Settings


@click.command()
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
                print_lines([f"made {name}" for name in made] or ["every topic exists"])
            return [row for row in await ours.look(here, made) if row.fault or not create]

    rows = run_async(run())
    if json:
        print_lines(terminal.as_json(row.as_json()) for row in rows)
    elif rows:
        cells = [(row.topic, row.expected, row.found, row.verdict) for row in rows]
        print_lines(terminal.table(("topic", "expected", "found", "verdict"), cells))
    if any(row.fault for row in rows):
        raise SystemExit(1)


@click.command()
@as_json
@at_site
def status(settings: "Settings", json: bool) -> None:
    """Print what the workers do: alive, assigned, lag, catalog, what waits for the issuers, dead letters."""
    from streams.operate.status import status
    from streams.operate.terminal import as_json, meter

    with meter("reading") as bar:
        found = run_async(status(settings, bar))
    print_lines([as_json(found.as_json())] if json else found.lines())


@click.command()
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

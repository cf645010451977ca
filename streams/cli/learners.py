"""The commands about learners and their badges."""

from collections.abc import Mapping
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from streams.cli.options import (
    SAID,
    FileOrStdin,
    LearnerId,
    Seconds,
    Time,
    at_site,
    counted,
    ordering,
    print_lines,
    run_async,
    say,
    user_name,
)

if TYPE_CHECKING:
    from streams.badges import Ordered, User
    from streams.settings import Settings


@click.command()
@click.option("--learner", type=LearnerId(), required=True, help="The LMS user id.")
@click.option("--template", help="Only this badge template.")
@click.option("--brief", is_flag=True, help="Activities by their ids alone, which reads no topic of them.")
@at_site
def explain(settings: "Settings", learner: int, template: str | None, brief: bool) -> None:
    """Print a learner's progress and the reasons of each decision, from the changelog.

    What counted is said in words as long as its activity is on its topic, and what is still missing. Where
    BADGES_API names a worker that answers, it is asked; what counted is then named by ids.
    """
    from streams.operate.explain import explain
    from streams.operate.terminal import meter

    if settings.api:
        from streams.operate.api import explained

        print_lines(run_async(explained(settings, learner, template)))
        return
    with meter("reading") as bar:
        lines = run_async(explain(settings, learner, template, brief=brief, meter=bar))
    print_lines(lines)


@click.command()
@click.option("--learner", type=LearnerId(), required=True, help="The LMS user id.")
@click.option(
    "--within", type=Seconds(), default=120.0, show_default=True, help="Seconds to wait for each worker."
)
@at_site
def forget(settings: "Settings", learner: int, within: float) -> None:
    """Delete a learner's progress and badges, here and at the issuers; exit 1 if some are still there.

    Retire the learner at the LMS first: what it says of them later is judged as of anybody.
    """
    from streams.operate.forget import forget

    if not run_async(forget(settings, learner, within, click.echo)):
        raise SystemExit(1)


@click.command()
@click.option("--learner", type=LearnerId(), required=True, help="The LMS user id.")
@click.option("--template", help="Only the badge of this template.")
@click.option(
    "--within", type=Seconds(), default=120.0, show_default=True, help="Seconds to wait for the tracker."
)
@at_site
def reissue(settings: "Settings", learner: int, template: str | None, within: float) -> None:
    """Have a learner's awards and revocations said again, with what is known of the learner now.

    What the issuer refused is tried again; what it seems to hold, or not, is looked at again.
    """
    from streams.operate.reissue import reissue

    print_lines(run_async(reissue(settings, learner, template, within)))


@click.command("catch-up")
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
    print_lines([f"{told.sent} of {told.read} activities concern the templates, and are given to them"])
    if told.unreadable:
        say([f"{told.unreadable.total()} could not be read: {counted(told.unreadable)}"])
        raise SystemExit(1)


@click.command()
@ordering
@at_site
def award(settings: "Settings", /, **given: Any) -> None:
    """Have learners awarded a badge, complete or not; print each order's id and its learner."""
    _order(settings, "award", **given)


@click.command()
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
    from streams.operate.learners import MOST_BYTES, learners
    from streams.operate.order import Given, give

    named: Mapping[int, User | None]
    if csv is not None and learner is None:
        named = learners(csv.read(MOST_BYTES + 1))
    elif learner is not None and csv is None:
        named = {learner: None}
    else:
        raise click.UsageError("give --learner or --csv")
    given = run_async(give(settings, Given(order, template, by or user_name(), reason), named))
    print_lines(f"{one.id}\t{one.learner}" for one in given)
    say(
        [f"orders to {order} the badge: {len(given)}; what became of one: badge-streams explain --learner ID"]
    )

"""The commands that run something: the workers, the demo."""

import click

from streams.supervisor import WORKERS


@click.command()
def tracker() -> None:
    """Run a tracker: from the bus's events to badge events."""
    from streams.runtime.worker import run
    from streams.tracker.agents import build

    run(build)


@click.command()
def relay() -> None:
    """Run a relay: from badge events to badges at their issuers."""
    from streams.relay.agents import build
    from streams.runtime.worker import run

    run(build)


@click.command()
def bridge() -> None:
    """Run a bridge: between a bus on Redis and Kafka, both ways."""
    from streams.bridge.agents import build
    from streams.runtime.worker import run

    run(build)


@click.command()
@click.option(
    "--without", multiple=True, type=click.Choice(WORKERS), help="Not this worker; may be repeated."
)
def site(without: tuple[str, ...]) -> None:
    """Run a whole small site: its workers as processes of this one, with one set of pages.

    A worker that ends is started again; a wrong configuration ends all.
    """
    from streams.supervisor.site import run

    run(without)


@click.command()
def api() -> None:
    """Run a worker that answers: learners' progress and badges, by HTTP."""
    from streams.errors import ConfigurationError

    try:
        from streams.api.worker import run
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"badge-streams api needs the extra: pip install 'badge-streams[api]' ({error})"
        ) from None
    run()


@click.command()
@click.option("--learners", type=click.IntRange(1, 10_000), default=300, show_default=True)
@click.option("--bus", type=click.Choice(["kafka", "redis"]), default="kafka", show_default=True)
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Whether the site stays until Ctrl-C, with a learner's page to look at; default: at a terminal.",
)
def demo(learners: int, bus: str, keep: bool | None) -> None:
    """Show the whole way of an event on a real Kafka; exit 1 if the outcome is not the expected one.

    With --bus redis from a real Redis, the bus of a stock Open edX, and back to it.
    """
    from rich.console import Console

    from streams.errors import ConfigurationError

    try:
        from streams.sandbox.demo import run
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"badge-streams demo needs the extra: pip install 'badge-streams[open-badges]' ({error})"
        ) from None
    console = Console()
    kept = console.is_terminal if keep is None else keep
    raise SystemExit(run(console, redis=bus == "redis", kept=kept, learners=learners))

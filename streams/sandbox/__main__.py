"""A bus and a Credly to try things on, and an LMS that says things on the bus.

python -m streams.sandbox run            a Kafka, a registry and a Credly simulator, until interrupted
python -m streams.sandbox passes --learner 42
"""

import asyncio
import shlex
import signal
from datetime import UTC, datetime
from pathlib import Path

import click
from aiokafka.errors import KafkaError

from streams.errors import ConfigurationError
from streams.sandbox import lms, publisher
from streams.sandbox.bus import bus
from streams.sandbox.credly import CredlySimulator, Server
from streams.sandbox.publisher import FAULTS, Publisher
from streams.settings import load_settings

COURSE = "course-v1:DemoX+Kafka101+2026"


@click.group()
def main() -> None:
    """A site to try things on."""


@main.command()
def run() -> None:
    """Run Kafka, a schema registry and a Credly simulator; print the settings that lead there."""
    for number in (signal.SIGTERM, signal.SIGINT):  # A job in a shell's background ignores SIGINT by default.
        signal.signal(number, signal.default_int_handler)
    with bus() as running:
        try:
            asyncio.run(_serve(running.kafka, running.registry))
        except KeyboardInterrupt:
            click.echo("# ended")


@main.command()
@click.option("--learner", type=click.IntRange(1), required=True, help="The LMS user id.")
@click.option("--course", default=COURSE, show_default=True)
@click.option("--no-longer", is_flag=True, help="Is not passing any more.")
@click.option("--unreadable", type=click.Choice(sorted(FAULTS)), help="What is wrong with the message.")
def passes(learner: int, course: str, no_longer: bool, unreadable: str | None) -> None:
    """Say on the bus, as the LMS does, that a learner passes a course."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    data = {"is_passing": not no_longer, "course": lms.course(course), "user": lms.user(learner)}
    happening = lms.Happening(lms.PASSING, datetime.now(UTC), learner, data)

    async def emit() -> None:
        ids = await publisher.register(settings.registry, settings.topic_prefix)
        press = Publisher(ids, settings.topic_prefix, seed=int(happening.time.timestamp() * 1_000_000))
        [emission] = press.publish([happening])
        await publisher.emit(
            settings.kafka, [press.rubbish(emission, unreadable) if unreadable else emission]
        )

    try:
        asyncio.run(emit())
    except (KafkaError, OSError) as error:
        where = f"{settings.kafka}, {settings.registry}"
        raise click.ClickException(f"{where}: {error}: is `python -m streams.sandbox run` at work?") from None


async def _serve(kafka: str, registry: str) -> None:
    async with Server(CredlySimulator()) as credly:
        click.echo(f"BADGES_KAFKA={kafka}")
        click.echo(f"BADGES_REGISTRY={registry}")
        click.echo("BADGES_PARTITIONS=3")
        click.echo("BADGES_REPLICATION=1")
        click.echo(f"BADGES_ISSUER_KEY_DIR={shlex.quote(str(Path.cwd()))}")
        click.echo(f"CREDLY={credly.url}")
        await asyncio.Event().wait()


if __name__ == "__main__":
    main()

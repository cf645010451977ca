"""What the commands share: kinds of arguments, options, and how what goes wrong ends them."""

import functools
import logging
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from streams.errors import BadgeStreamsError, ConfigurationError
from streams.logs import blanked

if TYPE_CHECKING:
    from streams.settings import Settings

WAIT_SECONDS = 4.0
"""With the time that a process takes to start, a person waits about five seconds for the cause."""

SAID = 20
"""Lines about what cannot be read, before the rest is only counted."""

INTERRUPTED = 128 + 2
"""What a shell says of whom Ctrl-C has ended: 128, and the signal's number."""

LARGEST_ID = 2**63 - 1
"""The largest id that a database gives."""

P = ParamSpec("P")
T = TypeVar("T")


class Faults(logging.Handler):
    """Prints what is said of catalogs that are refused."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        say([record.getMessage()])


FAULTS, NOTHING = Faults(logging.ERROR), logging.NullHandler()
File = click.Path(exists=True, dir_okay=False, path_type=Path)
FileOrStdin = click.File("rb", lazy=False)
as_json = click.option("--json", "json", is_flag=True, help="A JSON object a line.")


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


class LearnerId(click.ParamType):
    """An LMS user id."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse it."""
        id: int = click.INT.convert(value, param, ctx)
        if not 0 <= id <= LARGEST_ID:
            self.fail(f"{value} is no LMS user id", param, ctx)
        return id


class Seconds(click.FloatRange):
    """A number of seconds above 0; one that ends."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it."""
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


class Commands(click.Group):
    """Ends what went wrong on purpose as clear lines, with the exit codes of `docs/operate.md`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BadgeStreamsError as error:
            say(str(error).splitlines())
            ctx.exit(2 if isinstance(error, ConfigurationError) else 1)
        except KeyboardInterrupt:
            click.echo(err=True)  # a terminal has written ^C
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            raise  # nobody reads any more, as after `head`: click ends it without a word
        except OSError as error:
            what = error.strerror or type(error).__name__
            say([f"{error.filename}: {what}" if error.filename else what])
            ctx.exit(1)
        except Exception as error:
            if not _is_kafkas(error):
                raise
            say([f"Kafka: {' '.join(str(error).split()) or type(error).__name__}"])
            ctx.exit(1)


def _is_kafkas(error: Exception) -> bool:
    from aiokafka.errors import KafkaError  # dear, and only needed now

    return isinstance(error, KafkaError)


def at_site(command: Callable[Concatenate["Settings", P], None]) -> Callable[..., None]:
    """Give a command its site's settings, with a patience of its own; what libraries log is not printed."""

    @click.option(
        "--wait",
        type=Seconds(),
        default=WAIT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long to try while Kafka or the registry is away.",
    )
    @functools.wraps(command)
    def called(wait: float, *args: P.args, **options: P.kwargs) -> None:
        from streams.settings import load_settings

        logging.getLogger().addHandler(NOTHING)
        logging.getLogger("streams.catalog").addHandler(FAULTS)
        command(load_settings().model_copy(update={"start_seconds": wait}), *args, **options)

    return called


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which letters are meant, as `Filter` has them, and how many."""
    options = (
        click.option("--reason", default="", help="Only letters of that reason."),
        click.option("--agent", default="", help="Only letters of that agent."),
        click.option(
            "--learner", type=LearnerId(), help="Only of that LMS user id, of those that can be read."
        ),
        click.option("--since", type=Time(), help="Only letters of that time and later (ISO 8601)."),
        click.option("--until", type=Time(), help="Only letters before that time."),
        click.option("--limit", type=click.IntRange(min=1), help="At most so many, the oldest."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def ordering(command: Callable[..., None]) -> Callable[..., None]:
    """The options of an order about a badge: which badge, whose, and by whom and why."""
    options = (
        click.option("--template", required=True, help="The badge template's id."),
        click.option("--learner", type=LearnerId(), help="The LMS user id."),
        click.option(
            "--csv",
            type=FileOrStdin,
            help="Many learners: a column learner and, for those never seen here, username, email, name; "
            "- for stdin.",
        ),
        click.option("--reason", required=True, help="Why, in one line; of a revocation the issuer is told."),
        click.option("--by", help="Who orders it; your user name where it is left out."),
    )
    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), command)


def user_name() -> str:
    """Whoever runs the command, by the operating system."""
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):  # a container's user often has no name
        raise ConfigurationError("--by: say who orders it; this user has no name") from None


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns, in a loop of its own."""
    import asyncio  # dear, and a command that asks no broker goes without

    return asyncio.run(work)


def catalog_of(file: IO[bytes]) -> bytes:
    """The text of a catalog's file; of one that is too large to be a catalog, enough to be refused."""
    from streams.catalog.reading import TEXT_BYTES

    return file.read(TEXT_BYTES + 1)


def say(lines: Iterable[str]) -> None:
    """Print lines on standard error."""
    for line in lines:
        click.echo(blanked(line), err=True)


def counted(reasons: Counter[str]) -> str:
    """How many of each reason, the most frequent first."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on standard output."""
    for line in lines:
        click.echo(line)

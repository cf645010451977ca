"""`python -m tests.faults`: every harm on real brokers and a table of them; exit code 1 for any fault."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from uuid import uuid4

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from streams.errors import FatalError
from streams.sandbox.kafka import Kafka, Security
from streams.sandbox.registry import Apicurio
from tests.faults import run
from tests.faults.rows import HARMS
from tests.faults.run import Harm, Outcome

COLUMNS = {
    "missing": ("decisions missing",),
    "double": ("decisions double",),
    "disorder": ("decisions out of order", "activities out of order"),
    "wrong id": ("decisions unwanted", "decisions wrong"),
    "progress": ("progress missing", "progress unwanted", "progress wrong"),
    "letters missing": ("dead letters missing",),
    "letters double": ("dead letters double", "dead letters unwanted", "dead letters not whole"),
    "activities": ("activities missing", "activities unwanted", "activities double", "activities changed"),
    "on Redis": tuple(
        f"badge events {fault} on Redis" for fault in ("missing", "double", "changed", "out of order")
    ),
    "by hand": (
        *("catch-ups missing", "catch-ups unwanted", "catch-ups double", "catch-ups changed"),
        *("orders missing", "orders unwanted", "orders double", "orders changed"),
    ),
}

# What brokers a harm needs: how many, how they are reached, their properties.
Site = tuple[Literal[1, 3], Security, tuple[tuple[str, str | int], ...]]


def main() -> None:
    options = _options()
    harms = [harm for harm in HARMS if not options.only or any(word in harm.name for word in options.only)]
    outcomes: list[Outcome | str] = []
    console = Console(width=200)
    for (nodes, security, properties), group in _clusters(harms).items():
        brokers = Kafka(nodes, security=security, properties=dict(properties), proxied=True)
        with brokers as cluster, Apicurio() as registry:
            for harm in group:
                outcomes.append(_outcome(harm, cluster, registry, options))
                console.print(_words(outcomes[-1]), markup=False, soft_wrap=True)
    console.print(_table(outcomes))
    sys.exit(0 if all(map(_is_good, outcomes)) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--events", type=int, default=30_000, help="events for each harm, at least")
    parser.add_argument("--rate", type=float, default=1_500, help="events a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("only", nargs="*", help="words in the names of the harms to run; none: all")
    return parser.parse_args()


def _clusters(harms: list[Harm]) -> dict[Site, list[Harm]]:
    clusters: dict[Site, list[Harm]] = {}
    for harm in harms:
        site = (harm.nodes, harm.security, tuple(sorted(harm.properties.items())))
        clusters.setdefault(site, []).append(harm)
    return clusters


def _outcome(harm: Harm, cluster: Kafka, registry: Apicurio, options: argparse.Namespace) -> Outcome | str:
    with _folder() as folder:
        try:
            return asyncio.run(
                run.suffer(
                    harm,
                    cluster,
                    registry,
                    folder,
                    name=f"f{uuid4().hex[:6]}",
                    seed=options.seed,
                    events=options.events,
                    rate=options.rate,
                )
            )
        except (TimeoutError, RuntimeError, FatalError, KafkaError) as error:
            return "\n".join([f"{harm.name}: {error!r}", *getattr(error, "__notes__", ())])


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="badge-streams-faults-") as folder:
        yield Path(folder)


def _is_good(outcome: Outcome | str) -> bool:
    return isinstance(outcome, Outcome) and outcome.is_good


def _words(outcome: Outcome | str) -> str:
    if isinstance(outcome, str):
        return outcome
    wrong = list(run.words(outcome.verdict))
    return "\n  ".join([f"{outcome.harm.name}: {'good' if outcome.is_good else 'NOT GOOD'}", *wrong])


def _table(outcomes: list[Outcome | str]) -> Table:
    table = Table("harm", "nodes", "blows", "ends", "events", "decisions", "letters", *COLUMNS, "reads", "s")
    for outcome in outcomes:
        table.add_row(
            *(_row(outcome) if isinstance(outcome, Outcome) else [outcome.splitlines()[0].partition("(")[0]])
        )
    return table


def _row(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    return [
        outcome.harm.name,
        str(outcome.harm.nodes),
        str(outcome.blows),
        str(outcome.ends),
        f"{outcome.events:,}",
        f"{verdict.awarded + verdict.revoked:,}",
        f"{sum(verdict.dead_letters.values()):,}",
        *(str(run.faults(verdict, *names)) for names in COLUMNS.values()),
        "" if outcome.reads is None else str(outcome.reads),
        f"{outcome.seconds:.0f}",
    ]


if __name__ == "__main__":
    main()

"""Every client of Kafka that we make closes a connection before what is on the way drops it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from streams.kafka.client import connection
from streams.settings import Settings

STREAMS = Path(__file__).parents[2] / "streams"
CLIENTS = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient"}
# Our own kinds of them.
CLIENTS |= {"GroupConsumer", "WholeFetches"}
# What the sandbox makes reaches brokers on the same machine.
NEAR = "sandbox"
LOAD_BALANCERS_SECONDS = 240


def test_a_connection_is_closed_before_a_load_balancer_drops_it() -> None:
    assert connection(Settings())["connections_max_idle_ms"] < LOAD_BALANCERS_SECONDS * 1000
    assert connection(Settings(kafka_idle_seconds=3))["connections_max_idle_ms"] == 3_000


def test_every_client_is_made_with_the_same_connection() -> None:
    made = dict(_made())

    assert len(made) > 6
    assert [place for place, options in made.items() if "connection" not in options] == []


def _made() -> Iterator[tuple[str, set[str]]]:
    """Where clients are made, and whose results are their options."""
    for file in STREAMS.rglob("*.py"):
        place = file.relative_to(STREAMS)
        if place.parts[0] == NEAR:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CLIENTS:
                yield f"{place}:{node.lineno}", set(_spread(node))


def _spread(call: ast.Call) -> Iterator[str]:
    for keyword in call.keywords:
        if (
            keyword.arg is None
            and isinstance(keyword.value, ast.Call)
            and isinstance(keyword.value.func, ast.Name)
        ):
            yield keyword.value.func.id

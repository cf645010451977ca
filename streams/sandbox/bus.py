"""A Kafka and a schema registry, started together."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from streams.sandbox.kafka import broker
from streams.sandbox.registry import Apicurio


@dataclass(frozen=True, slots=True)
class Bus:
    """Where they are: Kafka's bootstrap servers, the registry's URL."""

    kafka: str
    registry: str


@contextmanager
def bus() -> Iterator[Bus]:
    """Both, started at the same time, until the end of the `with` block."""
    with ExitStack() as running:
        with ThreadPoolExecutor(2) as pool:
            kafka = pool.submit(running.enter_context, broker())
            registry = pool.submit(running.enter_context, Apicurio())
        yield Bus(kafka.result(), registry.result().url)

"""The bus of a site, with what it needs: Kafka with a schema registry, or Redis with a Kafka behind it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from streams.sandbox import entries, publisher
from streams.sandbox.kafka import broker
from streams.sandbox.publisher import Emission, Placed
from streams.sandbox.redis import Redis
from streams.sandbox.registry import Apicurio
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Bus:
    """Where they are: Kafka's bootstrap servers, the URLs of registry and Redis; empty: there is none."""

    kafka: str
    registry: str
    redis: str = ""


@contextmanager
def bus() -> Iterator[Bus]:
    """A Kafka and a registry, started at the same time, until the end of the `with` block."""
    with ExitStack() as running:
        with ThreadPoolExecutor(2) as pool:
            kafka = pool.submit(running.enter_context, broker())
            registry = pool.submit(running.enter_context, Apicurio())
        yield Bus(kafka.result(), registry.result().url)


@contextmanager
def redis_bus() -> Iterator[Bus]:
    """A Redis and the Kafka that its bridge writes to; there is no registry."""
    with broker() as kafka, Redis(appendonly=True) as redis:
        yield Bus(kafka, "", redis.url)


async def emit(
    settings: Settings,
    emissions: Iterable[Emission],
    *,
    rate: float | None = None,
    placed: Callable[[Sequence[Placed]], None] = lambda _: None,
) -> None:
    """Put `emissions` on the bus of the site; they must be as that bus has them."""
    if settings.bus == "redis":
        most = settings.redis_stream_max_len
        await entries.emit(settings.redis, emissions, rate=rate, max_len=most, placed=placed)
    else:
        await publisher.emit(settings.kafka, emissions, rate=rate, placed=placed)

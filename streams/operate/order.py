"""Awarding and revoking badges by hand: orders, judged by the tracker like what happens (decision 0075)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka.errors import KafkaError, ProducerFenced

from streams.badges import Order, Ordered, User
from streams.bus.activities import NOTE_CHARACTERS, order_line
from streams.errors import ConfigurationError, FatalError
from streams.kafka.client import partition_of
from streams.operate.catalog import active
from streams.operate.learners import is_line
from streams.operate.sending import Message, producer, send
from streams.operate.site import site
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Given:
    """An order that is to be given: by whom and why."""

    order: Ordered
    template: str
    by: str
    reason: str


async def give(settings: Settings, given: Given, learners: Mapping[int, User | None]) -> list[Order]:
    """Order it for each learner, all in one transaction; return the orders.

    Of a learner of whom the site may never have heard goes along what `learners` says.

    Raises `ConfigurationError` for a template that is not active in the catalog in force, or a text that is
    empty or too long; `FatalError` where nothing was sent.
    """
    for name, text in (("--by", given.by), ("--reason", given.reason)):
        if not text.strip() or not is_line(text, NOTE_CHARACTERS):
            raise ConfigurationError(f"{name}: one line of 1 to {NOTE_CHARACTERS} characters")
    template, note = given.template.lower(), (given.by, given.reason)
    now = datetime.now(UTC)
    orders = [
        Order(given.order, template, id, str(uuid4()), now, user, note) for id, user in learners.items()
    ]
    async with site(settings) as here:
        await active(here, [template])
        activities = here.topics.activities.name
        partitions = len(await here.existing(activities))
        async with producer(settings, f"{activities}-orders") as sending:
            try:
                await send(sending, _messages(activities, partitions, orders))
            except ProducerFenced:
                raise FatalError(
                    "somebody else gives orders just now: nothing was sent, run it again"
                ) from None
            except KafkaError as error:
                raise FatalError(f"nothing was sent to {activities}: {error!r}") from error
    return orders


def _messages(topic: str, partitions: int, orders: Iterable[Order]) -> Iterable[Message]:
    for order in orders:
        key = b"%d" % order.learner
        yield {
            "topic": topic,
            "key": key,
            "value": order_line(order),
            "partition": partition_of(key, partitions),
        }

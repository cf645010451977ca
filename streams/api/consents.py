"""Keeps learners' consents: writes them to their topic, from which every worker that answers reads them."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.api.view import View
from streams.badges import badge_id
from streams.errors import BadgeStreamsError
from streams.kafka.client import connection, partition_of, start
from streams.kafka.consents import Consent, line
from streams.settings import Settings

log = logging.getLogger(__name__)

LINK_BYTES = 16
"""Nobody guesses 128 bits."""
WRITE_SECONDS = 5.0
"""For a write: a broker takes one in milliseconds, and a learner waits for it."""
SEEN_SECONDS = 2.0
"""Until this worker has read what it wrote, so that her page shows it: it follows in a tenth of a second."""
LOOK_SECONDS = 0.05


class NotKeptError(BadgeStreamsError):
    """A consent may not have been kept; it may be given again."""


class Consents:
    """Gives and withdraws consents by `write`; `link` draws a link that nobody can guess."""

    def __init__(
        self,
        write: Callable[[UUID, Consent | None], Awaitable[None]],
        link: Callable[[], str] = lambda: secrets.token_urlsafe(LINK_BYTES),
    ) -> None:
        self._write = write
        self._link = link

    async def give(self, view: View, learner: int, template: str) -> None:
        """Let everybody see a badge who has its link; return once `view` knows. Raises `NotKeptError`."""
        await self._put(view, learner, template, Consent(learner, template, self._link(), view.now))

    async def withdraw(self, view: View, learner: int, template: str) -> None:
        """Let nobody see a badge any more; return once `view` knows. Raises `NotKeptError`."""
        await self._put(view, learner, template, None)

    async def _put(self, view: View, learner: int, template: str, consent: Consent | None) -> None:
        badge = badge_id(template, learner)
        await self._write(badge, consent)
        for _ in range(int(SEEN_SECONDS / LOOK_SECONDS)):
            if view.questions.consents(learner).get(str(badge)) == consent:
                return
            await view.clock.sleep(LOOK_SECONDS)


class Writer:
    """Writes consents to their topic; connects for the first, because most workers never write any."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings = settings
        self._topic = topic
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, badge: UUID, consent: Consent | None) -> None:
        """Write a consent, None: it is withdrawn. Raises `NotKeptError`."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._send(str(badge).encode(), None if consent is None else line(consent))
        except (KafkaError, BadgeStreamsError, TimeoutError) as error:
            log.warning("a consent is not kept: %s", str(error) or type(error).__name__)
            raise NotKeptError("the consent is not kept") from error

    async def aclose(self) -> None:
        """Let go of the brokers."""
        if self._producer is not None:
            await self._producer.stop()

    async def _send(self, key: bytes, value: bytes | None) -> None:
        producer = await self._started()
        partitions = len(await producer.partitions_for(self._topic))
        await producer.send_and_wait(
            self._topic, key=key, value=value, partition=partition_of(key, partitions)
        )

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(**connection(self._settings), enable_idempotence=True)
                try:
                    await start(producer, self._settings)
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

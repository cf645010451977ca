"""What aiokafka 0.14.0 gives up on too early, mended."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer import sender

# After a commit the coordinator still writes its markers and answers CONCURRENT_TRANSACTIONS; 20 ms of
# waiting, aiokafka's own choice, doubles the time of a short transaction.
sender.BACKOFF_OVERRIDE = 0.005


class _PatientSender(sender.Sender):
    """Looks for a coordinator again where the connection was lost meanwhile; aiokafka's ends for good."""

    async def _find_coordinator(self, coordinator_type: int, coordinator_key: str) -> int:
        while True:
            try:
                return int(await super()._find_coordinator(coordinator_type, coordinator_key))
            except KafkaError as error:
                if not getattr(error.__cause__, "retriable", False):
                    raise
                await self.client.force_metadata_update()
                await asyncio.sleep(self._retry_backoff)


def patient(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """The same producer, patient; it builds its sender itself and takes none."""
    producer._sender.__class__ = _PatientSender
    return producer

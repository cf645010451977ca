"""What partitions, units and recovery need of the worker that they are part of."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.settings import Settings


class GroupReader(Protocol):
    """The group's client, as far as a partition's owner uses it."""

    def seek(self, tp: TopicPartition, offset: int) -> None:
        """Fetch `tp` from `offset` on."""

    def resume(self, *tps: TopicPartition) -> None:
        """Fetch partitions that were paused."""

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset of each partition."""

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset after the last committed record of each partition."""

    async def commits(self, tps: Iterable[TopicPartition]) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """What the group has committed, with its metadata; nothing for a partition without a commit."""

    async def commit_as_member(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> bool:
        """Commit in the group's present generation; False where this worker is no longer in it."""


class KeptTable(Protocol):
    """A table: its partition n is fed by partition n of `input_topic`, and kept in that of `changelog`."""

    name: str
    input_topic: str
    changelog: str


class Host(Protocol):
    """The worker: `App` is one, tests have a smaller one."""

    settings: Settings
    partitions: Mapping[str, int]
    """How many partitions each topic has."""
    max_message_bytes: Mapping[str, int]
    """The largest record batch that each topic takes."""

    @property
    def group(self) -> str:
        """The consumer group; the transactional ids begin with it."""

    @property
    def kafka_consumer(self) -> GroupReader:
        """The group's client."""

    @property
    def tables(self) -> Mapping[str, KeptTable]:
        """All tables, by name."""

    def epoch_of(self, topic: str) -> int:
        """The epoch of a source topic; 0 for our own topics."""

    def ends_worker(self) -> AbstractContextManager[None]:
        """What is raised within ends the worker."""

    def wake(self) -> None:
        """A partition may be able to take a batch now: look for what can be delivered."""

    def retake(self, tp: TopicPartition) -> None:
        """Take a partition again that was released though the group assigns it."""

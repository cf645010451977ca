"""Which worker may commit for a partition: the one that its last commit names (decision 0069)."""

from dataclasses import replace

from aiokafka.structs import TopicPartition

from streams.runtime import recovery
from streams.runtime.host import Host
from streams.runtime.recovery import Commit
from streams.runtime.transaction import Committer

NOBODY = ""
"""The owner that a worker names once it has finished: nobody need be fenced."""


async def last_commit(host: Host, tp: TopicPartition, committer: Committer) -> Commit | None:
    """What the group has committed for `tp`, once no former owner can commit any more; None if nothing."""
    last = await recovery.last_commit(host, tp)
    former = last and (_of_earlier_versions(host, tp) if last.owner is None else last.owner)
    if not former or former == committer.name:
        return last
    await committer.fence(former)
    return await recovery.last_commit(host, tp)


async def claim(host: Host, tp: TopicPartition, last: Commit, committer: Committer) -> bool:
    """Name this worker in the last commit; False where the group has given `tp` to others.

    What it commits from now on ends with a takeover: only after this may it send anything.
    """
    ours = replace(last, owner=committer.name)
    return await host.kafka_consumer.commit_as_member({tp: recovery.written(ours)})


def is_untouched(last: Commit | None, known: Commit, committer: Committer) -> bool:
    """Whether nobody has had the partition since this worker finished with it at `known`."""
    return last is not None and last.offset == known.offset and last.owner in (NOBODY, committer.name)


def finished(last: Commit) -> Commit:
    """The last commit of a worker that has finished with the partition, for now at least."""
    return replace(last, owner=NOBODY)


def _of_earlier_versions(host: Host, tp: TopicPartition) -> str:
    """The transactional id under which versions committed that named no owner."""
    return f"{host.group}-{tp.topic}-{tp.partition}"

"""Where a consumer of Open edX begins."""

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.sandbox.process import READY_SECONDS, Deadline


def begin_at_the_beginning(bootstrap: str, group: str, topic: str, partitions: int) -> None:
    """The real consumer begins at the end of a topic unless its group has offsets."""
    places = [TopicPartition(topic, partition, 0) for partition in range(partitions)]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    deadline = Deadline(READY_SECONDS, f"{group} has no offsets")
    # A broker that has just started refuses them partition by partition, while it loads its groups.
    while _refused(admin, ConsumerGroupTopicPartitions(group, places)):
        deadline.wait()


def _refused(admin: AdminClient, offsets: ConsumerGroupTopicPartitions) -> bool:
    asked = admin.alter_consumer_group_offsets([offsets])
    return any(place.error for place in asked[offsets.group_id].result().topic_partitions)

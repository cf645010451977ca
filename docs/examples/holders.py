"""Keeps who holds which badge, with confluent-kafka alone: python holders.py KAFKA REGISTRY TOPIC FILE"""

import sqlite3
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

OURS = b"openedx/badge-streams/tracker"
KINDS = {b"org.openedx.learning.badge.awarded.v1": 0, b"org.openedx.learning.badge.revoked.v1": 1}
KEEP = """INSERT INTO badges VALUES (?, ?, ?, ?) ON CONFLICT (badge) DO UPDATE
  SET rank = excluded.rank WHERE excluded.rank > rank"""

kafka, registry, topic, file = sys.argv[1:]
db = sqlite3.connect(file)
db.executescript("""CREATE TABLE IF NOT EXISTS badges (badge PRIMARY KEY, rank, learner, template);
  CREATE TABLE IF NOT EXISTS places (partition PRIMARY KEY, next);
  CREATE VIEW IF NOT EXISTS holders AS SELECT learner, template FROM badges WHERE rank % 2 = 0""")
read = AvroDeserializer(SchemaRegistryClient({"url": registry}))
# Where the next record is no longer on the topic the list would not be exact: that is an error, not a reset.
consumer = Consumer({"bootstrap.servers": kafka, "group.id": file, "enable.auto.commit": False,
                     "isolation.level": "read_committed", "auto.offset.reset": "error"})  # fmt: skip
places = dict(db.execute("SELECT * FROM places"))
partitions = consumer.list_topics(topic).topics[topic].partitions
consumer.assign([TopicPartition(topic, n, places.get(n, OFFSET_BEGINNING)) for n in partitions])

while True:
    record = consumer.poll()
    if record.error():
        raise KafkaException(record.error())
    headers = dict(record.headers() or ())
    with db:  # The list and the place change together, or neither does.
        if headers.get("ce_source") == OURS and headers["ce_type"] in KINDS:
            badge = read(record.value(), SerializationContext(topic, MessageField.VALUE))["badge"]
            rank = 2 * int(headers["ce_generation"]) + KINDS[headers["ce_type"]]
            db.execute(KEEP, (badge["uuid"], rank, badge["user"]["id"], badge["template"]["uuid"]))
        db.execute("REPLACE INTO places VALUES (?, ?)", (record.partition(), record.offset() + 1))

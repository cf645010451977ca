"""The hand-written loops that the tracker is compared with: `python -m tests.bench.loop`.

They do the tracker's work for one rule only, "five different courses passed", with nothing configurable:
both stages in one process, record batches built by hand, one transaction a fetch (or none). `Loop` keeps what
the tracker keeps of a learner. `Projecting` is what one would write for this rule alone: it forwards a course
and whether it is passed, and keeps the courses and a count.
"""

import argparse
import asyncio
import logging
from collections.abc import Callable
from hashlib import blake2b
from io import BytesIO
from typing import Any
from uuid import UUID, uuid5
from zlib import crc32

import fastavro
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.bus import schemas

PASSING = "org.openedx.learning.course.passing.status.updated.v1"
TEMPLATE = "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
FETCHED_RECORDS = 8_000
"""A partition's transaction here has about as many records as the tracker's unit."""
READY = "loop: ready"

Records = dict[TopicPartition, list[ConsumerRecord]]
Headers = list[tuple[str, bytes]]


class Outbox:
    """Record batches by topic and partition, as large as they get."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._batches: dict[tuple[str, int], list[Any]] = {}

    def add(self, topic: str, partition: int, key: bytes, value: bytes, headers: Headers) -> None:
        batches = self._batches.get((topic, partition))
        if batches is None:
            batches = self._batches[(topic, partition)] = [self._producer.create_batch()]
        if batches[-1].append(timestamp=None, key=key, value=value, headers=headers) is None:
            batches.append(self._producer.create_batch())
            batches[-1].append(timestamp=None, key=key, value=value, headers=headers)

    async def send(self) -> list[Any]:
        return [
            await self._producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), batches in self._batches.items()
            for batch in batches
        ]


class Loop:
    """Both stages under one set of options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.partitions: int = options.partitions
        self.state: dict[bytes, bytes] = {}
        self.schema = fastavro.parse_schema(schemas.schema(PASSING))
        self.badge_schema = fastavro.parse_schema(schemas.schema(schemas.BADGE_AWARDED))

    async def run(self) -> None:
        stages = (("rekey", self.options.source, self.rekey), ("track", self.options.activities, self.track))
        await asyncio.gather(*(self.stage(*stage) for stage in stages))

    async def stage(self, name: str, topic: str, work: Callable[[Records, Outbox], None]) -> None:
        group = f"{self.options.app}-{name}"
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=self.options.kafka,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )
        producer = AIOKafkaProducer(
            bootstrap_servers=self.options.kafka,
            transactional_id=group if self.options.transactional else None,
            enable_idempotence=True,
            max_batch_size=400_000,
        )
        commit = self.in_transaction if self.options.transactional else self.plainly
        await asyncio.gather(consumer.start(), producer.start())
        while not consumer.assignment():
            await asyncio.sleep(0.05)
        logging.info("%s %s", READY, name)
        while True:
            records = await consumer.getmany(timeout_ms=200, max_records=FETCHED_RECORDS)
            if records:
                outbox = Outbox(producer)
                work(records, outbox)
                offsets = {tp: batch[-1].offset + 1 for tp, batch in records.items()}
                await commit(consumer, producer, outbox, offsets, group)

    async def in_transaction(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        outbox: Outbox,
        offsets: dict[TopicPartition, int],
        group: str,
    ) -> None:
        await producer.begin_transaction()
        sent = await outbox.send()
        await producer.send_offsets_to_transaction(offsets, group)
        await asyncio.gather(*sent)
        await producer.commit_transaction()

    async def plainly(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        outbox: Outbox,
        offsets: dict[TopicPartition, int],
        group: str,
    ) -> None:
        await asyncio.gather(*await outbox.send())
        await consumer.commit(offsets)

    def rekey(self, records: Records, outbox: Outbox) -> None:
        """Forward the events that say that a course is passed, keyed by learner."""
        for tp, batch in records.items():
            for record in batch:
                event_type = next(value for name, value in record.headers if name == "ce_type")
                if event_type != PASSING.encode():
                    continue
                data = self.decode(record.value)
                if not data["is_passing"]:
                    continue
                key = b"%d" % data["user"]["id"]
                origin = f"0:{tp.partition}:{record.offset}:{record.timestamp}:{tp.topic}".encode()
                headers = [*record.headers, ("origin", origin), ("origin-key", record.key)]
                partition = crc32(key) % self.partitions
                outbox.add(self.options.activities, partition, key, record.value, headers)

    def track(self, records: Records, outbox: Outbox) -> None:
        """Count each learner's courses, and emit the badge when enough are passed."""
        for tp, batch in records.items():
            changed: dict[bytes, dict[str, Any]] = {}
            for record in batch:
                self.count(record, changed, outbox)
            for key, progress in changed.items():
                # A copy, because orjson's own bytes keep its whole buffer alive.
                value = bytes(memoryview(orjson.dumps(progress)))
                self.state[key] = value
                outbox.add(self.options.changelog, tp.partition, key, value, [])

    def count(self, record: ConsumerRecord, changed: dict[bytes, dict[str, Any]], outbox: Outbox) -> None:
        """One activity of one learner."""
        headers = dict(record.headers)
        _, partition, offset, _, topic = headers["origin"].split(b":", 4)
        data = self.decode(record.value)
        user, pii = data["user"], data["user"]["pii"]
        key = b"%d" % user["id"]
        progress = changed.get(key)
        if progress is None:
            raw = self.state.get(key)
            progress = orjson.loads(raw) if raw else {"p": {}, "i": [], "ids": [], "at": [], "c": []}
        place = f"{topic.decode()}/{int(partition)}"
        if int(offset) <= progress["p"].get(place, (0, -1))[1]:
            return
        ce_id = headers["ce_id"].decode()
        seen = int.from_bytes(blake2b(ce_id.encode(), digest_size=8).digest(), "big")
        progress["p"][place] = (0, int(offset))
        changed[key] = progress
        if seen in progress["i"]:
            return
        progress["i"] = [*progress["i"], seen][-16:]
        progress["u"] = (user["id"], user["is_active"], pii["username"], pii["email"], pii["name"])
        course = data["course"]["course_key"]
        if "b" in progress or course in progress["c"]:
            return
        progress["ids"].append(ce_id)
        progress["at"].append(record.timestamp)
        progress["c"].append(course)
        if len(progress["c"]) >= self.options.courses:
            progress["b"] = {TEMPLATE: (1, record.timestamp, ce_id, progress["ids"])}
            del progress["at"], progress["c"][:]
            self.award(user, headers, outbox)

    def award(self, user: dict[str, Any], headers: dict[str, bytes], outbox: Outbox) -> None:
        """The badge event."""
        badge = uuid5(UUID(TEMPLATE), str(user["id"]))
        value = BytesIO()
        value.write(b"\0\0\0\0\2")
        template = {"uuid": TEMPLATE, "origin": "credly", "name": "Five courses", "description": None}
        payload = {"uuid": str(badge), "user": user, "template": {**template, "image_url": None}}
        fastavro.schemaless_writer(value, self.badge_schema, {"badge": payload})
        key = b"\0\0\0\0\1" + bytes((72,)) + str(badge).encode()
        ours = {
            **{name: value for name, value in headers.items() if not name.startswith("origin")},
            "ce_type": schemas.BADGE_AWARDED.encode(),
            "ce_id": str(uuid5(badge, "awarded:1")).encode(),
            "ce_source": b"openedx/loop",
        }
        outbox.add(
            self.options.badges, crc32(key) % self.partitions, key, value.getvalue(), list(ours.items())
        )

    def decode(self, value: bytes) -> dict[str, Any]:
        body = BytesIO(value)
        body.seek(5)
        data: dict[str, Any] = fastavro.schemaless_reader(body, self.schema, None)["course_passing_status"]
        return data


class Projecting(Loop):
    """Forwards no more than its rule needs."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.passed: dict[bytes, dict[str, Any]] = {}

    def rekey(self, records: Records, outbox: Outbox) -> None:
        for batch in records.values():
            for record in batch:
                data = self.decode(record.value)
                key = b"%d" % data["user"]["id"]
                value = orjson.dumps({"c": data["course"]["course_key"], "p": data["is_passing"]})
                outbox.add(self.options.activities, crc32(key) % self.partitions, key, value, [])

    def track(self, records: Records, outbox: Outbox) -> None:
        for tp, batch in records.items():
            changed = set()
            for record in batch:
                event, key = orjson.loads(record.value), record.key
                learner = self.passed.get(key)
                if learner is None:
                    learner = self.passed[key] = {"p": {}, "n": 0}
                learner["n"] += 1
                if event["p"] and event["c"] not in learner["p"]:
                    learner["p"][event["c"]] = 1
                    if len(learner["p"]) == self.options.courses:
                        outbox.add(self.options.badges, tp.partition, key, b"earned", [])
                changed.add(key)
            for key in changed:
                outbox.add(self.options.changelog, tp.partition, key, orjson.dumps(self.passed[key]), [])


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("kafka", "app", "source", "activities", "changelog", "badges"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--courses", type=int, default=5)
    parser.add_argument("--transactional", action="store_true")
    parser.add_argument("--projecting", action="store_true")
    logging.basicConfig(level=logging.INFO)
    options = parser.parse_args()
    asyncio.run((Projecting if options.projecting else Loop)(options).run())


if __name__ == "__main__":
    main()

"""Certificates that the plugin for Tutor has the LMS say again are events like those of their day."""

import subprocess
from pathlib import Path

import redis

from streams.bus.entries import EntryReader, entry_id, record_of
from streams.sandbox.redis import Redis

ROOT = Path(__file__).parents[2]
CREATED = "org.openedx.learning.certificate.created.v1"


def test_who_holds_a_certificate_is_said_again_with_its_own_time(
    openedx_python: Path, redis_server: Redis
) -> None:
    done = subprocess.run(
        [
            openedx_python,
            "-W",
            "default",
            "-m",
            "tests.openedx.certificates",
            "redis",
            redis_server.url,
            "dev",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "course-v1:DemoX+Kafka101+2026: 2 certificates are said again\n"
    stream = "dev-learning-certificate-lifecycle"
    with redis.Redis.from_url(redis_server.url) as client:
        entries = client.xrange(stream)
    records = [record_of(stream, entry_id(id), list(fields.items())) for id, fields in entries]
    reader = EntryReader("bridge", frozenset({CREATED}))
    events = [reader.read(record.value, record.headers, record.timestamp) for record in records]
    assert [(e.learner, e.data["grade"], e.data["course"]["course_key"]) for e in events if e] == [
        (1, "0.9", "course-v1:DemoX+Kafka101+2026"),
        (3, "0.9", "course-v1:DemoX+Kafka101+2026"),
    ]
    assert {fields[b"time"] for _, fields in entries} == {b"2024-06-01T00:00:00+00:00"}

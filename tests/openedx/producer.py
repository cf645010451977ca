"""Feeds the bus through the real `edx-event-bus-kafka`; runs in the environment that `venv` makes.

Reads JSON lines `{"learner", "course", "is_passing"}` from standard input, sends each as the LMS does, and
ends when all are delivered. Arguments: bootstrap servers, URL of the registry, topic prefix.
"""

import json
import sys
from datetime import UTC, datetime

from tests.openedx.services import configure

configure(*sys.argv[1:4], service="lms")

from edx_event_bus_kafka import create_producer  # noqa: E402
from opaque_keys.edx.keys import CourseKey  # noqa: E402
from openedx_events.data import EventsMetadata  # noqa: E402
from openedx_events.learning.data import (  # noqa: E402
    CourseData,
    CoursePassingStatusData,
    UserData,
    UserPersonalData,
)
from openedx_events.learning.signals import COURSE_PASSING_STATUS_UPDATED  # noqa: E402

producer = create_producer()
for line in sys.stdin:
    told = json.loads(line)
    learner = told["learner"]
    pii = UserPersonalData(username=f"u{learner}", email=f"u{learner}@example.org", name=f"Learner {learner}")
    producer.send(
        signal=COURSE_PASSING_STATUS_UPDATED,
        topic="learning-badges-lifecycle",
        event_key_field="course_passing_status.course.course_key",
        event_data={
            "course_passing_status": CoursePassingStatusData(
                is_passing=told["is_passing"],
                course=CourseData(course_key=CourseKey.from_string(told["course"])),
                user=UserData(id=learner, is_active=True, pii=pii),
            )
        },
        event_metadata=EventsMetadata(
            event_type=COURSE_PASSING_STATUS_UPDATED.event_type, time=datetime.now(UTC)
        ),
    )
producer.prepare_for_shutdown()

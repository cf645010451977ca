"""Feeds the bus through the real `edx-event-bus-kafka` or `-redis`; runs in the environment of `venv`.

Reads JSON lines `{"learner", "course", "is_passing"}` from standard input, sends each as the LMS does, and
ends when all are delivered. Arguments: the `ADDRESS` of `services`.
"""

import json
import sys
from datetime import UTC, datetime

from tests.openedx.services import configure

configure(sys.argv[1:], service="lms")

from opaque_keys.edx.keys import CourseKey  # noqa: E402
from openedx_events.data import EventsMetadata  # noqa: E402
from openedx_events.event_bus import get_producer  # noqa: E402
from openedx_events.learning.data import (  # noqa: E402
    CourseData,
    CoursePassingStatusData,
    UserData,
    UserPersonalData,
)
from openedx_events.learning.signals import COURSE_PASSING_STATUS_UPDATED  # noqa: E402

producer = get_producer()
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
if hasattr(producer, "prepare_for_shutdown"):  # Kafka's, which sends in the background
    producer.prepare_for_shutdown()

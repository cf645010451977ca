"""Runs the plugin's `certificates.py` with the real packages of Open edX, in the environment of `venv`.

Only what is the LMS's alone, its table of certificates, has a stand-in. Arguments: the `ADDRESS` of
`services`.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

from tests.openedx.services import configure

configure(sys.argv[1:], service="lms")

from opaque_keys.edx.keys import CourseKey  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "tutor" / "tutorbadgestreams" / "certificates.py"
COURSE = "course-v1:DemoX+Kafka101+2026"


def certificate(learner: int, status: str) -> SimpleNamespace:
    """A row of the LMS's table."""
    user = SimpleNamespace(
        id=learner,
        username=f"u{learner}",
        email=f"u{learner}@example.org",
        is_active=True,
        profile=SimpleNamespace(name=f"Learner {learner}"),
    )
    return SimpleNamespace(
        user=user,
        course_id=CourseKey.from_string(COURSE),
        mode="honor",
        grade="0.9",
        status=status,
        download_url="",
        name=user.profile.name,
        created_date=datetime(2024, 6, 1, tzinfo=UTC),
    )


class Rows:
    """As much of Django's query sets as the script uses."""

    def filter(self, course_id: object) -> "Rows":
        assert course_id == CourseKey.from_string(COURSE)
        return self

    def select_related(self, *names: str) -> "Rows":
        return self

    def order_by(self, *names: str) -> "Rows":
        return self

    def iterator(self, chunk_size: int) -> list[SimpleNamespace]:
        return [certificate(1, "downloadable"), certificate(2, "notpassing"), certificate(3, "downloadable")]


def stand_in(name: str, **members: object) -> None:
    """Put a module of the LMS where it is imported from."""
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


for package in ("lms", "lms.djangoapps", "lms.djangoapps.certificates"):
    stand_in(package)
statuses = SimpleNamespace(is_passing_status=lambda status: status == "downloadable")
stand_in("lms.djangoapps.certificates.data", CertificateStatuses=statuses)
stand_in("lms.djangoapps.certificates.models", GeneratedCertificate=SimpleNamespace(objects=Rows()))

names: dict[str, object] = {}
exec(compile(SCRIPT.read_text(), SCRIPT, "exec"), names)
send_again = names["send_again"]
assert callable(send_again)
send_again([COURSE], "learning-certificate-lifecycle", "certificate.course.course_key")

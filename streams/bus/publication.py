"""Where the services of Open edX publish each event, as they ship, and what they repeat.

From the settings of the LMS, of edx-exams and of credentials. All of it is switched off until a site switches
it on; for the events that none of them names, topics and keys are our proposal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Service = Literal["LMS", "edx-exams", "credentials"]
LEARNING = "org.openedx.learning."


@dataclass(frozen=True, slots=True)
class Publication:
    """An event on the bus: its topic without the bus's prefix, and the field that is the record's key.

    `shipped` is false where the topic is our proposal, because the service's settings name none.
    """

    topic: str
    key: str
    service: Service = "LMS"
    shipped: bool = True


def topic_name(topic: str, prefix: str) -> str:
    """The topic's full name on a bus with that prefix."""
    return f"{prefix}-{topic}" if prefix else topic


def _publications() -> Iterator[tuple[str, Publication]]:
    badges, certificates = "learning-badges-lifecycle", "learning-certificate-lifecycle"
    passing = "course_passing_status.course"
    yield "course.passing.status.updated.v1", Publication(badges, f"{passing}.course_key")
    yield "ccx.course.passing.status.updated.v1", Publication(badges, f"{passing}.ccx_course_key")
    for change in ("created", "revoked", "changed"):
        certificate = Publication(certificates, "certificate.course.course_key", shipped=change != "changed")
        yield f"certificate.{change}.v1", certificate
    unenrolled = Publication("course-unenrollment-lifecycle", "enrollment.course.course_key")
    yield "course.unenrollment.completed.v1", unenrolled
    for change in ("added", "removed"):
        roles = Publication("learning-course-access-role-lifecycle", "course_access_role_data.course_key")
        yield f"user.course_access_role.{change}.v1", roles
    for state in ("submitted", "verified", "rejected", "errored", "reset"):
        exams = Publication("learning-exam-attempt-lifecycle", "exam_attempt.course_key", "edx-exams")
        yield f"exam.attempt.{state}.v1", exams
    for change in ("awarded", "revoked"):
        programs = Publication(
            "learning-program-certificate-lifecycle", "program_certificate.program.uuid", "credentials"
        )
        yield f"program.certificate.{change}.v1", programs
    yield from ((event, _proposed(subject, key)) for event, subject, key in _PROPOSALS)


def _proposed(subject: str, key: str) -> Publication:
    return Publication(f"learning-{subject}-lifecycle", key, shipped=False)


_PROPOSALS = (
    ("course.enrollment.created.v1", "enrollment", "enrollment.course.course_key"),
    ("course.enrollment.changed.v1", "enrollment", "enrollment.course.course_key"),
    ("course.persistent_grade_summary.changed.v1", "grade", "grade.course.course_key"),
    ("cohort_membership.changed.v1", "cohort", "cohort.course.course_key"),
    ("forum.thread.created.v1", "forum", "thread.course_id"),
    ("forum.thread.response.created.v1", "forum", "thread.course_id"),
    ("forum.thread.response.comment.created.v1", "forum", "thread.course_id"),
    ("idv_attempt.created.v1", "idv", "idv_attempt.user.pii.username"),
    ("idv_attempt.pending.v1", "idv", "idv_attempt.user.pii.username"),
    ("idv_attempt.approved.v1", "idv", "idv_attempt.user.pii.username"),
    ("idv_attempt.denied.v1", "idv", "idv_attempt.user.pii.username"),
    ("lti_provider.launch.success.v1", "lti", "launch_data.course_key"),
    ("student.registration.completed.v1", "user", "user.pii.username"),
    ("auth.session.login.completed.v1", "user", "user.pii.username"),
)

PUBLICATIONS: Mapping[str, Publication] = {LEARNING + name: how for name, how in _publications()}
"""By event type: all that rules can use, without badge events."""

_REGRADED = "at each recalculation of a grade"
REPEATED: Mapping[str, str] = {
    f"{LEARNING}course.passing.status.updated.v1": _REGRADED,
    f"{LEARNING}ccx.course.passing.status.updated.v1": _REGRADED,
    f"{LEARNING}certificate.created.v1": "each time that a certificate is saved",
    f"{LEARNING}certificate.changed.v1": "each time that a certificate is saved",
    f"{LEARNING}course.persistent_grade_summary.changed.v1": _REGRADED,
}
"""What is said more than once of one course, and when."""


def read_on(event_type: str, sources: frozenset[str], prefix: str) -> bool | None:
    """Whether a site that reads these topics reads the event; None if that cannot be known.

    That is so for an event that no service ships a topic for: any topic of the site's own may carry it.
    """
    how = PUBLICATIONS.get(event_type)
    if how is None or topic_name(how.topic, prefix) in sources:
        return True
    shipped = {topic_name(other.topic, prefix) for other in PUBLICATIONS.values() if other.shipped}
    return False if how.shipped or sources <= shipped else None

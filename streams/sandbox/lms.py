"""What happens at a learning management system in one term: a pure function of its seed.

Learners register, enrol, are graded again and again, pass courses and fail them after all, sit exams, get
certificates. As in Open edX, every recalculation of a grade is an event with the passing status: mostly
false, mostly a repetition.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

TERM_START = datetime(2026, 3, 2, 8, tzinfo=UTC)

REGISTERED = "org.openedx.learning.student.registration.completed.v1"
ENROLLED = "org.openedx.learning.course.enrollment.created.v1"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
CCX_PASSING = "org.openedx.learning.ccx.course.passing.status.updated.v1"
GRADED = "org.openedx.learning.course.persistent_grade_summary.changed.v1"
CERTIFIED = "org.openedx.learning.certificate.created.v1"
UNCERTIFIED = "org.openedx.learning.certificate.revoked.v1"
EXAM_SUBMITTED = "org.openedx.learning.exam.attempt.submitted.v1"
EXAM_VERIFIED = "org.openedx.learning.exam.attempt.verified.v1"
EXAM_REJECTED = "org.openedx.learning.exam.attempt.rejected.v1"

COURSES = tuple(
    f"course-v1:DemoX+{name}+2026"
    for name in (
        "Kafka101",
        "Streams201",
        "Avro110",
        "Python101",
        "Stats101",
        "Logic100",
        "Ethics120",
        "Writing130",
        "Networks210",
        "Databases220",
    )
)
CCX_COURSE = "ccx-v1:DemoX+Python101+2026+ccx@1"
CCX_MASTER = "course-v1:DemoX+Python101+2026"

_GIVEN_NAMES = (
    "Ada",
    "Björn",
    "Chinwe",
    "Daiyu",
    "Élodie",
    "Fatima",
    "Giōrgos",
    "Hana",
    "Ívar",
    "José",
    "Олена",
    "李",
)
_FAMILY_NAMES = (
    "Lövelace",
    "Nakamura",
    "Okafor",
    "Pérez",
    "Šimůnek",
    "Tarkovskaya",
    "Übel",
    "Vance",
    "Yılmaz",
)


@dataclass(frozen=True, slots=True)
class Happening:
    """One event; `data` is its payload as Open edX's schema of the type has it."""

    type: str
    time: datetime
    learner: int
    data: Mapping[str, Any]


def term(seed: int, learners: int, start: datetime = TERM_START) -> list[Happening]:
    """Everything that happens to `learners` learners in nine weeks, in order of time."""
    happenings = [
        happening
        for number in range(1, learners + 1)
        for happening in _life(random.Random(f"{seed}-{number}"), user(number), start)
    ]
    return sorted(happenings, key=lambda h: (h.time, h.learner))


def recalculations(
    seed: int, events: int, learners: int, courses: int, start: datetime = TERM_START
) -> Iterator[Happening]:
    """Only passing statuses, cheap to make: one per millisecond, of random learners in random courses.

    Each learner passes a course at one event in four; who has passed a course does not fail it any more.
    """
    rng = random.Random(seed)
    users = [user(number) for number in range(1, learners + 1)]
    course_data = [course(f"course-v1:LoadX+Course{number}+2026") for number in range(courses)]
    passed: set[tuple[int, int]] = set()
    for event in range(events):
        who, what = rng.randrange(learners), rng.randrange(courses)
        if (who, what) not in passed and rng.random() < 0.25:
            passed.add((who, what))
        data = {"is_passing": (who, what) in passed, "course": course_data[what], "user": users[who]}
        yield Happening(PASSING, start + timedelta(milliseconds=event), who + 1, data)


def user(number: int) -> dict[str, Any]:
    """The `UserData` of a learner."""
    given = _GIVEN_NAMES[number % len(_GIVEN_NAMES)]
    family = _FAMILY_NAMES[number % len(_FAMILY_NAMES)]
    pii = {
        "username": f"learner{number}",
        "email": f"learner{number}@example.org",
        "name": f"{given} {family}",
    }
    return {"id": number, "is_active": True, "pii": pii}


def course(key: str) -> dict[str, Any]:
    """The `CourseData` as the LMS sends it: only the key is ever filled."""
    return {"course_key": key, "display_name": "", "start": None, "end": None}


_STAFF = {
    "id": 900_007,
    "is_active": True,
    "pii": {"username": "staff", "email": "staff@example.org", "name": "Staff"},
}


def _life(rng: random.Random, learner: dict[str, Any], start: datetime) -> Iterator[Happening]:
    joined = start + timedelta(hours=rng.uniform(0, 72))
    yield Happening(REGISTERED, joined, learner["id"], learner)
    talent = rng.betavariate(4, 2)
    chosen = rng.sample(COURSES, rng.randint(2, 8))
    for key in chosen:
        enrolled = joined + timedelta(hours=rng.uniform(1, 400))
        yield _enrolment(rng, learner, key, enrolled)
        yield from _attend(rng, learner, key, enrolled, talent)
    if rng.random() < 0.2:
        yield from _coached(rng, learner, joined + timedelta(hours=rng.uniform(1, 200)), talent)


def _enrolment(rng: random.Random, learner: dict[str, Any], key: str, when: datetime) -> Happening:
    data = {
        "user": learner,
        "course": course(key),
        "mode": rng.choice(("audit", "verified")),
        "is_active": True,
        "creation_date": when.isoformat(),
        "created_by": _STAFF if rng.random() < 0.3 else None,
    }
    return Happening(ENROLLED, when, learner["id"], data)


def _attend(
    rng: random.Random, learner: dict[str, Any], key: str, enrolled: datetime, talent: float
) -> Iterator[Happening]:
    """One learner in one course: graded after each answer, with an exam or a certificate at times."""
    who, when, answers = learner["id"], enrolled, rng.randint(4, 9)
    reached = min(1.0, talent * rng.uniform(0.7, 1.5))
    grade, passing = 0.0, False
    for answer in range(1, answers + 1):
        when += timedelta(hours=rng.uniform(2, 60))
        grade = round(reached * answer / answers, 4)
        # Sometimes a course's grading policy changes, and with it everybody's grade.
        grade = round(grade * 0.6, 4) if rng.random() < 0.06 else grade
        passing = grade >= 0.6
        data = {"is_passing": passing, "course": course(key), "user": learner}
        yield Happening(PASSING, when, who, data)
        if rng.random() < 0.3:
            yield _grade_summary(who, key, when + timedelta(seconds=1), grade)
    if rng.random() < 0.4:
        yield from _exam(rng, learner, key, when + timedelta(hours=2), reached)
    if passing:
        yield from _certificate(rng, learner, key, when + timedelta(hours=rng.uniform(1, 24)), grade)


def _grade_summary(who: int, key: str, when: datetime, grade: float) -> Happening:
    data = {
        "user_id": who,
        "course": course(key),
        "course_edited_timestamp": TERM_START.isoformat(),
        "course_version": "v7",
        "grading_policy_hash": "hash=",
        "percent_grade": grade,
        "letter_grade": "Pass" if grade >= 0.6 else "",
        "passed_timestamp": when.isoformat(),
    }
    return Happening(GRADED, when, who, data)


def _exam(
    rng: random.Random, learner: dict[str, Any], key: str, when: datetime, reached: float
) -> Iterator[Happening]:
    name = key.removeprefix("course-v1:")
    data = {
        "student_user": learner,
        "course_key": key,
        "usage_key": f"block-v1:{name}+type@sequential+block@final",
        "exam_type": "proctored",
        "requesting_user": None,
    }
    yield Happening(EXAM_SUBMITTED, when, learner["id"], data)
    verdict = EXAM_VERIFIED if reached > 0.5 else EXAM_REJECTED
    later = when + timedelta(hours=rng.uniform(1, 48))
    yield Happening(verdict, later, learner["id"], data | {"requesting_user": _STAFF})


def _certificate(
    rng: random.Random, learner: dict[str, Any], key: str, when: datetime, grade: float
) -> Iterator[Happening]:
    data = {
        "user": learner,
        "course": course(key),
        "mode": rng.choice(("audit", "verified")),
        "grade": str(grade),
        "download_url": "",
        "name": learner["pii"]["name"],
        "current_status": "downloadable",
        "previous_status": "",
    }
    yield Happening(CERTIFIED, when, learner["id"], data)
    if rng.random() < 0.1:
        taken = data | {"current_status": "unavailable", "previous_status": "downloadable"}
        yield Happening(UNCERTIFIED, when + timedelta(days=rng.uniform(1, 9)), learner["id"], taken)


def _coached(
    rng: random.Random, learner: dict[str, Any], enrolled: datetime, talent: float
) -> Iterator[Happening]:
    """One learner in a coach's copy of a course, for which Open edX has an event type of its own."""
    coached = {
        "ccx_course_key": CCX_COURSE,
        "master_course_key": CCX_MASTER,
        "display_name": "",
        "coach_email": "",
        "start": None,
        "end": None,
        "max_students_allowed": None,
    }
    answers = rng.randint(3, 6)
    for answer in range(1, answers + 1):
        when = enrolled + timedelta(hours=20 * answer)
        passing = talent * answer / answers >= 0.5
        data = {"is_passing": passing, "user": learner, "course": coached}
        yield Happening(CCX_PASSING, when, learner["id"], data)

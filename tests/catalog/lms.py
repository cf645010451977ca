"""What a real LMS sends as things happen: repeats, certificates at each save, grades that rise."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.bus import description
from streams.bus.publication import LEARNING, PUBLICATIONS

START = datetime(2026, 1, 1, tzinfo=UTC)
PASS_MARK = 0.6
CALCULATIONS = 2
"""How often the LMS calculates a grade for one answer: more than once, as it does."""


def key(course: str, run: str = "2026", org: str = "DemoX") -> str:
    """A course's key."""
    return f"course-v1:{org}+{course}+{run}"


class Lms:
    """Learners by number, courses by key, days from `START`; `lines` are what came of it, by time.

    A passing status names its course by the key alone, a grade its learner by the number alone, a role no
    name. A certificate is generated when a grade first passes, and keeps that grade.
    """

    def __init__(self) -> None:
        self._said: list[tuple[float, dict[str, Any]]] = []
        self._grades: dict[tuple[int, str], float] = {}
        self._modes: dict[tuple[int, str], str] = {}
        self._certificates: dict[tuple[int, str], str] = {}

    def enrols(self, learner: int, course: str, day: float, mode: str = "honor") -> None:
        """Enrols the learner, for the first time or again."""
        self._modes[learner, course] = mode
        for event in ("created", "changed"):
            self._says(
                f"course.enrollment.{event}", day, user=_user(learner), course=_course(course), mode=mode
            )

    def upgrades(self, learner: int, course: str, day: float, mode: str = "verified") -> None:
        """Changes the learner's mode; a grade that passes gets its certificate again in that mode."""
        self._modes[learner, course] = mode
        self._says("course.enrollment.changed", day, user=_user(learner), course=_course(course), mode=mode)
        if self._grades.get((learner, course), 0) >= PASS_MARK:
            self._certificates[learner, course] = str(self._grades[learner, course])
            self.saves_certificate(learner, course, day)

    def grades(self, learner: int, course: str, percent: float, day: float) -> None:
        """Grades an answer, by which the course's grade becomes `percent`."""
        self._grades[learner, course] = percent
        for _ in range(CALCULATIONS):
            self._calculates(learner, course, day)
        earns = percent >= PASS_MARK and self._modes.get((learner, course)) != "audit"
        if earns and (learner, course) not in self._certificates:
            self._certificates[learner, course] = str(percent)
            self.saves_certificate(learner, course, day)

    def passes(self, learner: int, course: str, day: float, percent: float = 0.7) -> None:
        """Grades that rise from nothing to `percent` in the two days until then."""
        for before, part in ((2, 0.2), (1, 0.5), (0, 1.0)):
            self.grades(learner, course, round(percent * part, 2), day - before)

    def calculates_again(self, day: float) -> None:
        """Calculates every grade of the site, as after a change of the grading."""
        for learner, course in self._grades:
            self._calculates(learner, course, day)

    def saves_certificate(self, learner: int, course: str, day: float) -> None:
        """Saves the learner's certificate, which each time is sent as a change and as a new one."""
        for event in ("changed", "created"):
            self._certificate(event, learner, course, day)

    def revokes_certificate(self, learner: int, course: str, day: float) -> None:
        """Invalidates the learner's certificate."""
        for event in ("changed", "revoked"):
            self._certificate(event, learner, course, day)

    def exam(self, outcome: str, learner: int, course: str, day: float) -> None:
        """An exam's attempt comes to an outcome: submitted, verified, rejected, errored, reset."""
        self._says(f"exam.attempt.{outcome}", day, student_user=_user(learner), course_key=course)

    def posts(self, kind: str, learner: int, course: str, day: float) -> None:
        """The learner writes a thread, a thread.response or a thread.response.comment."""
        self._says(f"forum.{kind}.created", day, user=_user(learner), course_id=course)

    def role(self, change: str, role: str, learner: int, course: str, day: float) -> None:
        """A course's role is added or removed."""
        user = _user(learner, name="")
        self._says(f"user.course_access_role.{change}", day, user=user, course_key=course, role=role)

    def logs_in(self, learner: int, day: float) -> None:
        """The learner logs in."""
        self._says("auth.session.login.completed", day, **_user(learner))

    def cohort(self, name: str, learner: int, course: str, day: float) -> None:
        """Puts the learner into a cohort, out of any other of the course."""
        self._says("cohort_membership.changed", day, user=_user(learner), course=_course(course), name=name)

    def program(self, change: str, uuid: str, learner: int, day: float) -> None:
        """The program's certificate is awarded or revoked."""
        program = {"uuid": uuid, "title": "Program", "program_type": "MicroMasters"}
        self._says(f"program.certificate.{change}", day, user=_user(learner), program=program)

    def orders(self, kind: str, template: str, learner: int, day: float) -> None:
        """Not the LMS but an operator: orders a badge's award or revocation."""
        order = {"order": kind, "template": template, "learner": learner, "id": f"order-{len(self._said)}"}
        self._said.append((day, order))

    @property
    def lines(self) -> Iterator[bytes]:
        """What `record` writes of it: by time, each topic's records numbered."""
        offsets = Counter[str]()
        for number, (day, said) in enumerate(sorted(self._said, key=lambda one: one[0])):
            # Of one day in the order in which it was said.
            line = {**said, "time": (START + timedelta(days=day, milliseconds=number)).isoformat()}
            if "type" in line:
                topic = PUBLICATIONS[line["type"]].topic
                line["source"] = {"topic": topic, "partition": 0, "offset": offsets[topic]}
                offsets[topic] += 1
            yield json.dumps(line).encode()

    @property
    def caught_up(self) -> Iterator[bytes]:
        """What a catch-up of all templates gives of it."""
        for line in map(json.loads, self.lines):
            if "type" in line:
                yield json.dumps({**line, "catch_up": True}).encode()

    def _calculates(self, learner: int, course: str, day: float) -> None:
        percent = self._grades[learner, course]
        self._says(
            "course.persistent_grade_summary.changed",
            day,
            user_id=learner,
            course=_course(course),
            percent_grade=percent,
        )
        self._says(
            "course.passing.status.updated",
            day,
            is_passing=percent >= PASS_MARK,
            user=_user(learner),
            course=_course(course),
        )

    def _certificate(self, event: str, learner: int, course: str, day: float) -> None:
        self._says(
            f"certificate.{event}",
            day,
            user=_user(learner),
            course=_course(course),
            mode=self._modes.get((learner, course), "honor"),
            grade=self._certificates[learner, course],
        )

    def _says(self, event: str, day: float, **data: Any) -> None:
        name = f"{LEARNING}{event}.v1"
        said = {"type": name, "id": f"id-{len(self._said)}", "data": description.sample(name)["data"] | data}
        self._said.append((day, said))


def _user(learner: int, name: str = "A Learner") -> dict[str, Any]:
    pii = {"username": f"learner{learner}", "email": f"{learner}@example.com", "name": name}
    return {"id": learner, "is_active": True, "pii": pii}


def _course(course: str) -> dict[str, Any]:
    return {"course_key": course, "display_name": "", "start": None, "end": None}

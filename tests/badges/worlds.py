"""Random catalogs and histories in a world so small that everything meets.

Made by a seeded generator, not drawn one by one: thousands a second, and dense in what is rare.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

Json = dict[str, Any]

ORGANIZATION = str(UUID(int=99))
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
CERTIFICATE = "org.openedx.learning.certificate.created.v1"
EXAM = "org.openedx.learning.exam.attempt.verified.v1"
SUMMARY = "org.openedx.learning.course.persistent_grade_summary.changed.v1"
BADGE = "org.openedx.learning.badge.awarded.v1"
PARTS = ("org", "course", "run")
COURSES = ("course-v1:X+A+1", "course-v1:X+A+2", "course-v1:Y+B+1", "X/A/1", "A")
GRADES = (
    "0.5",
    "0.90",
    "+9e-1",
    "-1",
    ".91",
    "1e400",
    "A",
    " 1",
    "nan",
    "2026-01-03",
    "2026-01-03T00:00:00Z",
)
START = datetime(2026, 1, 1)


@dataclass(frozen=True)
class World:
    """What one run is about: catalogs, of which the first is in force at first, and lines of activities."""

    catalogs: list[Json]
    lines: list[Json]

    @property
    def changing(self) -> list[Json]:
        """The lines, with the other catalogs put in force at even distances between them."""
        return self._under_each_catalog(self.lines)

    def caught_up(self, seed: int) -> list[Json]:
        """As `changing`, with catch-ups of earlier lines in their order and of others, and with orders."""
        random = Random(seed)
        templates = sorted({template["id"] for catalog in self.catalogs for template in catalog["templates"]})
        lines: list[Json] = []
        for number, line in enumerate(self.lines):
            lines.append(line)
            if _chance(random, 15):
                lines.append(_order(random, f"o{number}", templates))
            if _chance(random, 10):
                named = random.choice([True, random.sample(templates, random.randint(0, len(templates)))])
                begin = random.randrange(number + 1)
                again = [each for each in self.lines[begin : number + 1] if _chance(random, 80)]
                stretch = [{**each, "catch_up": named} for each in again]
                lines += stretch * random.randint(1, 2)
            if _chance(random, 10):
                lines.append(
                    {"id": f"c{number}", **_activity(random), "source": line["source"], "catch_up": True}
                )
        return self._under_each_catalog(lines)

    def brought_along(self, seed: int) -> list[Json]:
        """As `caught_up`, with imports in any place, some of them twice."""
        random = Random(seed)
        templates = sorted({template["id"] for catalog in self.catalogs for template in catalog["templates"]})
        lines: list[Json] = []
        for number, line in enumerate(self.caught_up(seed)):
            if _chance(random, 15):
                lines += [_import(random, f"i{number}", templates)] * random.randint(1, 2)
            lines.append(line)
        return lines

    def _under_each_catalog(self, lines: list[Json]) -> list[Json]:
        stretch = len(lines) // len(self.catalogs) + 1
        changing: list[Json] = []
        for number, line in enumerate(lines):
            if number and number % stretch == 0:
                changing.append({"catalog": self.catalogs[number // stretch]})
            changing.append(line)
        return changing


def worlds(catalogs: int = 1) -> st.SearchStrategy[World]:
    """Worlds with that many catalogs, each a variation of the one before."""
    return st.builds(_world, st.integers(0, 2**32), st.just(catalogs), st.integers(1, 30), st.integers(1, 4))


def _world(seed: int, catalogs: int, lines: int, templates: int) -> World:
    random = Random(seed)
    first = _document(_templates(random, templates))
    versions = [first]
    while len(versions) < catalogs:
        versions.append(_changed(random, versions[-1]))
    return World(versions, _lines(random, lines))


def shuffled(random: Random, catalog: Json) -> Json:
    """The same catalog with its templates in another order."""
    return _document(random.sample(catalog["templates"], len(catalog["templates"])))


def _document(templates: list[Json]) -> Json:
    return {"version": 1, "organizations": [{"id": ORGANIZATION}], "templates": templates}


def _day(number: int) -> str:
    return (START + timedelta(days=number)).isoformat()


def _chance(random: Random, percent: int) -> bool:
    return random.randrange(100) < percent


def _templates(random: Random, size: int) -> list[Json]:
    ids = [str(UUID(int=number)) for number in random.sample(range(1, 10), size)]
    return [_template(random, id, ids[:place]) for place, id in enumerate(ids)]


def _template(random: Random, id: str, older: list[str]) -> Json:
    requirements = [_requirement(random, f"r{n}") for n in range(random.randint(1, 3))]
    if older and _chance(random, 50):
        requirements[-1] = {"id": requirements[-1]["id"], "event_type": BADGE, **_maybe_group(random)}
        requirements[-1]["rules"] = [_rule("template.uuid", "eq", random.choice(older))]
        random.shuffle(requirements)
    _put_in_order(random, requirements)
    sizes = [requirement["group"] for requirement in requirements if "group" in requirement]
    renewed: Json = {}
    if any(requirement.get("event_type") != BADGE for requirement in requirements) and _chance(random, 30):
        renewed = {"renewable": True, "expires_after": random.choice(["P1D", "P2D", "P3D", "P1M", "P1Y"])}
    return {
        "id": id,
        "organization": ORGANIZATION,
        "name": "Any",
        "active": _chance(random, 90),
        "revocable": _chance(random, 85),
        "requirements": requirements,
        "penalties": [_penalty(random, f"p{n}", requirements) for n in range(random.randint(0, 2))],
        **renewed,
        "groups": {name: {"at_least": random.randint(1, sizes.count(name))} for name in sizes},
    }


def _put_in_order(random: Random, requirements: list[Json]) -> None:
    order = random.sample(requirements, len(requirements))
    for place, requirement in enumerate(order):
        if place and requirement.get("event_type") != BADGE and _chance(random, 25):
            requirement["after"] = random.choice(order[:place])["id"]
            if _chance(random, 40):
                requirement["no_later_than"] = f"P{random.randint(0, 3)}D"


def _requirement(random: Random, id: str) -> Json:
    requirement = {"id": id, **_condition(random, 65), **_maybe_group(random)}
    if _chance(random, 45):
        requirement["count"] = random.randint(1, 3)
    if _chance(random, 45):
        requirement["distinct"] = _distinct(random, requirement)
    if _chance(random, 35):
        requirement["within"] = f"P{random.randint(0, 4)}D"
        if "distinct" in requirement and _chance(random, 60):
            requirement["repeats"] = random.choice(["first", "newest", "newest"])
    return requirement


def _distinct(random: Random, condition: Json) -> str | Json:
    key = _course(_types(condition)[0], "course_key")
    if EXAM not in _types(condition) and SUMMARY not in _types(condition) and _chance(random, 25):
        return "course.start"
    return key if _chance(random, 66) else {"path": key, "part": random.choice(PARTS)}


def _types(condition: Json) -> list[str]:
    types: list[str] = condition.get("event_types", [condition.get("event_type")])
    return types


def _maybe_group(random: Random) -> Json:
    return {"group": random.choice("GH")} if _chance(random, 35) else {}


def _penalty(random: Random, id: str, requirements: list[Json]) -> Json:
    ids = [requirement["id"] for requirement in requirements if requirement.get("event_type") != BADGE]
    penalty = {"id": id, **_condition(random, 20), "resets": random.sample(ids, random.randint(0, len(ids)))}
    exams = [EXAM in _types(penalty)]
    several = [r["id"] for r in requirements if "distinct" in r and [EXAM in _types(r)] == exams]
    several = [id for id in several if not _by_start(requirements, id) or SUMMARY not in _types(penalty)]
    if several and _chance(random, 60):
        penalty["withdraws"] = random.sample(several, random.randint(1, len(several)))
        if _chance(random, 60):
            del penalty["resets"]
    return penalty


def _by_start(requirements: list[Json], id: str) -> bool:
    return any(r["id"] == id and r["distinct"] == "course.start" for r in requirements)


def _condition(random: Random, passing: int) -> Json:
    event_type = _type(random)
    rules = [_course_rule(random, event_type)] if _chance(random, 40) else []
    span = {"since": _day(random.randint(0, 3))} if _chance(random, 10) else {}
    if _chance(random, 10):
        span["until"] = _day(random.randint(4, 8))
    if event_type in (PASSING, CERTIFICATE) and _chance(random, 20):
        return {"event_types": [PASSING, CERTIFICATE], "rules": rules, **span}
    if _chance(random, 70 if event_type == PASSING else 50):
        rules.append(_special_rule(random, event_type, passing))
    return {"event_type": event_type, "rules": rules, **span}


def _rule(path: str, operator: str, value: Any, part: str | None = None) -> Json:
    rule = {"path": path, "operator": operator, "value": value}
    return rule if part is None else {**rule, "part": part}


def _type(random: Random) -> str:
    return random.choice([PASSING] * 6 + [CERTIFICATE] * 2 + [EXAM, SUMMARY])


def _course(event_type: str, field: str) -> str:
    """The path to a field of the course; an exam has only the key, a summary has no start."""
    if event_type == EXAM:
        return "course_key" if field == "course_key" else "exam_type"
    return "course.course_key" if event_type == SUMMARY else f"course.{field}"


def _course_rule(random: Random, event_type: str) -> Json:
    key, start = (_course(event_type, field) for field in ("course_key", "start"))
    course = random.choice(COURSES)
    return random.choice(
        [
            _rule(key, "eq", course),
            _rule(key, "in", random.sample(COURSES, random.randint(0, 2))),
            _rule(key, "ne", course),
            _rule(key, "matches", "course-v1:X.*"),
            _rule(key, "starts_with", random.choice(["course-v1:", "course-v1:X+A", "X", ""])),
            _rule(key, "eq", random.choice("XY"), "org"),
            _rule(key, "in", ["X+A", "X/A"], "course"),
            _rule(key, "starts_with", "1", "run"),
            _rule(key, "exists", _chance(random, 50), random.choice(PARTS)),
            _rule(start, "exists", _chance(random, 50)),
            _rule(start, "ge", _day(3)),
        ]
    )


def _special_rule(random: Random, event_type: str, passing: int) -> Json:
    if event_type == PASSING:
        return _rule("is_passing", "eq", _chance(random, passing))
    if event_type == CERTIFICATE:
        return _grade_rule(random)
    if event_type == EXAM:
        return _rule("requesting_user", "exists", _chance(random, 50))
    operator = random.choice(["gt", "ge", "lt", "le", "eq", "ne"])
    return _rule("percent_grade", operator, random.choice([0, 0.5, 1]))


def _grade_rule(random: Random) -> Json:
    order = random.choice(["gt", "ge", "lt", "le"])
    return random.choice(
        [
            _rule("grade", order, 0.9),
            _rule("grade", order, _day(2)),
            _rule("grade", "not_in", random.sample(GRADES, 2)),
        ]
    )


def _changed(random: Random, catalog: Json) -> Json:
    """Some templates made again, under the same or other ids; some of the others with parts dropped."""
    former = catalog["templates"]
    fresh = _templates(random, len(former))
    if _chance(random, 30):
        return _document(fresh)
    return _document([_touched(random, template) for template in former])


def _touched(random: Random, template: Json) -> Json:
    requirements = [dict(requirement) for requirement in template["requirements"]]
    for requirement in requirements:
        if requirement.get("event_type") != BADGE and _chance(random, 30):
            change = _requirement(random, requirement["id"])
            kept = {
                key: requirement[key] for key in ("after", "group", "no_later_than") if key in requirement
            }
            requirement.clear()
            requirement |= {key: value for key, value in change.items() if key != "group"} | kept
    named = {requirement.get("after") for requirement in requirements}
    named |= {id for p in template["penalties"] for key in ("resets", "withdraws") for id in p.get(key, [])}
    loose = [r for r in requirements if r["id"] not in named and "group" not in r]
    if len(requirements) > 1 and loose and "renewable" not in template and _chance(random, 40):
        requirements.remove(loose[0])
    penalties = [_still_fits(penalty, requirements) for penalty in template["penalties"]]
    return template | {"requirements": requirements, "penalties": penalties, "active": _chance(random, 80)}


def _still_fits(penalty: Json, requirements: list[Json]) -> Json:
    """Without the withdrawals from requirements that have changed so that there is nothing to withdraw."""
    fits = [
        r["id"]
        for r in requirements
        if "distinct" in r
        and (EXAM in _types(r)) == (EXAM in _types(penalty))
        and not (r["distinct"] == "course.start" and SUMMARY in _types(penalty))
    ]
    withdraws = [id for id in penalty.get("withdraws", []) if id in fits]
    return {"resets": [], **penalty, "withdraws": withdraws}


def _lines(random: Random, size: int) -> list[Json]:
    """Activities from two partitions: some delivered again, some written twice."""
    lines: list[Json] = []
    ends, epoch = [0, 0], 0
    for number in range(size):
        line = {"id": f"e{number}", **_activity(random)}
        again = random.randrange(12)
        if lines and again == 0:  # Kafka delivers it again
            lines.append(random.choice(lines))
            continue
        if lines and again == 1:  # the bus wrote it twice
            line = dict(random.choice(lines))
        if _chance(random, 2):  # the topic was recreated
            ends, epoch = [0, 0], epoch + 1
        partition = random.randrange(2)
        ends[partition] += random.randint(1, 2)
        line["source"] = {"topic": "t", "partition": partition, "offset": ends[partition], "epoch": epoch}
        lines.append(line)
    return lines


def _order(random: Random, id: str, templates: list[str]) -> Json:
    return {
        "order": random.choice(["award", "revoke"]),
        "template": random.choice([*templates, str(UUID(int=77))]),
        "learner": random.choice([1, 1, 1, 2]),
        "id": id,
        "time": _day(random.randint(0, 8)),
    }


def _import(random: Random, id: str, templates: list[str]) -> Json:
    several = random.sample([*templates, str(UUID(int=77))], random.randint(0, 2))
    return {
        "order": "import",
        "learner": random.choice([1, 1, 1, 2]),
        "id": id,
        "time": _day(random.randint(4, 8)),
        "templates": {template: _brought(random) for template in several},
    }


def _brought(random: Random) -> Json:
    requirements = random.sample(["r0", "r1", "r2"], 3)
    brought: Json = {"fulfilled": requirements[: random.randint(0, 3)]}
    if _chance(random, 70):
        awarded = random.randint(0, 4)
        brought["awarded"] = _day(awarded)
        if _chance(random, 40):
            brought["revoked"] = _day(random.randint(awarded, 8))
            brought["reset"] = [id for id in requirements if id not in brought["fulfilled"]]
    return brought


def _activity(random: Random) -> Json:
    start = random.choice([None, _day(2), _day(4)])
    course = {"course_key": random.choice(COURSES), "display_name": "", "start": start}
    learner = random.choice([1, 1, 1, 2])
    data: Json = {"course": course, "user": {"id": learner}}
    type = _type(random)
    if type == PASSING:
        data["is_passing"] = _chance(random, 70)
    elif type == CERTIFICATE:
        data["grade"] = random.choice(GRADES)
    elif type == EXAM:
        data = {"student_user": {"id": learner}, "course_key": course["course_key"], "exam_type": start}
        data["requesting_user"] = random.choice([None, {"id": 3 - learner}])
    else:
        data = {"user_id": learner, "course": course, "percent_grade": random.choice([0.0, 0.5, 0.75, 1.0])}
    return {"type": type, "time": _day(random.randint(0, 8)), "data": data}

"""Each example of the catalog's page, on what a real LMS sends: who gets the badge, and who does not."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from fastavro.validation import validate

from streams.bus.publication import PUBLICATIONS
from streams.bus.schemas import BADGE_AWARDED, schema
from streams.catalog import load_catalog
from streams.cli import main
from streams.operate.simulate import simulate
from tests.catalog.lms import START, Lms, key

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = {
    title: found[1]
    for title, section in SECTIONS.items()
    if (found := re.search(r"```yaml\n(version: 1\n.*?)```", section, re.DOTALL))
}
EVERY_EXAMPLE = pytest.mark.parametrize("title", EXAMPLES)
ADA, BOB, CY, DORA, EVE = 1, 2, 3, 4, 5
KAFKA, STREAMS, PYTHON, STATS, DATABASES = map(
    key, ("Kafka101", "Streams201", "Python101", "Stats101", "Databases220")
)
Decided = list[tuple[str, int, int]]
"""What happened to which learner's badge, on which day."""


def decided(title: str, lms: Lms, name: str | None = None) -> Decided:
    """What the example decides of its badges; of several templates, of the one of that name."""
    return decided_by(EXAMPLES[title], lms, name)


def decided_by(catalog: str, lms: Lms, name: str | None = None) -> Decided:
    """The same by a catalog of any text. To catch up on all of it afterwards changes nothing."""
    faults: list[str] = []
    lines = [*lms.lines, *lms.caught_up]
    decisions = [json.loads(line) for line in simulate(catalog, lines, faults.append, faults.append)]
    names = {id: template.name for id, template in load_catalog(catalog).templates.items()}
    assert faults == []
    return [
        (one["kind"], one["learner"], (datetime.fromisoformat(one["time"]) - START).days)
        for one in decisions
        if name in (None, names[one["template"]])
    ]


def test_one_course_is_passed_once_however_often_its_grade_is_calculated() -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.grades(ADA, KAFKA, 0.4, day=20)
    lms.grades(BOB, KAFKA, 0.59, day=10)
    lms.passes(CY, STREAMS, day=10)
    lms.passes(DORA, key("Kafka101", run="2025"), day=10)
    lms.calculates_again(day=30)

    assert decided("One course", lms) == [("awarded", ADA, 10)]


def test_a_course_that_was_passed_long_ago_meets_since_with_its_next_calculation() -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.calculates_again(day=60)
    document = yaml.safe_load(EXAMPLES["One course"])
    document["templates"][0]["requirements"][0]["since"] = (START + timedelta(days=50)).isoformat()

    assert decided_by(yaml.safe_dump(document), lms) == [("awarded", ADA, 60)]


def test_a_course_that_must_stay_passed_gives_and_takes_its_badge() -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.passes(BOB, KAFKA, day=11)
    lms.passes(CY, STREAMS, day=12)
    lms.grades(ADA, STREAMS, 0.1, day=15)
    lms.grades(BOB, key("Kafka101", run="2027"), 0.1, day=16)
    lms.grades(ADA, KAFKA, 0.5, day=20)
    lms.grades(ADA, KAFKA, 0.8, day=25)
    lms.calculates_again(day=30)

    assert decided("One course, as long as it is passed", lms) == [
        ("awarded", ADA, 10),
        ("awarded", BOB, 11),
        ("revoked", ADA, 20),
        ("awarded", ADA, 25),
    ]


def test_three_of_five_count_by_when_they_first_reached_80_percent() -> None:
    lms = Lms()
    for number, course in enumerate((KAFKA, STREAMS, PYTHON)):
        lms.passes(ADA, course, day=10 + number)  # with 70 %, which rises later
        lms.grades(ADA, course, 0.85, day=100 * (number + 1))
        lms.passes(BOB, course, day=10 + 200 * number, percent=0.9)  # 400 days from first to last
        lms.passes(CY, course, day=10 + number, percent=0.79)
        lms.passes(DORA, (KAFKA, STREAMS, key("Cooking"))[number], day=10 + number, percent=1)
    lms.calculates_again(day=450)

    assert decided("Any three of five within a year, at 80 percent", lms) == [("awarded", ADA, 300)]


def test_two_courses_and_one_of_two_exams_need_all_three() -> None:
    lms = Lms()
    for learner in (ADA, BOB, CY):
        lms.passes(learner, KAFKA, day=10)
    for learner in (ADA, CY, DORA):
        lms.passes(learner, STREAMS, day=20)
    lms.grades(BOB, STREAMS, 0.5, day=20)
    lms.exam("submitted", ADA, STREAMS, day=100)
    lms.exam("verified", ADA, STREAMS, day=110)
    lms.exam("verified", BOB, STREAMS, day=110)
    lms.exam("verified", CY, STREAMS, day=200)  # in July
    lms.exam("verified", DORA, STREAMS, day=250)
    lms.calculates_again(day=260)
    lms.exam("verified", CY, STREAMS, day=270)

    title = "Two courses, and one of two exams"
    assert decided(title, lms) == [("awarded", ADA, 110), ("awarded", CY, 270)]


def test_new_calculations_of_old_courses_are_no_month_of_three() -> None:
    lms = Lms()
    for number, course in enumerate((KAFKA, STREAMS, PYTHON, STATS, DATABASES)):
        lms.passes(ADA, course, day=10 + 60 * number)
        lms.passes(BOB, course, day=(10, 100, 110, 120, 300)[number])
        lms.passes(CY, course, day=10 + 60 * number)
        lms.passes(CY, key("Kafka101", run=str(2020 + number)), day=10 + number)
        lms.passes(DORA, key("Kafka101", run=str(2020 + number)), day=10 + number)
        lms.passes(DORA, (KAFKA, STREAMS, PYTHON)[number % 3], day=20 + number)
    for day in (320, 330, 340):
        lms.calculates_again(day)

    assert decided("Five courses, three of them within a month", lms) == [("awarded", BOB, 300)]


def test_an_organizations_courses_count_once_for_all_their_runs() -> None:
    lms = Lms()
    for number in range(3):
        lms.passes(ADA, (KAFKA, STREAMS, key("Python101", run="2019"))[number], day=10 + number)
        lms.passes(BOB, key("Kafka101", run=str(2024 + number)), day=10 + number)
        lms.passes(CY, key(f"C{number}", org="DemoXtra"), day=10 + number)
    lms.calculates_again(day=20)

    assert decided("An organization's courses", lms) == [("awarded", ADA, 12)]


def test_a_program_is_what_credentials_certifies() -> None:
    program, other = "c1a9e5d3-8f36-4b7a-a2e4-1c6d9f0b7e76", "00000000-0000-4000-8000-000000000001"
    lms = Lms()
    lms.program("awarded", program, ADA, day=10)
    lms.program("awarded", program, ADA, day=11)
    lms.program("awarded", other, BOB, day=10)
    lms.program("awarded", program, CY, day=10)
    lms.program("revoked", program, CY, day=20)
    lms.program("revoked", other, ADA, day=20)

    assert decided("A program", lms, "Streaming Program") == [
        ("awarded", ADA, 10),
        ("awarded", CY, 10),
        ("revoked", CY, 20),
    ]


def test_a_program_by_its_courses_needs_each_of_them_in_any_run() -> None:
    lms = Lms()
    for number, course in enumerate(("Python101", "Stats101", "Databases220")):
        lms.passes(ADA, key(course, run=f"20{20 + number}"), day=10 + number)
        lms.passes(BOB, key("Python101", run=f"20{20 + number}"), day=10 + number)
    lms.grades(ADA, key("Python101", run="2030"), 0.1, day=20)  # takes one of them again
    lms.calculates_again(day=30)

    assert decided("A program", lms, "Data Series") == [("awarded", ADA, 12)]


def test_a_distinction_is_for_the_grade_of_today_not_of_the_certificate() -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.grades(ADA, KAFKA, 0.95, day=20)
    lms.saves_certificate(ADA, KAFKA, day=25)
    lms.passes(BOB, KAFKA, day=10)
    for day in (20, 21, 22):
        lms.saves_certificate(BOB, KAFKA, day)
    lms.passes(CY, KAFKA, day=12, percent=0.92)
    lms.revokes_certificate(CY, KAFKA, day=30)
    lms.passes(DORA, KAFKA, day=10)
    lms.passes(DORA, STREAMS, day=11, percent=0.95)
    lms.enrols(EVE, KAFKA, day=1, mode="audit")
    lms.passes(EVE, KAFKA, day=10, percent=0.95)
    lms.passes(EVE, STREAMS, day=11)
    lms.passes(ADA, STREAMS, day=30)
    lms.revokes_certificate(ADA, STREAMS, day=31)
    lms.calculates_again(day=40)

    assert decided("With distinction", lms) == [
        ("awarded", CY, 12),
        ("awarded", ADA, 20),
        ("revoked", CY, 30),
    ]


def test_verified_learners_have_a_verified_certificate() -> None:
    lms = Lms()
    for learner, mode in ((ADA, "verified"), (BOB, "audit"), (CY, "honor"), (DORA, "honor")):
        lms.enrols(learner, KAFKA, day=1, mode=mode)
        lms.passes(learner, KAFKA, day=10)
    lms.enrols(BOB, STREAMS, day=1, mode="verified")
    lms.passes(BOB, STREAMS, day=11)
    lms.passes(ADA, STREAMS, day=11)
    lms.revokes_certificate(ADA, STREAMS, day=12)
    lms.upgrades(DORA, KAFKA, day=20)
    lms.saves_certificate(ADA, KAFKA, day=30)
    lms.revokes_certificate(DORA, KAFKA, day=40)
    lms.calculates_again(day=50)

    assert decided("Verified learners only", lms) == [
        ("awarded", ADA, 10),
        ("awarded", DORA, 20),
        ("revoked", DORA, 40),
    ]


def test_an_exam_counts_once_it_is_verified_and_until_that_is_taken_back() -> None:
    lms = Lms()
    for learner, outcome in ((ADA, "verified"), (BOB, "rejected"), (CY, "verified"), (DORA, "verified")):
        lms.exam("submitted", learner, KAFKA, day=10)
        lms.exam(outcome, learner, KAFKA, day=12)
    lms.exam("rejected", CY, KAFKA, day=15)
    lms.exam("reset", DORA, KAFKA, day=16)
    lms.exam("reset", ADA, STREAMS, day=17)
    lms.exam("verified", DORA, KAFKA, day=20)

    assert decided("An exam", lms) == [
        ("awarded", ADA, 12),
        ("awarded", CY, 12),
        ("awarded", DORA, 12),
        ("revoked", CY, 15),
        ("revoked", DORA, 16),
        ("awarded", DORA, 20),
    ]


def test_thirty_days_are_counted_from_the_first_enrolment() -> None:
    lms = Lms()
    for learner in (ADA, BOB, CY):
        lms.enrols(learner, KAFKA, day=1)
    lms.passes(ADA, KAFKA, day=20)
    lms.enrols(BOB, KAFKA, day=35)
    lms.passes(BOB, KAFKA, day=40)
    lms.grades(CY, KAFKA, 0.59, day=30)
    lms.grades(CY, KAFKA, 0.9, day=32)
    lms.enrols(DORA, STREAMS, day=1)
    lms.passes(DORA, KAFKA, day=5)
    lms.passes(BOB, STREAMS, day=5)
    lms.calculates_again(day=50)

    assert decided("Within 30 days of enrolling", lms) == [("awarded", ADA, 20)]


def test_many_posts_in_one_course_are_one() -> None:
    lms = Lms()
    for number, kind in enumerate(("thread", "thread.response", "thread.response.comment")):
        lms.posts(kind, ADA, (KAFKA, STREAMS, PYTHON)[number], day=10 + number)
        lms.posts(kind, BOB, KAFKA, day=10 + number)
        lms.posts(kind, CY, (KAFKA, STREAMS, STATS)[number], day=10 + number)
    lms.posts("thread", ADA, KAFKA, day=20)

    assert decided("The first post in each of three courses", lms) == [("awarded", ADA, 12)]


def test_a_teacher_of_two_courses_may_leave_one() -> None:
    lms = Lms()
    for learner in (ADA, BOB, CY, DORA, EVE):
        lms.logs_in(learner, day=1)
    lms.role("added", "instructor", ADA, KAFKA, day=10)
    lms.role("added", "instructor", ADA, STREAMS, day=11)
    lms.role("removed", "instructor", ADA, KAFKA, day=12)
    lms.role("added", "staff", BOB, KAFKA, day=20)
    lms.role("added", "instructor", BOB, KAFKA, day=21)  # Studio's way of promoting
    lms.role("removed", "staff", BOB, KAFKA, day=21)
    lms.role("added", "staff", CY, KAFKA, day=30)
    lms.role("removed", "staff", CY, KAFKA, day=31)
    lms.role("added", "beta_testers", DORA, KAFKA, day=40)
    lms.role("added", "staff", DORA, key("C", org="DemoXtra"), day=41)
    lms.role("added", "instructor", DORA, key("C", org="DemoXtra"), day=42)
    lms.role("added", "staff", EVE, KAFKA, day=45)
    lms.role("added", "staff", EVE, STREAMS, day=46)
    lms.role("removed", "staff", EVE, KAFKA, day=47)
    lms.role("removed", "beta_testers", EVE, STREAMS, day=48)
    lms.logs_in(ADA, day=50)

    assert decided("Teachers", lms) == [
        ("awarded", ADA, 10),
        ("awarded", BOB, 20),
        ("awarded", CY, 30),
        ("revoked", CY, 31),
        ("awarded", EVE, 45),
    ]


def test_a_cohorts_badge_is_for_members_who_have_passed() -> None:
    lms = Lms()
    for learner, name in ((ADA, "Spring 2026"), (BOB, "Autumn 2026"), (CY, "Spring 2026")):
        lms.cohort(name, learner, KAFKA, day=1)
    lms.cohort("Spring 2026", DORA, STREAMS, day=1)
    lms.cohort("Spring 2026", EVE, KAFKA, day=1)
    lms.cohort("Autumn 2026", CY, KAFKA, day=5)
    lms.cohort("Autumn 2026", ADA, STREAMS, day=5)
    lms.passes(EVE, STREAMS, day=10)
    for learner in (ADA, BOB, CY, DORA):
        lms.passes(learner, KAFKA, day=10)
    lms.cohort("Autumn 2026", ADA, KAFKA, day=20)
    lms.cohort("Spring 2026", DORA, KAFKA, day=25)
    lms.calculates_again(day=30)

    assert decided("A cohort", lms) == [("awarded", ADA, 10), ("awarded", DORA, 25)]


def test_of_four_courses_one_may_be_lost_and_of_three_none() -> None:
    lms = Lms()
    for number, course in enumerate((KAFKA, STREAMS, PYTHON)):
        lms.passes(ADA, course, day=10 + number)
        lms.passes(BOB, course, day=20 + number)
        lms.passes(CY, key(f"C{number}", org="DemoXtra"), day=20 + number)
    lms.passes(ADA, STATS, day=30)
    lms.grades(BOB, DATABASES, 0.1, day=31)  # begins with failing statuses
    lms.grades(ADA, KAFKA, 0.5, day=40)
    lms.grades(BOB, KAFKA, 0.5, day=41)
    lms.grades(BOB, DATABASES, 0.7, day=50)
    lms.calculates_again(day=60)

    assert decided("Lose one course, keep the badge", lms) == [
        ("awarded", ADA, 12),
        ("awarded", BOB, 22),
        ("revoked", BOB, 41),
        ("awarded", BOB, 50),
    ]


def test_a_badge_is_renewed_by_a_new_exam_after_two_years() -> None:
    aid = key("FirstAid")
    lms = Lms()
    for learner in (ADA, BOB, CY):
        lms.passes(learner, aid, day=9)
        lms.exam("verified", learner, aid, day=10)
    lms.exam("verified", CY, key("FirstAid", run="2027"), day=700)  # before it expires
    lms.calculates_again(day=750)
    lms.exam("verified", ADA, key("FirstAid", run="2028"), day=760)

    assert decided("Renewed every two years", lms) == [
        ("awarded", ADA, 10),
        ("awarded", BOB, 10),
        ("awarded", CY, 10),
        ("awarded", ADA, 760),
    ]


def test_a_badge_by_hand_is_for_those_named_in_an_order() -> None:
    template = next(iter(load_catalog(EXAMPLES["By hand"]).templates))
    lms = Lms()
    for learner in (ADA, BOB, CY):
        lms.passes(learner, KAFKA, day=10)
    lms.orders("award", template, ADA, day=20)
    lms.orders("award", template, BOB, day=21)
    lms.orders("revoke", template, BOB, day=30)
    lms.grades(ADA, KAFKA, 0.1, day=40)
    lms.calculates_again(day=50)

    assert decided("By hand", lms) == [("awarded", ADA, 20), ("awarded", BOB, 21), ("revoked", BOB, 30)]


def test_the_line_of_an_order_on_the_page_awards_its_badge() -> None:
    order = re.search(r"```json\n(.*?)\n```", SECTIONS["By hand"])
    assert order is not None

    decisions = list(simulate(EXAMPLES["By hand"], [order[1].encode()], pytest.fail, pytest.fail))

    assert [(json.loads(line)["kind"], json.loads(line)["learner"]) for line in decisions] == [
        ("awarded", 42)
    ]


def test_a_badge_for_badges_follows_the_other_badge() -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.passes(BOB, STREAMS, day=10)
    lms.grades(ADA, STREAMS, 0.1, day=15)
    lms.grades(ADA, KAFKA, 0.5, day=20)
    lms.calculates_again(day=30)

    assert decided("A badge for badges", lms, "Grand Master") == [("awarded", ADA, 10), ("revoked", ADA, 20)]


@pytest.mark.parametrize("title", ["What learners read", "Another id at the issuer"])
def test_texts_and_another_id_change_no_decision(title: str) -> None:
    lms = Lms()
    lms.passes(ADA, KAFKA, day=10)
    lms.grades(BOB, KAFKA, 0.5, day=10)
    lms.calculates_again(day=20)

    assert decided(title, lms) == [("awarded", ADA, 10)]


@EVERY_EXAMPLE
def test_check_has_nothing_to_say_of_an_example(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_SOURCE_TOPICS", ",".join(sorted(topics(title))))

    checked = CliRunner().invoke(main, ["check", "--strict", "-"], input=EXAMPLES[title])

    assert (checked.exit_code, checked.stderr) == (0, "")


@EVERY_EXAMPLE
def test_an_example_names_the_topics_of_its_events(title: str) -> None:
    named = re.search(r"^Topics: (.*)\.$", SECTIONS[title], re.MULTILINE)

    if title not in ("What learners read", "Another id at the issuer"):  # these are about no event
        assert named is not None
        assert set(re.findall(r"`(.*?)`", named[1])) == topics(title)


@EVERY_EXAMPLE
def test_an_example_is_tried_by_a_test(title: str) -> None:
    assert Path(__file__).read_text().count(f'"{title}"') >= 1


def test_what_the_lms_of_these_tests_sends_is_of_the_events_schemas() -> None:
    lms = Lms()
    lms.enrols(ADA, KAFKA, day=1)
    lms.passes(ADA, KAFKA, day=2)
    lms.revokes_certificate(ADA, KAFKA, day=3)
    lms.exam("verified", ADA, KAFKA, day=3)
    lms.posts("thread", ADA, KAFKA, day=3)
    lms.role("added", "staff", ADA, KAFKA, day=3)
    lms.logs_in(ADA, day=3)
    lms.cohort("Spring 2026", ADA, KAFKA, day=3)
    lms.program("awarded", "c1a9e5d3-8f36-4b7a-a2e4-1c6d9f0b7e76", ADA, day=3)

    for line in map(json.loads, lms.lines):
        field = schema(line["type"])["fields"][0]["name"]
        assert validate({field: line["data"]}, schema(line["type"]))


def topics(title: str) -> set[str]:
    """The topics on which the example's events are sent."""
    document = yaml.safe_load(EXAMPLES[title])
    conditions = [
        condition
        for template in document["templates"]
        for condition in (*template["requirements"], *template.get("penalties", ()))
    ]
    types = {name for one in conditions for name in one.get("event_types", [one.get("event_type")])}
    return {PUBLICATIONS[name].topic for name in types - {BADGE_AWARDED}}

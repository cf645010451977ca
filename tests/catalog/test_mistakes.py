"""A beginner's mistakes: for each, what to write instead, on the line, with the template's name."""

import pytest
from click.testing import CliRunner, Result

from streams.cli import main

GOOD = """\
version: 1
organizations:
  - id: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11
templates:
  - id: 0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10
    organization: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11
    name: Kafka Apprentice
    requirements:
      - id: passed
        event_type: org.openedx.learning.course.passing.status.updated.v1
        rules:
          - {path: is_passing, operator: eq, value: true}
          - {path: course.course_key, operator: eq, value: course-v1:DemoX+Kafka101+2026}
"""
PASSING = "org.openedx.learning.course.passing.status.updated.v1"
PASSING_LINE = f"event_type: {PASSING}"
CERTIFICATE_LINE = "event_type: org.openedx.learning.certificate.created.v1"
IS_PASSING = "{path: is_passing, operator: eq, value: true}"
KEY = "{path: course.course_key, operator: eq, value: course-v1:DemoX+Kafka101+2026}"
RULES = f"rules:\n          - {IS_PASSING}\n          - {KEY}\n"
ID = "id: 0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10"
TOPICS = "learning-badges-lifecycle,learning-certificate-lifecycle,learning-exam-attempt-lifecycle"


def on_requirement(line: str) -> tuple[str, str]:
    return PASSING_LINE, f"{PASSING_LINE}\n        {line}"


def grade(rule: str) -> tuple[str, str]:
    return f"{PASSING_LINE}\n        {RULES}", f"{CERTIFICATE_LINE}\n        rules:\n          - {rule}\n"


def any_event(event_type: str) -> tuple[str, str]:
    return f"{PASSING_LINE}\n        {RULES}", f"event_type: {event_type}\n"


def on_key(rule: str) -> tuple[str, str]:
    return KEY, rule


def penalty(text: str) -> tuple[str, str]:
    return RULES, f"{RULES}    penalties:\n      - id: lost\n        {text}\n"


def template(line: str) -> tuple[str, str]:
    return "    requirements:\n", f"    {line}\n    requirements:\n"


PLACE = "templates[0].requirements[0]"
FAULTS: dict[str, tuple[tuple[str, str], str]] = {
    "tab": (("      - id: passed", "\t- id: passed"), "takes no tabs (- id: passed)"),
    "list item not indented enough": (
        ("          - {path: course", "         - {path: course"),
        "the dash must be right below the others",
    ),
    "rules too deep": ((f"        {RULES}", f"          {RULES}"), "begins too far to the right"),
    "rules too shallow": ((f"        {RULES}", f"      {RULES}"), "right below the others"),
    "requirement": (("requirements:", "requirement:"), "unknown key; did you mean requirements?"),
    "requirement is missing": (
        ("requirements:", "requirement:"),
        "templates[0].requirements: required; write a list",
    ),
    "eventType": (("event_type:", "eventType:"), "unknown key; did you mean event_type?"),
    "type in capitals": ((PASSING, PASSING.upper()), f"did you mean {PASSING}?"),
    "type v2": ((PASSING, PASSING.replace(".v1", ".v2")), f"did you mean {PASSING}?"),
    "type without v1": ((PASSING, PASSING.removesuffix(".v1")), f"did you mean {PASSING}?"),
    "python signal": ((PASSING, "COURSE_PASSING_STATUS_UPDATED"), f"did you mean {PASSING}?"),
    "no learner": (
        (PASSING, "org.openedx.content_authoring.xblock.published.v1"),
        "badge-streams events lists",
    ),
    "path with envelope": (
        ("path: course.course_key", "path: course_passing_status.course.course_key"),
        "write course.course_key: paths begin inside course_passing_status",
    ),
    "path typo": (("course.course_key", "course.course_id"), "did you mean course.course_key?"),
    "path without course": (
        ("path: course.course_key", "path: course_key"),
        "did you mean course.course_key?",
    ),
    "==": (("is_passing, operator: eq", 'is_passing, operator: "=="'), "operator: Input"),
    "== is eq": (("is_passing, operator: eq", 'is_passing, operator: "=="'), "; write eq ("),
    "equals": (("is_passing, operator: eq", "is_passing, operator: equals"), "; write eq ("),
    "EQ": (("is_passing, operator: eq", "is_passing, operator: EQ"), "; did you mean eq? ("),
    "quoted true": (("value: true", 'value: "true"'), "write true, without quotes"),
    "yes": (("value: true", "value: yes"), "write true, without quotes"),
    "quoted grade": (grade('{path: grade, operator: ge, value: "0.8"}'), "write 0.8, without quotes"),
    "80%": (
        grade("{path: grade, operator: ge, value: 80%}"),
        "write 0.8, without quotes (a grade is between 0 and 1)",
    ),
    "0,8": (grade('{path: grade, operator: ge, value: "0,8"}'), "write 0.8, without quotes"),
    "eq 0.9": (
        grade("{path: grade, operator: eq, value: 0.9}"),
        'write "0.9" in quotes, or compare the number with ge',
    ),
    "quoted count": (on_requirement('count: "3"'), "count: must be a whole number; write 3, without quotes"),
    "short uuid": ((ID, ID[:-1]), "31 hexadecimal digits, not 32"),
    "uuid without dashes": (
        (ID, "id: 0b7a2c1e2f534a639b8e8f5a4f6f2d10"),
        "write 0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10",
    ),
    "slug": ((ID, "id: kafka-apprentice"), "the issuer shows it"),
    "organization typo": (
        ("organization: 5d4b0c9e-6a3e", "organization: 5d4b0c9e-6a3f"),
        "did you mean 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11?",
    ),
    "group missing": (
        template("groups: {exams: {at_least: 1}}"),
        "templates[0].groups.exams: no requirement",
    ),
    "group by number": (template("groups: {exams: 1}"), "write {at_least: 1}"),
    "local date": (on_requirement("since: 01.09.2026"), "write 2026-09-01: year, month, day"),
    "american date": (on_requirement("until: 9/30/2026"), "write 2026-09-30: year, month, day"),
    "30 days": (on_requirement("within: 30 days"), "write P30D"),
    "P1Y": (on_requirement("within: P1Y"), "write P365D"),
    "365": (on_requirement("within: 365"), "write P365D, for days"),
    "in a string": (
        on_key("{path: course.course_key, operator: in, value: course-v1:A+B+C}"),
        "write [course-v1:A+B+C]",
    ),
    "eq a list": (on_key("{path: course.course_key, operator: eq, value: [a, b]}"), "write operator: in"),
    "doubled key": (
        (RULES, RULES + "        rules: []\n"),
        "rules: is given more than once; put both under one",
    ),
    "rules as mapping": (
        (f"- {IS_PASSING}\n          - {KEY}", "path: is_passing"),
        "begin each of rules with a dash",
    ),
    "resets a string": (penalty(f"{PASSING_LINE}\n        resets: passed"), "write [passed]"),
    "resets missing": (penalty(PASSING_LINE), "like resets: [passed]"),
    "resets typo": (penalty(f"{PASSING_LINE}\n        resets: [pased]"), "did you mean passed?"),
    "colon in a name": (
        ("name: Kafka Apprentice", "name: Kafka: Apprentice"),
        "has a colon in it in quotes (name: Kafka",
    ),
    "smart quotes": ((PASSING, f"“{PASSING}”"), f"did you mean {PASSING}?"),
    "empty": ((GOOD, ""), "the file is empty"),
    "no version": (("version: 1\n", ""), "version: required; write version: 1"),
    "quoted version": (("version: 1", 'version: "1"'), "write 1, without quotes"),
    "inline key": (
        ("organizations:\n  - ", "organizations:\n  - api_key: hush\n    "),
        "must be {env: NAME} or {file: PATH}",
    ),
    "glob": (
        on_key('{path: course.course_key, operator: matches, value: "course-v1:OrgX+*"}'),
        "write .*, or use operator: starts_with",
    ),
    "startswith": (
        on_key("{path: course.course_key, operator: startswith, value: a}"),
        "; write starts_with (",
    ),
    "no name": (
        ("    name: Kafka Apprentice\n", ""),
        "templates[0].name: required; it is what learners read",
    ),
    "types in a list": (
        ("event_type: " + PASSING, f"event_type: [{PASSING}]"),
        f"event_type takes one: {PASSING}",
    ),
    "badge by name": (
        (
            f"{PASSING_LINE}\n        {RULES}",
            "event_type: org.openedx.learning.badge.awarded.v1\n        rules:\n"
            "          - {path: template.name, operator: eq, value: Kafka Aprentice}\n",
        ),
        "write the id of Kafka Apprentice: 0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10",
    ),
    "penalty of a badge": (
        penalty("event_type: org.openedx.learning.badge.revoked.v1\n        resets: [passed]"),
        "a badge requirement ends by itself",
    ),
    "requirements by id": (
        ("      - id: passed\n", "      passed:\n"),
        "begin each of requirements with a dash",
    ),
    "expires": (template("expires_after: 2 years"), "write P2Y"),
    "no count": (on_requirement("count: 0"), "count: Input should be greater than or equal to 1"),
    "list on top": ((GOOD, "- version: 1\n"), "begin with version: 1"),
    "a number in words": (on_requirement("count: three"), "write 3, in digits"),
    "a whole number with a point": (on_requirement("count: 3.0"), "write 3 ("),
    "endless": (on_requirement("count: .inf"), "count: must be a whole number"),
    "no number": (on_requirement("count: .nan"), "count: must be a whole number"),
    "several types of one": (
        (f"event_type: {PASSING}", f"event_types: [{PASSING}]"),
        "for one there is event_type",
    ),
    "a type with keys": ((PASSING, "{name: passing}"), "event_type: must be a string"),
    "a part of a type": ((PASSING, "passing"), f"did you mean {PASSING}?"),
    "a part of a path": (("course.course_key", "course.key"), "did you mean course.course_key?"),
    "percent": (
        grade("{path: grade, operator: ge, value: 80 percent}"),
        "write 0.8, without quotes (a grade",
    ),
    "no is false": (template("revocable: no"), "write false, without quotes"),
    "notify at all": (template("notify: true"), "write {award: true, revoke: false}"),
    "version 2": (("version: 1", "version: 2"), "write 1 ("),
    "a number for a name": (("name: Kafka Apprentice", "name: 101"), 'write "101" in quotes'),
    "a duration without a unit": (template("expires_after: P365"), "write P365D, for days"),
    "Credly": (
        ("organizations:\n  - ", "organizations:\n  - provider: Credly\n    "),
        "did you mean credly?",
    ),
    "no colon": (("name: Kafka", "name Kafka"), "lacks its colon"),
    "a quote in a text": (("name: Kafka Apprentice", "name: 'It's Kafka'"), "quotes of the other kind"),
    "organization by name": (
        ("organization: 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11", "organization: Demo University"),
        "write 5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11",
    ),
    "open brace": (("value: true}", "value: true"), "a { is not closed"),
}


@pytest.mark.parametrize("mistake", FAULTS)
def test_a_fault_says_what_to_write(mistake: str) -> None:
    (replaced, by), said = FAULTS[mistake]

    result = check(GOOD.replace(replaced, by, 1))

    assert result.exit_code == 1
    assert said in result.stdout


WARNED: dict[str, tuple[tuple[str, str], str]] = {
    "grade 80": (grade("{path: grade, operator: ge, value: 80}"), "a grade is between 0 and 1: write 0.8"),
    "matches a beginning": (
        on_key('{path: course.course_key, operator: matches, value: "course-v1:OrgX"}'),
        "use operator: starts_with if it is a beginning, else eq",
    ),
    "matches too much": (
        on_key("{path: course.course_key, operator: matches, value: course-v1:OrgX+.*}"),
        r"write course-v1:OrgX\+.*, or operator: starts_with and value: course-v1:OrgX+",
    ),
    "trailing blank": (grade('{path: mode, operator: eq, value: "Verified "}'), 'write "Verified"'),
    "case": (grade("{path: mode, operator: in, value: [Verified]}"), "write verified"),
    "contradiction": (
        (KEY, "{path: course.course_key, operator: eq, value: course-v1:A+B+C}\n          - " + KEY),
        "for one of several use operator: in",
    ),
    "no grade between": (
        grade("{path: grade, operator: ge, value: 0.9}\n          - {path: grade, operator: lt, value: 0.5}"),
        "is at least 0.9 and at most 0.5",
    ),
    "three of two": (
        (
            KEY,
            "{path: course.course_key, operator: in, value: [course-v1:A+B+C, course-v1:A+B+D]}\n"
            "        count: 3\n        distinct: course.course_key",
        ),
        "only 2 different values of course.course_key can come",
    ),
    "since after until": (on_requirement("since: 2026-09-01\n        until: 2026-01-01"), "exchange the two"),
    "no is_passing": ((f"- {IS_PASSING}\n          ", ""), f"add {IS_PASSING}"),
    "repeats": (on_requirement("count: 3"), "add distinct: course.course_key"),
    "within alone": (on_requirement("within: P30D"), "add count"),
    "an organization's beginning": (
        on_key('{path: course.course_key, operator: starts_with, value: "course-v1:OrgX"}'),
        "write course-v1:OrgX+, or part: org",
    ),
    "a beginning": (
        on_key('{path: course.course_key, operator: eq, value: "course-v1:OrgX+*"}'),
        "starts_with",
    ),
    "no key": (on_key("{path: course.course_key, operator: eq, value: Kafka101}"), "like course-v1:DemoX"),
    "group spelled twice": (
        (
            f"        {RULES}",
            f"        group: exam\n        {RULES}"
            f"      - {{id: other, group: exams, {PASSING_LINE}, rules: [{IS_PASSING}]}}\n",
        ),
        "write exam if it is meant",
    ),
    "a topic that is not read": (
        any_event("org.openedx.learning.user.course_access_role.added.v1"),
        "learning-course-access-role-lifecycle is not among BADGES_SOURCE_TOPICS",
    ),
    "an event that is not sent": (
        any_event("org.openedx.learning.course.enrollment.created.v1"),
        "no topic carries it by default",
    ),
}


@pytest.mark.parametrize("mistake", WARNED)
def test_what_is_probably_not_meant_is_said_and_is_a_fault_only_if_one_is_strict(mistake: str) -> None:
    (replaced, by), said = WARNED[mistake]
    text = GOOD.replace(replaced, by, 1)

    result, strict = check(text), check(text, "--strict")

    assert (result.exit_code, strict.exit_code) == (0, 1)
    [line] = [line for line in result.stderr.splitlines() if said in line]
    assert line.startswith("templates[0]")
    assert " (Kafka Apprentice): " in line
    assert "no fault, 1 warning\n" in result.stdout


def test_what_is_meant_as_it_is_written_is_not_warned_of() -> None:
    result = check(GOOD, "--strict")

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_pattern_with_a_repetition_is_a_pattern() -> None:
    pattern = r"{path: course.course_key, operator: matches, value: 'course-v1:DemoX\+\w+\+[0-9]+'}"

    assert check(GOOD.replace(KEY, pattern), "--strict").exit_code == 0


def test_a_fault_is_quoted_with_its_line_and_its_template() -> None:
    result = check(GOOD.replace("value: true", 'value: "true"'))

    quoted = '(Kafka Apprentice, line 12: - {path: is_passing, operator: eq, value: "true"})\n'
    assert result.stdout.startswith(f"{PLACE}.rules[0].value: cannot be")
    assert result.stdout.endswith(quoted)


def test_windows_line_ends_and_marks_are_as_good_as_others() -> None:
    text = "\ufeff" + GOOD.replace("\n", "\r\n").replace("eq, value: true", "eq, value: maybe")

    assert "line 12: " in check(text).stdout


def test_settings_that_are_wrong_are_no_fault_of_a_catalogs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BADGES_PARTITIONS", "none")

    result = check(GOOD)

    assert result.exit_code == 0
    assert "topics are not looked at: BADGES_PARTITIONS" in result.stderr


def check(text: str, *options: str) -> Result:
    return CliRunner().invoke(
        main, ["check", "-", *options], input=text, env={"BADGES_SOURCE_TOPICS": TOPICS}
    )

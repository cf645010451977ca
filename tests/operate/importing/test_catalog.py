"""The badge templates of the credentials service as a catalog."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.catalog import CatalogDocument, load_catalog
from streams.catalog.document import RequirementDeclaration
from streams.cli import main
from streams.errors import ConfigurationError
from streams.operate.importing.catalog import Imported, import_catalog
from tests.operate.importing.database import (
    EITHER,
    GROUP,
    NO_ACCESS,
    NO_RULES,
    NULLS,
    ONE,
    SAMPLE,
    TWO,
    Object,
    database,
    dumped,
    made,
    requirement,
    rule,
    sample,
    with_accredible,
)

PASSING = "org.openedx.learning.course.passing.status.updated.v1"
EXAM = "org.openedx.learning.exam.attempt.verified.v1"
GRADE = "org.openedx.learning.course.persistent_grade_summary.changed.v1"


def imported(objects: list[Object], folder: Path, **options: str) -> tuple[CatalogDocument, list[str]]:
    """The catalog of these objects, and the report."""
    found = import_catalog(dumped(objects, folder), NO_ACCESS, **options)  # type: ignore[arg-type]
    return load_catalog(found.text), list(found.report)


def with_rules(*rules: tuple[str, str, str], event_type: str = PASSING) -> list[Object]:
    """The sample, and in the template without rules a requirement with these rules in place of its own."""
    kept = [o for o in sample() if (o["model"], o["pk"]) != ("badges.badgerequirement", 8)]
    added = [rule(50 + n, 9, *given) for n, given in enumerate(rules)]
    return [*kept, requirement(9, 5, event_type), *added]


def the_one(catalog: CatalogDocument) -> RequirementDeclaration:
    [found] = catalog.templates[NO_RULES].requirements
    return found


def about(report: list[str], template: str = NO_RULES) -> str:
    return "\n".join(line for line in report if template in line)


def test_the_sample_becomes_a_catalog_that_check_accepts(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["import", "catalog", database(sample(), tmp_path)])
    checked = CliRunner().invoke(main, ["check", "-"], input=ran.stdout)

    assert (ran.exit_code, checked.exit_code) == (0, 0), checked.output
    assert "5 badge templates, no fault" in checked.stdout
    assert "# r8: it has no rule" in ran.stdout


def test_a_dump_and_a_database_are_the_same_catalog(tmp_path: Path) -> None:
    by_database = import_catalog(database(sample(), tmp_path), NO_ACCESS)

    assert import_catalog(str(SAMPLE), NO_ACCESS) == by_database


def test_a_dump_of_lines_is_read_too(tmp_path: Path) -> None:
    file = tmp_path / "dump.jsonl"
    file.write_text("".join(f"{json.dumps(object)}\n" for object in sample()))

    assert import_catalog(str(file), NO_ACCESS) == import_catalog(str(SAMPLE), NO_ACCESS)


def test_rules_penalties_and_texts_are_taken_along(tmp_path: Path) -> None:
    catalog, _ = imported(sample(), tmp_path)

    template = catalog.templates[ONE]
    [one], [lost] = template.requirements, template.penalties
    assert (one.id, one.text, one.group) == ("r1", {"": "Pass A"}, "A")
    assert [(r.path, r.operator, r.value) for r in one.rules] == [
        ("is_passing", "eq", True),
        ("course.course_key", "eq", "course-v1:X+A+1"),
    ]
    assert (lost.id, lost.resets, lost.rules[0].value) == ("p1", ("r1",), False)


def test_requirements_without_a_group_are_alternatives_as_there(tmp_path: Path) -> None:
    catalog, report = imported(sample(), tmp_path)

    assert {r.group for r in catalog.templates[NULLS].requirements} == {"none"}
    assert "alternatives there" in about(report, NULLS)
    assert {r.group for r in catalog.templates[EITHER].requirements} == {"A"}


def test_that_here_all_groups_are_required_is_said(tmp_path: Path) -> None:
    _, report = imported(sample(), tmp_path)

    assert "one of its 2 groups is enough" in about(report, TWO)
    assert about(report, EITHER) == ""


def test_what_is_never_met_there_is_never_met_here(tmp_path: Path) -> None:
    catalog, report = imported(sample(), tmp_path)

    assert not catalog.templates[NO_RULES].active
    assert the_one(catalog).until is not None
    assert "no rule" in about(report)


def test_a_requirement_without_rules_is_left_out_where_others_of_its_group_have_some(tmp_path: Path) -> None:
    more = [requirement(9, 5, PASSING), rule(50, 9, "is_passing", "eq", "yes")]
    catalog, report = imported([*sample(), *more], tmp_path)

    assert the_one(catalog).id == "r9"
    assert catalog.templates[NO_RULES].active
    assert "r8: left out" in about(report)


@pytest.mark.parametrize(
    ("event_type", "given", "rule"),
    [
        (PASSING, ("is_passing", "eq", "yes"), ("is_passing", "eq", True)),
        (PASSING, ("is_passing", "ne", "-"), ("is_passing", "ne", False)),
        (PASSING, ("course.display_name", "eq", "1e5"), ("course.display_name", "eq", "1e5")),
        (PASSING, ("course.display_name", "eq", "No"), ("course.display_name", "eq", "False")),
        (PASSING, ("course.start", "eq", "None"), ("course.start", "exists", False)),
        (PASSING, ("course.start", "ne", "None"), ("course.start", "exists", True)),
        (
            PASSING,
            ("course.start", "eq", "2026-01-01 00:00:00+00:00"),
            ("course.start", "eq", "2026-01-01T00:00:00+00:00"),
        ),
        (GRADE, ("percent_grade", "eq", "0.8"), ("percent_grade", "eq", 0.8)),
        (GRADE, ("user_id", "eq", "42"), ("user_id", "eq", 42)),
    ],
)
def test_a_value_is_of_the_fields_type(
    event_type: str, given: tuple[str, str, str], rule: tuple[str, str, object], tmp_path: Path
) -> None:
    catalog, _ = imported(with_rules(given, event_type=event_type), tmp_path)

    [found] = the_one(catalog).rules
    assert (found.path, found.operator, found.value) == rule
    assert type(found.value) is type(rule[2])
    assert catalog.templates[NO_RULES].active


@pytest.mark.parametrize(
    "given",
    [
        ("is_passing", "eq", "1"),
        ("is_passing", "gt", "True"),
        ("course.no_such", "eq", "x"),
        ("course", "eq", "x"),
        ("a..b", "eq", "x"),
        ("user.id", "eq", "042"),
    ],
)
def test_a_rule_that_never_holds_there_makes_its_template_inactive(
    given: tuple[str, str, str], tmp_path: Path
) -> None:
    catalog, report = imported(with_rules(given), tmp_path)

    assert not catalog.templates[NO_RULES].active
    assert given[0].partition(".")[0] in about(report)


def test_a_rule_that_always_holds_there_is_left_out(tmp_path: Path) -> None:
    given = [("course.no_such", "ne", "x"), ("is_passing", "eq", "True"), ("is_passing", "eq", "true")]
    catalog, report = imported(with_rules(*given), tmp_path)

    assert [r.path for r in the_one(catalog).rules] == ["is_passing"]
    assert "holds there always" in about(report)


def test_ne_on_a_path_that_may_be_missing_is_said(tmp_path: Path) -> None:
    _, optional = imported(with_rules(("course.start", "ne", "x")), tmp_path)
    _, always = imported(with_rules(("course.course_key", "ne", "x")), tmp_path)

    assert "ne holds there, and does not here" in about(optional)
    assert about(always) == ""


def test_whom_an_event_of_exams_credits_is_said(tmp_path: Path) -> None:
    _, report = imported(with_rules(("course_key", "eq", "x"), event_type=EXAM), tmp_path)

    assert "requesting_user of the event is credited" in about(report)


def test_a_template_of_which_no_event_is_known_is_not_imported(tmp_path: Path) -> None:
    catalog, report = imported(with_rules(("a", "eq", "x"), event_type="org.example.made.up.v1"), tmp_path)

    assert NO_RULES not in catalog.templates
    assert "not imported" in about(report)


def test_a_penalty_that_takes_nothing_back_is_left_out(tmp_path: Path) -> None:
    fields = {"template": 3, "event_type": PASSING}
    penalties = [
        made("badges.badgepenalty", 7, **fields, requirements=[]),
        made("badges.badgepenalty", 8, **fields, requirements=[1]),
        made("badges.badgepenalty", 9, **fields, requirements=[4]),
    ]
    catalog, report = imported([*sample(), *penalties], tmp_path)

    assert catalog.templates[EITHER].penalties == ()
    assert [f"p{n}: left out" in about(report, EITHER) for n in (7, 8, 9)] == [True] * 3


def test_what_is_not_active_there_is_not_active_here(tmp_path: Path) -> None:
    objects = sample()
    for object in objects:
        if object["model"] == "badges.badgetemplate" and object["pk"] == 1:
            object["fields"]["state"] = "archived"
    catalog, report = imported(objects, tmp_path)

    assert not catalog.templates[ONE].active
    assert "state archived" in about(report, ONE)


def test_groups_of_accredible_are_templates_of_their_account(tmp_path: Path) -> None:
    catalog, report = imported(with_accredible(), tmp_path)

    group = catalog.templates[GROUP]
    account = catalog.organizations[group.organization]
    assert (group.external_id, group.name) == ("99", "A group")
    assert (account.provider, account.name) == ("accredible", "An account")
    assert any(account.id in line and f"accredible-{account.id}.key" in line for line in report)


def test_a_template_of_no_issuer_is_named_as_not_imported(tmp_path: Path) -> None:
    alone = [o for o in with_accredible() if o["model"] != "badges.accrediblegroup"]
    catalog, report = imported(alone, tmp_path)

    assert GROUP not in catalog.templates
    assert "neither Credly's nor Accredible's" in about(report, GROUP)


def test_the_templates_of_one_site_can_be_chosen(tmp_path: Path) -> None:
    objects = sample()
    for object in objects:
        if object["model"] == "badges.badgetemplate" and object["pk"] == 1:
            object["fields"]["site"] = 1
    _, report = imported(objects, tmp_path)
    catalog, _ = imported(objects, tmp_path, site="example.com")

    assert any("several sites" in line and "example.com, example.org" in line for line in report)
    assert list(catalog.templates) == [ONE]


def test_no_key_of_an_issuer_is_written(tmp_path: Path) -> None:
    found: Imported = import_catalog(str(SAMPLE), NO_ACCESS)

    [organization] = load_catalog(found.text).organizations.values()
    assert "not-a-key" not in found.text + "".join(found.report)
    assert str(organization.key and organization.key.file) in found.report[0]


def test_names_cannot_write_lines_of_their_own(tmp_path: Path) -> None:
    objects = sample()
    for object in objects:
        if object["model"] == "badges.badgetemplate" and object["pk"] == 5:
            object["fields"]["name"] = "a\n  - id: x # \x1b[31m: yes"
    catalog, report = imported(objects, tmp_path)

    assert catalog.templates[NO_RULES].name == "a\n  - id: x # \x1b[31m: yes"
    assert all("\n" not in line and "\x1b" not in line for line in report)


def test_a_database_of_before_accredible_is_read(tmp_path: Path) -> None:
    without = ["badges_accrediblegroup", "badges_accrediblebadge", "badges_accredibleapiconfig"]
    url = database(sample(), tmp_path, without=without)

    assert import_catalog(url, NO_ACCESS) == import_catalog(str(SAMPLE), NO_ACCESS)


def test_a_database_without_its_tables_is_refused(tmp_path: Path) -> None:
    url = database(sample(), tmp_path, without=["badges_datarule"])

    with pytest.raises(ConfigurationError, match="no table badges_datarule"):
        import_catalog(url, NO_ACCESS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "no JSON",
        SAMPLE.read_text()[:9_000],
        SAMPLE.read_text()[:-2],
        SAMPLE.read_text() + "[]",
        '[{"model": 1, "fields": {}}]',
        '[{"model": "badges.badgetemplate", "pk": {"a": 1}, "fields": {}}]',
        '[{"model": "badges.badgetemplate", "pk": 99999999999999999999, "fields": {}}]',
        '[{"model": "badges.badgetemplate", "pk": 1, "fields": {"name": "\\ud800"}}]',
        '[{"model": "badges.badgetemplate", "pk": 1, "fields": ' + '{"a":' * 100_000,
        '[{"model": "badges.badgerequirement", "pk": 1, "fields": {"template": ["a"]}}]',
        '[{"model": "badges.badgetemplate", "pk": 1, "fields": {"uuid": 5, "site": 1, "is_active": true}}]',
        '[{"model": "badges.datarule", "pk": 1, "fields": {"requirement": 1, "operator": "eq"}}]',
        '[{"model": "badges.badgetemplate", "pk": 1, "fields": '
        '{"uuid": "x", "site": 1, "is_active": true, "name": ""}}, '
        '{"model": "badges.credlybadgetemplate", "pk": 1, "fields": {"organization": 1}}, '
        '{"model": "badges.credlyorganization", "pk": 1, "fields": {"uuid": "x"}}]',
    ],
)
def test_what_is_no_dump_or_half_of_one_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_text(text)

    with pytest.raises(ConfigurationError):
        import_catalog(str(file), NO_ACCESS)


@pytest.mark.parametrize(
    "source",
    ["nowhere.json", "sqlite:///nowhere", "postgres://a@b/c", "mysql://host/db", "mysql://u@h:x/db"],
)
def test_a_source_that_is_none_is_one_clear_line(source: str) -> None:
    ran = CliRunner().invoke(main, ["import", "catalog", source])

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("SOURCE: ")


def test_a_password_on_the_command_line_is_refused() -> None:
    ran = CliRunner().invoke(main, ["import", "catalog", "mysql://u:secret@h/db"])

    assert ran.exit_code == 2
    assert "secret" not in ran.output


@pytest.mark.parametrize(
    "password", [b"gr\xf6\xdfer\n", "größer Ω\n".encode(), b"\xef\xbb\xbfbom", b"\xff\x00"]
)
def test_a_password_may_be_any_bytes(password: bytes, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(password)

    ran = CliRunner().invoke(
        main, ["import", "catalog", "mysql://u@127.0.0.1:1/d", "--password-file", str(file)]
    )

    assert (ran.exit_code, ran.stderr.count("\n")) == (1, 1)
    assert "127.0.0.1:1/d: Can't connect" in ran.stderr


def test_an_authority_that_is_none_is_named_by_its_option(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")

    ran = CliRunner().invoke(main, ["import", "catalog", "mysql://u@127.0.0.1:1/d", "--ca-file", str(file)])

    assert ran.exit_code == 2
    assert ran.stderr.startswith("--ca-file: cannot be read: ")


def test_a_file_that_is_no_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        import_catalog(f"sqlite:///{SAMPLE}", NO_ACCESS)

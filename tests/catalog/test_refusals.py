"""What is refused, and what is said of it: catalogs and lines of a rehearsal."""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from time import process_time
from typing import Any
from uuid import UUID

import pytest

from streams.catalog import load_catalog, take_catalog
from streams.catalog.wording import load_worded
from streams.errors import CatalogError
from streams.issuers.known import ISSUERS
from streams.operate.simulate import simulate

BADGE = "org.openedx.learning.badge.awarded.v1"
ORGANIZATION = "5d4b0c9e-6a3e-4f0e-8d0a-0f2a7d0c1b11"
PASSING = "org.openedx.learning.course.passing.status.updated.v1"


def catalog(requirement: dict[str, Any] | None, **organization: Any) -> str:
    template = {
        "id": "0b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10",
        "organization": ORGANIZATION,
        "name": "Stream Master",
        "requirements": [] if requirement is None else [requirement],
    }
    organizations = [{"id": ORGANIZATION, **organization}]
    return json.dumps({"version": 1, "organizations": organizations, "templates": [template]})


def faults(text: str) -> list[str]:
    with pytest.raises(CatalogError) as refusal:
        load_catalog(text)
    return list(refusal.value.faults)


def rehearse(*lines: str) -> tuple[list[bytes], list[str]]:
    reports: list[str] = []
    accepted = catalog({"id": "kafka", "event_type": PASSING})
    decisions = list(simulate(accepted, [line.encode() for line in lines], reports.append, reports.append))
    return decisions, reports


def activity(user: object) -> str:
    source = {"topic": "courses", "partition": 0, "offset": 1}
    line = {
        "type": PASSING,
        "id": "a",
        "time": "2026-01-01T00:00:00",
        "source": source,
        "data": {"user": user},
    }
    return json.dumps(line)


def templates(*ids: tuple[str, object], **organization: Any) -> str:
    """A catalog of templates by id and external id, None for none, all of one organization."""
    document = json.loads(catalog({"id": "kafka", "event_type": PASSING}, **organization))
    [template] = document["templates"]
    document["templates"] = [template | {"id": id, "external_id": external} for id, external in ids]
    return json.dumps(document)


FIRST, SECOND, THIRD = (f"{digit}b7a2c1e-2f53-4a63-9b8e-8f5a4f6f2d10" for digit in "123")


@pytest.mark.parametrize("external", [SECOND, SECOND.upper()])
def test_a_template_may_have_another_id_at_its_provider(external: str) -> None:
    declared = load_catalog(templates((FIRST, external), (THIRD, None))).templates
    assert [template.id_at_provider for template in declared.values()] == [SECOND, THIRD]


TAKEN = "is another template's of this organization already"


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        ([(FIRST, THIRD), (SECOND, THIRD)], f"templates[1].external_id: {THIRD} {TAKEN}"),
        ([(FIRST, THIRD), (SECOND, THIRD.upper())], f"templates[1].external_id: {THIRD} {TAKEN}"),
        ([(FIRST, None), (SECOND, FIRST)], f"templates[1].external_id: {FIRST} {TAKEN}"),
        ([(FIRST, SECOND), (SECOND, None)], f"templates[1].external_id: {SECOND} {TAKEN}"),
        ([(FIRST, "x")], "templates[0].external_id: must be a UUID, as all ids of this provider are"),
        ([(FIRST, 12)], "templates[0].external_id: must be a UUID, as all ids of this provider are"),
    ],
)
def test_a_template_has_an_id_of_its_own_at_its_provider(ids: list[tuple[str, object]], fault: str) -> None:
    assert faults(templates(*ids)) == [fault]


@pytest.mark.parametrize(
    ("external", "fault"),
    [
        (True, "must be a string or a whole number"),
        (["x"], "must be a string or a whole number"),
        ("", "must be 1 to 200 characters without blanks"),
        ("a b", "must be 1 to 200 characters without blanks"),
        ("x" * 201, "must be 1 to 200 characters without blanks"),
    ],
)
def test_an_id_at_a_provider_is_short_and_whole(external: object, fault: str) -> None:
    assert f"templates[0].external_id: {fault}" in faults(templates((FIRST, external)))


@pytest.mark.parametrize("provider", ["acme", "", 7, ["credly"], None])
def test_a_provider_that_nobody_knows_is_refused_at_its_place(provider: object) -> None:
    text = catalog({"id": "kafka", "event_type": PASSING}, provider=provider)
    assert faults(text) == [f"organizations[0].provider: must be one of {', '.join(ISSUERS)}"]


def test_a_fault_of_an_organization_is_said_at_the_organizations_place() -> None:
    text = catalog({"id": "kafka", "event_type": PASSING}, environment="moon", color="red")
    assert faults(text) == [
        "organizations[0].color: unknown key",
        "organizations[0].environment: Input should be 'production' or 'sandbox'",
    ]


def test_a_faulty_requirement_does_not_count_as_no_requirement() -> None:
    assert faults(catalog({"id": "kafka", "event_type": PASSING, "color": "red"})) == [
        "templates[0].requirements[0].color: unknown key"
    ]


def test_a_template_without_a_requirement_is_a_fault() -> None:
    assert faults(catalog(None)) == ["templates[0].requirements: must not be empty"]


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example.org/internal?",
        "https://a.example.org?",
        "https://a.example.org#",
        "https://a.example.org/v1?x=",
        "https://a.example.org/v1/../admin",
        "https://a.example.org/v1/;",
        "https://a.example.org\\@b.example.org",
        "https://a.example.org%2f@b",
        "http://a.example.org",
        "http://10.0.0.1:8081",
        "http://localhost.example.org",
        "http://0.0.0.0",
        "https://",
        "ftp://a.example.org",
    ],
)
def test_an_url_is_a_secure_host_and_nothing_that_a_catalogs_author_could_ask_of_it(url: str) -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, url=url))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].url"]


@pytest.mark.parametrize(
    "url",
    ["https://a.example.org", "https://a:8443/v1", "https://a/v1/", "http://127.0.0.1:1/", "http://[::1]:1"],
)
def test_an_url_is_an_issuers_address_or_a_simulators_on_this_machine(url: str) -> None:
    assert load_catalog(catalog({"id": "kafka", "event_type": PASSING}, url=url)).templates


def test_a_fault_that_quotes_the_document_steers_no_terminal() -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING, "after": "\x1b[2J\x9b1m\n"}))

    assert said[0].startswith("templates[0].requirements[0].after: ")
    assert all(fault.isprintable() for fault in said)


HOOK = {"provider": "webhook", "secret": {"env": "WEBHOOK_SECRET"}}


@pytest.mark.parametrize(
    "url", ["https://example.org", "https://example.org:8443/hooks/a-b_c", "http://127.0.0.1:8000/hook"]
)
def test_a_webhooks_url_may_have_a_path(url: str) -> None:
    assert load_catalog(catalog({"id": "kafka", "event_type": PASSING}, url=url, **HOOK)).templates


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "https://example.org/hook?code=hush",
        "https://example.org/hook#hush",
        "https://me:hush@example.org/hook",
        "https://example.org/a b",
        "example.org/hook",
        "file:///etc/passwd",
    ],
)
def test_a_webhooks_url_is_secure_and_holds_no_secret(url: str) -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, url=url, **HOOK))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].url"]
    assert "hush" not in said[0]


@pytest.mark.parametrize(
    ("external", "fault"),
    [
        (0, "must be the number of a group"),
        ("kafka", "must be the number of a group"),
        (None, "required: must be the number of a group"),
    ],
)
def test_a_template_at_accredible_is_the_number_of_a_group(external: object, fault: str) -> None:
    document = json.loads(catalog({"id": "kafka", "event_type": PASSING}, provider="accredible"))
    document["templates"][0] |= {} if external is None else {"external_id": external}
    assert faults(json.dumps(document)) == [f"templates[0].external_id: {fault}"]
    document["templates"][0]["external_id"] = 9549
    assert load_catalog(json.dumps(document)).templates


def test_each_provider_has_its_own_keys() -> None:
    credlys = faults(catalog({"id": "kafka", "event_type": PASSING}, secret={"env": "A"}))
    webhooks = faults(catalog({"id": "kafka", "event_type": PASSING}, **HOOK, environment="sandbox"))
    assert [fault.partition(": ")[0] for fault in credlys] == ["organizations[0].secret"]
    assert [fault.partition(": ")[0] for fault in webhooks] == [
        "organizations[0].environment",
        "organizations[0].url",
    ]


@pytest.mark.parametrize("url", ["https://a:84430", "https://a:port", "https://a..example.org", "http://[a"])
def test_an_url_that_is_no_address_is_refused(url: str) -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, url=url))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].url"]


def test_a_key_file_with_a_nul_is_refused() -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, api_key={"file": "/run/key\0"}))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].api_key.file"]


def test_a_password_in_an_url_is_an_inline_secret_and_is_not_repeated() -> None:
    said = faults(catalog({"id": "kafka", "event_type": PASSING}, url="https://me:hush@proxy.example.org/v1"))
    assert [fault.partition(": ")[0] for fault in said] == ["organizations[0].url"]
    assert "hush" not in said[0]


@pytest.mark.parametrize("depth", [600, 1000, 1015, 3000])
def test_a_catalog_line_nested_too_deeply_is_reported_and_the_next_line_judged(depth: int) -> None:
    decisions, reports = rehearse('{"catalog": ' + "[" * depth + "]" * depth + "}", activity({"id": 7}))
    assert len(decisions) == 1
    assert [report.partition(":")[0] for report in reports] == ["line 1"]


def test_a_bare_number_in_place_of_user_data_names_no_learner() -> None:
    decisions, reports = rehearse(activity(5))
    assert decisions == []
    assert reports == ["line 1: data.user: names no learner"]


def test_a_line_in_which_catalog_stands_twice_is_reported() -> None:
    _, reports = rehearse('{"catalog": {"version": 1}, "catalog": {"version": 1}}')
    assert reports == ["line 1: a line with a catalog holds nothing else"]


def test_a_refused_catalog_is_reported_with_its_line_and_every_fault_and_the_former_stays_in_force() -> None:
    decisions, reports = rehearse('{"catalog": {"version": 2, "color": "red"}}', activity({"id": 7}))
    assert len(decisions) == 1
    assert [report.rpartition(": ")[0] for report in reports] == [
        "line 1: catalog refused: color",
        "line 1: catalog refused: version",
    ]


def rule(path: str, operator: str, *value: Any) -> dict[str, Any]:
    return {"path": path, "operator": operator, **({"value": value[0]} if value else {})}


def requirement(*rules: dict[str, Any], id: str = "kafka", **more: Any) -> dict[str, Any]:
    return {"id": id, "event_type": PASSING, "rules": list(rules), **more}


def badge_of(template: str, **more: Any) -> dict[str, Any]:
    return requirement(rule("template.uuid", "eq", template), **{"event_type": BADGE, **more})


def of_templates(*templates: dict[str, Any]) -> dict[str, Any]:
    """A catalog of templates; what is not given is as usual."""
    common = {"organization": ORGANIZATION, "name": "Any", "requirements": [requirement()]}
    numbered = [{"id": uuid(number), **common, **template} for number, template in enumerate(templates)]
    return {"version": 1, "organizations": [{"id": ORGANIZATION}], "templates": numbered}


def uuid(number: int) -> str:
    return str(UUID(int=number))


def places(document: dict[str, Any]) -> list[str]:
    return [fault.partition(": ")[0] for fault in faults(json.dumps(document))]


def test_all_faults_are_told_at_once_each_with_its_place() -> None:
    wrong = requirement(
        rule("is_passing", "eq", 1),
        rule("course.nothing", "eq", "x"),
        rule("course", "eq", "x"),
        rule("is_passing", "gt", True),
        rule("course.display_name", "ge", "0.9"),
        rule("course.display_name", "matches", "("),
        rule("course.display_name", "in", ["a", 5]),
        rule("course.display_name", "eq"),
        rule("course.display_name", "equals", "a"),
        after="nobody",
        count=0,
        within="P1M",
        since="soon",
    )
    circle = [requirement(id="one", after="two"), requirement(id="two", after="one")]
    document = of_templates(
        {"requirements": [wrong], "color": "red", "expires_after": "long"},
        {"requirements": [*circle, requirement(id="one")], "groups": {"A": {}}, "organization": uuid(0)},
        {
            "requirements": [requirement(group="A")],
            "groups": {"A": {"at_least": 2}},
            "penalties": [
                {"id": "p", "event_type": PASSING, "resets": ["nobody"]},
                {"id": "p", "event_type": BADGE, "resets": []},
                {"id": "q", "event_type": "nothing", "count": 2},
            ],
        },
        {
            "requirements": [
                badge_of(uuid(9)),
                badge_of(uuid(3), id="own"),
                badge_of(uuid(4), id="n", count=2),
            ]
        },
        {"requirements": [badge_of(uuid(3))], "penalties": [{**requirement(), "resets": ["kafka"]}]},
        {"id": uuid(0), "requirements": [], "revocable": "no"},
    )
    document["organizations"] += [{"id": ORGANIZATION, "api_key": "hush"}, {"id": "x", "token": "hush"}]

    assert places(document) == [
        "organizations[1].api_key",
        "organizations[1].id",
        "organizations[2].id",
        "organizations[2].token",
        "templates[0].color",
        "templates[0].expires_after",
        "templates[0].requirements[0].after",
        "templates[0].requirements[0].count",
        "templates[0].requirements[0].rules[0].value",
        "templates[0].requirements[0].rules[1].path",
        "templates[0].requirements[0].rules[2].operator",
        "templates[0].requirements[0].rules[3].operator",
        "templates[0].requirements[0].rules[4].value",
        "templates[0].requirements[0].rules[5].value",
        "templates[0].requirements[0].rules[6].value[1]",
        "templates[0].requirements[0].rules[7].value",
        "templates[0].requirements[0].rules[8].operator",
        "templates[0].requirements[0].since",
        "templates[0].requirements[0].within",
        "templates[1].groups.A",
        "templates[1].organization",
        "templates[1].requirements[0].after",
        "templates[1].requirements[2].id",
        "templates[2].groups.A.at_least",
        "templates[2].penalties[0].resets[0]",
        "templates[2].penalties[1].event_type",
        "templates[2].penalties[1].id",
        "templates[2].penalties[2].count",
        "templates[2].penalties[2].event_type",
        "templates[2].penalties[2].resets",
        "templates[3].requirements[0].rules[0].value",
        "templates[3].requirements[1].rules[0].value",
        "templates[3].requirements[2].count",
        "templates[3].requirements[2].rules[0].value",
        "templates[4].penalties[0].resets[0]",
        "templates[5].id",
        "templates[5].requirements",
        "templates[5].revocable",
    ]


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    1e300,
    float("inf"),
    "",
    "\0",
    "(",
    "P",
    [],
    [[]],
    ["a", "a"],
    {},
    {"a": {}},
)


def parts(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each part of a value."""
    if way:
        yield way
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from parts(value[key], (*way, key))


def test_whatever_stands_wherever_is_refused_or_accepted_and_never_a_crash() -> None:
    whole = of_templates(
        {
            "requirements": [
                requirement(rule("is_passing", "in", [True]), group="A", count=2, distinct="user.id"),
                requirement(id="then", after="kafka", within="P1D", since="2026-01-01", until="2027-01-01"),
            ],
            "groups": {"A": {"at_least": 1}},
            "penalties": [{**requirement(rule("course.start", "exists")), "resets": ["kafka"]}],
            "notify": {"award": True},
            "expires_after": "P1Y",
        },
        {"requirements": [badge_of(uuid(0))]},
    )
    whole["organizations"][0] |= {"api_key": {"env": "KEY"}, "url": "https://example.org"}
    take_catalog(whole)

    for way in parts(whole):
        for value in HOSTILE:
            document = copy.deepcopy(whole)
            part = document
            for key in way[:-1]:
                part = part[key]
            part[way[-1]] = value
            with suppress(CatalogError):
                take_catalog(document)


def test_of_badges_that_depend_on_each_other_each_dependence_is_in_a_cycle_that_is_told() -> None:
    document = of_templates(
        {"requirements": [badge_of(uuid(1)), badge_of(uuid(3), id="loose end")]},
        {"requirements": [badge_of(uuid(2))]},
        {"requirements": [badge_of(uuid(0)), badge_of(uuid(1), id="back")]},
        {},
    )

    assert places(document) == [
        "templates[0].requirements[0].rules[0].value",
        "templates[2].requirements[1].rules[0].value",
    ]


def test_a_cycle_of_very_many_badges_is_told_once_and_soon() -> None:
    size = 5_000
    document = of_templates(*({"requirements": [badge_of(uuid((n + 1) % size))]} for n in range(size)))

    assert places(document) == ["templates[0].requirements[0].rules[0].value"]


def test_a_badge_event_that_is_no_activity_is_the_only_fault_where_its_paths_are_wrong_too() -> None:
    revoked = requirement(rule("is_passing", "eq", True), distinct="course.course_key")
    revoked["event_type"] = "org.openedx.learning.badge.revoked.v1"

    assert places(of_templates({"requirements": [revoked]})) == ["templates[0].requirements[0].event_type"]


def test_a_key_that_is_no_string_in_yaml_is_its_text_and_hides_no_other_fault() -> None:
    assert faults("version: 2\n1: one\ntrue: two\n2026-01-01: three\n") == [
        "2026-01-01: unknown key",
        "true: unknown key",
        "version: Input should be 1",
        "1: unknown key",
    ]


def test_half_a_character_is_refused() -> None:
    document = of_templates({"requirements": [requirement(rule("course.display_name", "eq", "\ud800"))]})

    (fault,) = faults(json.dumps(document))

    assert fault.startswith("catalog: line 1")
    fault.encode()


def test_ids_may_be_written_in_capitals_and_mean_the_same() -> None:
    capitals = "ABCDEF00-0000-4000-8000-000000000001"
    document = of_templates(
        {"id": capitals.lower(), "organization": ORGANIZATION.upper()},
        {"requirements": [badge_of(capitals)]},
    )

    assert list(take_catalog(document).templates) == [capitals.lower(), uuid(1)]
    document["templates"][1]["id"] = capitals
    assert "templates[1].id" in places(document)


def test_a_fault_is_one_printable_line_whatever_it_repeats() -> None:
    assert faults(json.dumps({"version": 1, "a\n\x1b[2J": 1})) == ["a\\n\\x1b[2J: unknown key"]


@pytest.mark.parametrize("place", ["after", "rules", "event_type", "x" * 70_000])
def test_a_fault_is_no_longer_than_a_screen_whatever_it_quotes(place: str) -> None:
    text = catalog({"id": "kafka", "event_type": PASSING, place: "x" * 70_000})

    with pytest.raises(CatalogError) as refusal:
        load_worded(text)

    assert max(map(len, refusal.value.faults)) < 1_200


def test_many_faults_cost_as_much_as_they_are_many() -> None:
    def worded(keys: int) -> float:
        text = json.dumps({f"k{number}": 1 for number in range(keys)})
        began = process_time()
        with suppress(CatalogError):
            load_worded(text)
        return process_time() - began

    worded(10)  # the first one imports what it needs
    few, many = min(worded(1_000) for _ in range(2)), worded(8_000)

    # Eight times as many; by their square they would cost 64 times as much.
    assert many < 25 * few + 0.02

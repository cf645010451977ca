"""What each operator holds to be true."""

from time import process_time
from typing import Any

import pytest

from streams.badges import Activity, Catalog, Requirement, Rule, Source, Template
from streams.catalog.patterns import Pattern
from tests.badges.builders import ONE, PASSING, day

NOWHERE = object()


def holds(operator: Any, value: Any, found: Any = NOWHERE, path: tuple[str, ...] = ("field",)) -> bool:
    data = {} if found is NOWHERE else {"field": found}
    rule = Rule(path, operator, value)
    catalog = Catalog([Template(ONE, (Requirement("any", (PASSING,), (rule,)),))], Pattern)
    activity = _passing(data)
    assert catalog.relevant(activity) is bool(catalog.match(activity))
    return catalog.relevant(activity)


@pytest.mark.parametrize("found", [None, NOWHERE])
@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("eq", "a"),
        ("ne", "a"),
        ("in", ("a",)),
        ("not_in", ("a",)),
        ("not_in", ()),
        ("gt", -1),
        ("ge", -1),
        ("lt", 1),
        ("le", "2026-01-01T00:00:00"),
        ("matches", ".*"),
        ("exists", True),
    ],
)
def test_where_the_path_leads_nowhere_no_operator_holds(operator: str, value: Any, found: Any) -> None:
    assert not holds(operator, value, found)


@pytest.mark.parametrize("found", [None, NOWHERE])
def test_only_that_nothing_exists_holds_there(found: Any) -> None:
    assert holds("exists", False, found)


@pytest.mark.parametrize("between", [None, "text", 5, True, ["deeper"], {}, {"deeper": None}])
def test_a_path_through_what_is_no_record_leads_nowhere(between: Any) -> None:
    assert holds("exists", False, between, path=("field", "deeper"))
    assert not holds("ne", "a", between, path=("field", "deeper"))


@pytest.mark.parametrize("found", ["", 0, False, [], {}])
def test_what_is_empty_exists(found: Any) -> None:
    assert holds("exists", True, found)
    assert not holds("exists", False, found)


@pytest.mark.parametrize(
    ("found", "value", "equal"),
    [
        ("a", "a", True),
        ("a", "A", False),
        ("a", "a ", False),
        ("1", 1, False),
        (1, "1", False),
        (1, 1.0, True),
        (2**62, 2**62 + 1, False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (False, 0, False),
        ("true", True, False),
        ([], "a", False),
        ({}, "a", False),
    ],
    ids=repr,
)
def test_values_are_equal_when_type_and_value_are(found: Any, value: Any, equal: bool) -> None:
    assert holds("eq", value, found) is equal
    assert holds("ne", value, found) is not equal
    assert holds("in", ("other", value), found) is equal
    assert holds("not_in", ("other", value), found) is not equal


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ("0.90", 0),
        ("+.9", 0),
        ("9e-1", 0),
        ("9.E-01", 0),
        ("0.9000000000000000001", 1),
        ("1E2", 1),
        ("1e400", 1),
        ("1e99999999999999999999", 1),
        ("-1e99999999999999999999", -1),
        ("1e-99999999999999999999", -1),
        ("0e99999999999999999999", -1),
        ("-1", -1),
        ("0", -1),
    ],
)
def test_a_string_that_is_a_decimal_is_compared_exactly_as_the_number(found: str, order: int) -> None:
    said = [holds(operator, 0.9, found) for operator in ("gt", "ge", "lt", "le")]

    assert said == [order > 0, order >= 0, order < 0, order <= 0]


@pytest.mark.parametrize(
    "found",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "1_0",
        "nan",
        "inf",
        "-Infinity",
        "A",
        "1,5",
        "0x10",
        "1e",
        ".",
        "+",
        "--1",
        "١",
        "１",
    ],
)
@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
def test_a_string_that_is_no_decimal_makes_each_order_false(operator: str, found: str) -> None:
    assert not holds(operator, 0.9, found)


def test_a_long_string_of_digits_that_is_no_number_costs_no_time() -> None:
    assert not holds("gt", 0.9, "1" * 1_000_000 + "x")


@pytest.mark.parametrize("found", [True, False, None, [], {}])
def test_only_numbers_and_strings_have_an_order(found: Any) -> None:
    assert not any(holds(operator, 0, found) for operator in ("gt", "ge", "lt", "le"))


@pytest.mark.parametrize(
    ("found", "order"),
    [
        ("2026-01-02T00:00:00", 0),
        ("2026-01-02T00:00:00Z", 0),
        ("2026-01-02 05:30:00.000+05:30", 0),
        ("2026-01-02", 0),
        ("2026-01-02T00:00:00.000001", 1),
        ("2026-01-02T00:00:00-00:01", 1),
        ("2026-01-02T00:00:00+00:01", -1),
    ],
)
def test_a_string_that_is_a_time_is_compared_as_the_moment_naive_as_utc(found: str, order: int) -> None:
    said = [holds(operator, "2026-01-02T00:00:00+00:00", found) for operator in ("gt", "ge", "lt", "le")]

    assert said == [order > 0, order >= 0, order < 0, order <= 0]


@pytest.mark.parametrize("found", ["", "soon", "2026-13-01T00:00:00", "2026-01-02T00:00:00+25:00", "2026", 5])
def test_what_is_no_time_makes_each_order_by_time_false(found: Any) -> None:
    assert not any(holds(o, "2026-01-02T00:00:00", found) for o in ("gt", "ge", "lt", "le"))


@pytest.mark.parametrize(
    ("pattern", "found", "matched"),
    [
        ("[AB]", "A", True),
        ("[AB]", "AB", False),
        ("A|AB", "AB", True),
        ("A", "A\n", False),
        ("A$", "A\n", False),
        ("(?i)a", "A", True),
        ("", "", True),
        ("1", 1, False),
    ],
)
def test_a_pattern_matches_the_whole_string(pattern: str, found: Any, matched: bool) -> None:
    assert holds("matches", pattern, found) is matched


class Watched(dict[str, Any]):
    """A payload that counts how often something is looked up in it."""

    looks = 0

    def __getitem__(self, key: str) -> Any:
        Watched.looks += 1
        return super().__getitem__(key)


def test_to_look_for_what_is_met_costs_as_much_among_ten_thousand_templates_as_among_one() -> None:
    def looks(templates: int) -> int:
        catalog = Catalog(map(_of_a_course, range(templates)), Pattern)
        data = Watched(is_passing=True, course=Watched(course_key="course0"))
        Watched.looks = 0
        assert len(catalog.match(_passing(data))) == 1
        return Watched.looks

    assert looks(1) <= looks(100) == looks(10_000) <= looks(1) + 2


def test_patterns_that_begin_otherwise_are_not_tried() -> None:
    tried: list[str] = []

    class Watching(Pattern):
        def __call__(self, text: str) -> bool:
            tried.append(self.prefix)
            return super().__call__(text)

    templates = (_matching(number, f"course-v1:Org{number}\\+.*", True) for number in range(1_000))
    catalog = Catalog(templates, Watching)
    met = catalog.match(_passing({"is_passing": True, "course": {"course_key": "course-v1:Org77+A+1"}}))

    assert len(met) == 1
    assert tried == ["course-v1:Org77+"]


def test_a_pattern_is_found_by_its_prefix_among_others_of_every_kind() -> None:
    patterns = [
        "A.*",
        "A",
        "AB?",
        "A|B",
        "(?i)a",
        ".*",
        "[A]",
        "A{0}B",
        "B+",
        r"\101",
        "",
        "AB.*",
        "A*",
        r"\QA|B\E",
    ]
    texts = ["A", "B", "a", "AB", "ABC", "", "A|B", "b"]
    catalog = Catalog((_matching(number, p) for number, p in enumerate(patterns)), Pattern)

    for text in texts:
        met = catalog.match(_passing({"course": {"course_key": text}}))
        alone = [p for p in patterns if holds("matches", p, text)]

        assert sorted(patterns[turn] for turn in met) == sorted(alone), text


def test_long_lists_of_values_do_not_multiply_in_the_index() -> None:
    paths = [(name,) for name in "abcd"]
    rules = tuple(Rule(path, "in", tuple(range(300))) for path in paths)
    templates = (Template(f"{number:032x}", (Requirement("any", (PASSING,), rules),)) for number in range(9))
    catalog = Catalog(templates, Pattern)

    assert catalog.relevant(_passing(dict.fromkeys("abcd", 299)))
    assert not catalog.relevant(_passing({**dict.fromkeys("abcd", 299), "c": 300}))


def _passing(data: dict[str, Any]) -> Activity:
    return Activity(PASSING, "a", day(0), Source("bus", 0, 0), 42, data)


def _of_a_course(number: int) -> Template:
    rules = (Rule(("is_passing",), "eq", True), Rule(("course", "course_key"), "eq", f"course{number}"))
    return Template(f"{number:032x}", (Requirement("passed", (PASSING,), rules),))


def _matching(number: int, pattern: str, is_passing: bool | None = None) -> Template:
    rules: tuple[Rule, ...] = (Rule(("course", "course_key"), "matches", pattern),)
    if is_passing is not None:
        rules = (Rule(("is_passing",), "eq", is_passing), *rules)
    return Template(f"{number:032x}", (Requirement("passed", (PASSING,), rules),))


@pytest.mark.parametrize("requirements", [1, 12])
def test_a_long_list_costs_a_catalog_as_much_as_it_is_long(requirements: int) -> None:
    def compiled(values: int) -> float:
        rule = Rule(("field",), "in", tuple(map(str, range(values))))
        same = tuple(Requirement(f"r{n}", (PASSING,), (rule,)) for n in range(requirements))
        began = process_time()
        Catalog([Template(ONE, same)], Pattern)
        return process_time() - began

    short, long = (min(compiled(values) for _ in range(3)) for values in (250, 2_000))

    # Eight times as long; by its square it would be 64.
    assert long < 24 * short + 0.02

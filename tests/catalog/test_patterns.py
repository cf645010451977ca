"""The patterns of `matches`: what they take, how long they take, what begins what they match."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.catalog.patterns import STEPS, Pattern, prefix
from streams.errors import UnreadableError

TEXT = "kafka " * 3_500 + "streams " * 2_500
"""44 KiB, on which the first pattern took 40 s with Python's `re`."""


@pytest.mark.parametrize(
    "pattern", [".*kafka.*streams.*badge.*", "(.*a)*(.*s)*x", "([a-z]+ ?)+!", r"(\w+\s*)+\d"]
)
def test_no_pattern_takes_longer_than_its_text(pattern: str) -> None:
    matches = Pattern(pattern)
    began = time.process_time()

    assert not matches(TEXT)

    # RE2 takes about a millisecond; whatever backtracks takes minutes at least.
    assert time.process_time() - began < 2


def test_a_text_too_long_for_its_pattern_is_refused_by_itself() -> None:
    matches = Pattern("[ab]*a[ab]{900}")

    with pytest.raises(UnreadableError, match="text_too_long"):
        matches("ab" * (STEPS // 900))
    assert matches("a" * 1_000)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", r"missing \)"),
        ("(?=a)", r"invalid perl operator: \(\?="),
        (r"(a)\1", r"invalid escape sequence: \\1"),
        ("a{2000}", r"invalid repetition size"),
        ("(ab{900}){3}", r"invalid repetition size|instructions"),
        ("(a{500}|b{500}|c{500}|d{500})", "instructions, at most"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_what_is_no_pattern_says_why(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"course-v1:OrgX\+.*", "course-v1:OrgX+"),
        (r"course-v1:OrgX\+(A|B)\+2026", "course-v1:OrgX+"),
        ("course-v1:Org[XY].*", "course-v1:Org"),
        ("ab*", "a"),
        ("ab?c", "a"),
        ("ab{0,2}", "a"),
        ("ab+", "ab"),
        ("ab|ac", ""),
        ("(ab|ac)d", ""),
        ("[|(]a|b", ""),
        ("[]|]a|b", ""),
        (r"[\]|]a|b", ""),
        ("(?i)course.*", ""),
        (r"\Q(\E|b", ""),
        (r"a\d", "a"),
        ("a" * 100, "a" * 64),
        ("", ""),
    ],
)
def test_the_prefix_is_what_every_match_begins_with(pattern: str, expected: str) -> None:
    assert prefix(pattern) == expected


@given(st.text("ab|()[]*?+.\\^{}2,", max_size=12), st.text("ab|.2", max_size=5))
def test_whatever_the_pattern_is_its_prefix_begins_all_that_it_matches(pattern: str, text: str) -> None:
    try:
        matches = Pattern(pattern)
    except ValueError:
        return
    begins, matches.prefix = matches.prefix, ""

    assert not matches(text) or text.startswith(begins)


@given(st.text("ab|()*?+.", max_size=10), st.text("ab", max_size=6))
def test_a_pattern_matches_what_it_would_match_for_python(pattern: str, text: str) -> None:
    try:
        matches, expected = Pattern(pattern), re.compile(pattern)
    except (ValueError, re.error):
        return

    assert matches(text) is (expected.fullmatch(text) is not None)


def test_a_character_that_no_utf8_has_is_no_fault() -> None:
    assert Pattern("a.b")("a\ud800b")
    assert Pattern("é.")("é\N{GRINNING FACE}")

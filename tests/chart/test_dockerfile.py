"""What can be said of the image without an engine to build it."""

import re

import pytest

from .chart_files import ROOT
from .dockerfile import Instruction, instructions, stages, words


def copied_from_the_tree() -> list[str]:
    [build, _] = stages()
    return [source for copy in words(build, "COPY") for source in copy.sources]


def test_it_is_built_in_one_stage_and_runs_in_another() -> None:
    [build, final] = stages()

    assert words(build, "FROM")[0].rest.split()[0] == words(final, "FROM")[0].rest
    assert [copy.from_stage for copy in words(final, "COPY")] == [True]
    assert words(final, "RUN") == []


@pytest.mark.parametrize("base", words(instructions(), "FROM"), ids=lambda base: base.rest)
def test_its_base_is_a_named_version_that_the_product_supports(base: Instruction) -> None:
    version = re.match(r"python:(\d\.\d+)-slim-[a-z]+\b", base.rest)

    assert version is not None
    assert version.group(1) in {"3.11", "3.12", "3.13"}


def test_it_runs_as_a_user_by_number_that_is_not_root() -> None:
    [_, final] = stages()

    [user] = words(final, "USER")

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.rest)


def test_its_entry_is_the_console_script_so_that_the_charts_arguments_are_commands() -> None:
    [_, final] = stages()

    assert [entry.rest for entry in words(final, "ENTRYPOINT")] == ['["badge-streams"]']


def test_it_runs_a_small_site_by_default_whose_health_is_asked_where_it_listens() -> None:
    [_, final] = stages()

    [check], [command], [exposed] = (words(final, word) for word in ("HEALTHCHECK", "CMD", "EXPOSE"))

    assert command.rest == '["site"]'
    pages = exposed.rest.split()[0]
    assert any(f"BADGES_HTTP=*:{pages}" in one.rest.split() for one in words(final, "ENV"))
    assert f"http://127.0.0.1:{pages}/live" in check.rest


@pytest.mark.parametrize("source", copied_from_the_tree())
def test_what_it_copies_is_there_and_reaches_the_engine(source: str) -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert (ROOT / source).exists()
    assert source in allowed


def test_nothing_else_reaches_the_engine() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied_from_the_tree())

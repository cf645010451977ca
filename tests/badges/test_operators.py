"""An operator of a rule has its place in the core, the checks, the recomputation and the random worlds."""

import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from streams.badges import Operator
from streams.catalog import checks
from tests.badges import naive, worlds


def test_the_checks_know_every_operator() -> None:
    assert set(get_args(Operator)) == checks._OPERATORS


@pytest.mark.parametrize("module", [naive, worlds], ids=["recomputation", "worlds"])
def test_every_operator_occurs(module: ModuleType) -> None:
    text = Path(module.__file__ or "").read_text()

    assert set(get_args(Operator)) - set(re.findall(r'"(\w+)"', text)) == set()

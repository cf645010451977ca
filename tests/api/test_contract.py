"""What the OpenAPI document promises is what is answered, whatever is asked: schemathesis asks."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.api.test_staff import classroom
from tests.api.world import of, staff, world

DOCUMENT = "/badges/api/v1/openapi.json"
EXAMPLES = 10
"""Of each address, right ones and wrong ones, by each caller: all together in a few seconds."""
CALLERS = {"an administrator": staff, "a learner": lambda: of(42), "nobody": dict}
ASKED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with asyncio.Runner() as runner:
        entered = world(tmp_path_factory.mktemp("contract"), classroom())
        here = runner.run(entered.__aenter__())
        yield schemathesis.openapi.from_asgi(DOCUMENT, here.app)
        runner.run(entered.__aexit__(None, None, None))


def test_the_document_is_openapi_3_1_and_names_every_address(described: Any) -> None:
    assert described.raw_schema["openapi"].startswith("3.1")
    assert sorted(described.raw_schema["paths"]) == [
        f"/badges/api/v1/{path}"
        for path in (
            "badges/",
            "counts/",
            "learners/{learner}/explain/",
            "progress/",
            "templates/",
            "templates/{template}/",
            "templates/{template}/holders/",
            "templates/{template}/progress/",
            "waiting/",
        )
    ]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("caller", CALLERS)
def test_every_answer_is_as_the_document_says(described: Any, caller: str, mode: GenerationMode) -> None:
    headers = CALLERS[caller]()
    for found in described.get_all_operations():
        operation = found.ok()

        @ASKED
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.call_and_validate(headers=headers)

        ask()

"""`docs/asyncapi.yaml` under AsyncAPI's official parser: `make test-contract` runs this file.

It is no `test_*.py`, so that `make test` needs no Node.js. ASYNCAPI_PARSER names the folder that
`tests/contract/parser` has filled.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARSER = Path(os.environ["ASYNCAPI_PARSER"])
DOCUMENT = (ROOT / "docs" / "asyncapi.yaml").read_text()


def parsed(document: str) -> dict[str, Any]:
    """What the parser finds wrong, and the messages that it reads."""
    command = [PARSER / "bin" / "node", ROOT / "tests" / "contract" / "parse.mjs", PARSER]
    run = subprocess.run(command, input=document, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def test_the_official_parser_reads_both_messages_and_finds_nothing_wrong() -> None:
    described = yaml.safe_load(DOCUMENT)["components"]["messages"].values()

    found = parsed(DOCUMENT)

    assert found["faults"] == []
    assert found["messages"] == {
        message["name"]: {"headers": list(message["headers"]["properties"]), "payload": ["badge"]}
        for message in described
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("action: send", "action: shout"),
        ("- name: uuid", "- nam: uuid"),
        ("topicConfiguration:", "topicSettings:"),
        ("'#/components/messages/revoked'", "'#/components/messages/withdrawn'"),
    ],
)
def test_the_parser_finds_what_is_wrong(right: str, wrong: str) -> None:
    assert right in DOCUMENT

    assert parsed(DOCUMENT.replace(right, wrong))["faults"]

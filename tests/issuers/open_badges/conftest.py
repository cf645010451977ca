"""A verifier that is not ours."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.sandbox.jars import alone

ROOT = Path(__file__).parents[3]
Verify = Callable[[list[Mapping[str, Any]], Mapping[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def verify() -> Verify:
    """What Digital Bazaar's libraries say of credentials, with the documents that they may look at."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with alone(cache / "open-badges.lock"):
        script = Path(__file__).with_name("verifier")
        found = subprocess.run([script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    folder = Path(found.stdout.strip())

    def verified(credentials: list[Mapping[str, Any]], documents: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked = json.dumps({"credentials": credentials, "documents": documents})
        run = subprocess.run(
            ["node", "verify.mjs"], cwd=folder, input=asked, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        results: list[dict[str, Any]] = json.loads(run.stdout)
        return results

    return verified

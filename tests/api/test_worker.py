"""`badge-streams api` as a process, on a real Kafka."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams.api.worker import listening
from streams.errors import FatalError
from streams.sandbox.commands import Commands
from streams.sandbox.process import Deadline, Process, tail
from tests.api.world import AUDIENCE, ISSUER, jwks, of, staff
from tests.pages import read
from tests.sites import Site


@dataclass(frozen=True, slots=True)
class Api:
    """A worker that answers."""

    process: Process

    @property
    def address(self) -> str | None:
        found = re.findall(r"api at (http://[\d.:]+/badges/api/v1/)", self.process.log.read_text())
        return found[-1] if found else None

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.address}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, json.loads(answer.read()) | {
                    "lag": answer.headers["X-Badges-Lag-Seconds"]
                }
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def until_ready(self) -> None:
        deadline = Deadline(60, f"not ready: {tail(self.process.log)}")
        while self.address is None or self.get("templates/")[0] != 200:
            assert self.process.exit_code is None, tail(self.process.log)
            deadline.wait()


def started(site: Site, folder: Path, **settings: str) -> Api:
    keys = folder / "keys.json"
    keys.write_bytes(jwks("ours"))
    given = {
        "BADGES_API_HTTP": "127.0.0.1:0",
        "BADGES_API_KEYS_FILE": str(keys),
        "BADGES_API_ISSUERS": ISSUER,
        "BADGES_API_AUDIENCE": AUDIENCE,
        "BADGES_API_STORE": str(folder / "store.sqlite"),
    }
    return Api(site.commands.start("api", log=folder / "api.log", **given | settings))


@pytest.fixture(scope="module")
def api(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = started(site, tmp_path_factory.mktemp("api"))
    try:
        api.until_ready()
        yield api
    finally:
        assert api.process.stop() == 0, tail(api.process.log)


def test_what_the_tracker_knows_is_answered(site: Site, api: Api) -> None:
    learner = next(one.emission.happening.learner for one in site.placed if one.emission.happening)

    status, badges = api.get("badges/", of(learner))
    _, progress = api.get("progress/", of(learner))

    said = site.commands.run("explain", "--learner", str(learner), "--brief")
    pages = json.loads(read(api.process.log.read_text(), "ready"))
    held = sum(badge["state"] == "held" for badge in badges["results"])
    assert status == 200
    assert said.count(": held\n") == held
    assert float(badges["lag"]) < 5
    assert progress["count"] > 0
    assert pages["ok"]
    assert pages["lag_seconds"] < 5


def test_explain_and_status_ask_it_where_it_is_named(site: Site, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(staff()["Authorization"].removeprefix("JWT "))
    assert api.address is not None
    named = {"BADGES_API": api.address.partition("/badges/")[0], "BADGES_API_TOKEN_FILE": str(file)}
    asking = type(site.commands)(dict(site.commands.settings) | named)
    learner = next(one.emission.happening.learner for one in site.placed if one.emission.happening)

    told = asking.run("explain", "--learner", str(learner))
    status = json.loads(asking.run("status", "--json"))

    assert told == site.commands.run("explain", "--learner", str(learner), "--brief")
    assert status["issuers"] == json.loads(site.commands.run("status", "--json"))["issuers"]
    file.write_text(of(learner)["Authorization"].removeprefix("JWT "))
    with pytest.raises(FatalError, match="answers 403"):
        asking.run("explain", "--learner", str(learner))


@pytest.mark.parametrize("address", ["127.0.0.1:0", "*:0"])
def test_an_answer_does_not_wait_for_the_callers_acknowledgement(address: str) -> None:
    with listening(address) as here, socket.create_connection(("127.0.0.1", here.getsockname()[1])):
        accepted, _ = here.accept()
    with accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_wrong_setting_is_one_line(site: Site, tmp_path: Path) -> None:
    keys = tmp_path / "none.json"

    for settings, said in (
        ({}, "BADGES_API_KEYS_FILE or BADGES_API_KEYS_URL"),
        ({"BADGES_API_KEYS_FILE": str(keys)}, "BADGES_API_ISSUERS"),
        ({"BADGES_API_KEYS_FILE": str(keys), "BADGES_API_ISSUERS": ISSUER}, "No such file"),
        ({"BADGES_API_DEMO_LOGIN": "1", "BADGES_API_HTTP": "*:0"}, "this may be a site"),
    ):
        refused = Commands(dict(site.commands.settings) | settings)
        with pytest.raises(FatalError, match="ended with 2") as ended:
            refused.run("api")
        assert said in str(ended.value)
        assert "Traceback" not in str(ended.value)

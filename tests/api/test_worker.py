"""`badge-streams api` as a process, on a real Kafka."""

import json
import re
import socket
import urllib.error
import urllib.parse
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
from tests.api.world import APPRENTICE, AUDIENCE, ISSUER, jwks, of, staff
from tests.pages import read
from tests.sites import Site

OPERATOR = staff(preferred_username="op")


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

    def page(self, path: str, form: dict[str, str] | None = None) -> str:
        """A page of the console, as an administrator sees it; with a form, what comes of that."""
        assert self.address is not None
        origin = self.address.partition("/badges/")[0]
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(
            f"{origin}/console/{path}", body, OPERATOR | {"Origin": origin}, method="POST" if form else "GET"
        )
        with urllib.request.urlopen(request, timeout=40) as answer:
            return str(answer.read().decode())

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
        "BADGES_CONSOLE_WRITES": "1",
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
    keys, text = tmp_path / "none.json", tmp_path / "text.pem"
    text.write_text("no keys")

    for settings, said in (
        ({}, "BADGES_API_KEYS_FILE or BADGES_API_KEYS_URL"),
        ({"BADGES_API_KEYS_FILE": str(keys)}, "BADGES_API_ISSUERS"),
        ({"BADGES_API_KEYS_FILE": str(keys), "BADGES_API_ISSUERS": ISSUER}, "No such file"),
        (
            {"BADGES_API_KEYS_FILE": str(text), "BADGES_API_ISSUERS": ISSUER},
            f"BADGES_API_KEYS_FILE: {text}: no public keys",
        ),
        ({"BADGES_API_DEMO_LOGIN": "1", "BADGES_API_HTTP": "*:0"}, "this may be a site"),
    ):
        refused = Commands(dict(site.commands.settings) | settings)
        with pytest.raises(FatalError, match="ended with 2") as ended:
            refused.run("api")
        assert said in str(ended.value)
        assert "Traceback" not in str(ended.value)


def test_the_console_shows_the_site(site: Site, api: Api) -> None:
    deadline = Deadline(30, "the console does not see the tracker")
    while ">3 of 3<" not in (overview := api.page("")):
        deadline.wait()
    letters = api.page("dead-letters/")
    ids = [
        json.loads(line)["id"] for line in site.commands.run("dead-letters", "list", "--json").splitlines()
    ]

    assert f">{site.commands.parsed.app_id}-activities<" in overview
    assert ids
    assert {id for id in ids if f"/console/dead-letters/{id}/" in letters} == set(ids[-50:])
    assert f'<h1 class="h2">Dead letter {ids[0]}</h1>' in api.page(f"dead-letters/{ids[0]}/")


def test_what_is_ordered_in_the_console_is_done_and_says_who_ordered_it(site: Site, api: Api) -> None:
    form = {"proof": proof_in(api.page("learners/900001/")), "learner": "900001", "template": APPRENTICE}

    given = api.page("orders/award/", form | {"reason": "they helped"})

    deadline = Deadline(30, "the award does not show")
    while ">held<" not in (page := api.page("learners/900001/")):
        deadline.wait()
    assert "order " in given
    assert "ordered by op: they helped" in page


def test_a_letter_is_sent_again_from_the_console(site: Site, api: Api) -> None:
    line = site.commands.run("dead-letters", "list", "--json").splitlines()[0]
    id = json.loads(line)["id"]
    form = {"proof": proof_in(api.page(f"dead-letters/{id}/")), "letter": id, "reason": "look again"}

    said = api.page("orders/redrive/", form)

    assert f"{id}: still not to be read" in said or f"sent again: {id}" in said


def proof_in(page: str) -> str:
    found = re.search(r'name="proof" value="([0-9a-f]{64})"', page)
    assert found is not None
    return found[1]

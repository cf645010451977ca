"""The simulators as processes: each prints its address, and is there to be called and looked at."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from standardwebhooks import Webhook

from streams.sandbox.process import Deadline, Process, tail
from tests.relay.simulated import SECRET


@contextmanager
def running(folder: Path, module: str, *options: str) -> Iterator[str]:
    """A simulator's address."""
    process = Process([sys.executable, "-m", f"streams.sandbox.{module}", *options], log=folder / "log")
    try:
        deadline = Deadline(60, "the simulator has not begun")
        while not (said := process.log.read_text()).startswith("http"):
            assert process.exit_code is None, tail(process.log)
            deadline.wait()
        yield said.strip()
    finally:
        process.kill()


def asked(url: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, None if body is None else body.encode(), dict(headers or {}))
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        return error.code, None


def test_accredibles_takes_its_accounts_groups_and_credits(tmp_path: Path) -> None:
    options = ("--account", "uni=key", "--group", "uni/9549", "--credits", "uni=0")
    with running(tmp_path, "accredible", *options) as url:
        key = {"authorization": "Token token=key"}
        group = asked(f"{url}/v1/issuer/groups/9549", key)
        stranger = asked(f"{url}/v1/issuer/groups/9549", {"authorization": "Token token=other"})
        document = {"group_id": 9549, "recipient": {"name": "Ada", "email": "ada@example.org"}}
        made = asked(f"{url}/v1/credentials", key, json.dumps({"credential": document}))
        order = asked(f"{url}/_sandbox/credits", None, '[{"account": "uni", "left": 5}]')
        left = asked(f"{url}/v1/issuer/details", key)
        [badge] = asked(f"{url}/_sandbox/badges")[1]

    assert [answer[0] for answer in (group, stranger, made, order)] == [200, 401, 200, 200]
    assert badge["email"] == "ada@example.org"
    assert not badge["approve"]
    assert left[1]["issuer"]["certificate_left"] == 5


def test_a_webhooks_takes_what_is_signed_by_its_secret(tmp_path: Path) -> None:
    data = {"badge": "b", "template": "t", "earner": "7", "sequence": 2, "recipient": {"email": "a@b.org"}}
    body = json.dumps({"type": "badge.awarded", "timestamp": "2026-03-14T15:09:26Z", "data": data})
    now = datetime.now(UTC)
    signed = {
        "webhook-id": "m1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("m1", now, body),
    }
    with running(tmp_path, "webhook", "--secret", SECRET, "--ids") as url:
        taken = asked(f"{url}/hooks/uni", signed, body)
        refused = asked(f"{url}/hooks/uni", signed | {"webhook-signature": "v1,x"}, body)
        [badge] = asked(f"{url}/_sandbox/badges")[1]

    assert taken == (200, {"id": "r-1"})
    assert refused[0] == 401
    assert badge["held"]

"""The network's side of an issuer, and the simulator as a process."""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from streams.issuers import outcomes
from streams.issuers.client import Http
from streams.issuers.credly.issuer import CREDLY
from streams.issuers.http import Answer, NoAnswer
from streams.issuers.issuer import Award, Call, Cause, Revocation, Wanted, drive
from streams.sandbox.credly import CredlySimulator, Fault, Server
from streams.sandbox.process import Process
from tests.relay.badge_bus import until
from tests.relay.virtual import EPOCH
from tests.relay.world import KEY, ORGANIZATION, TEMPLATE, recipient

AWARD = Award(
    Wanted(TEMPLATE, ("1",), addresses=("user1@example.org",)),
    recipient(1),
    Cause(EPOCH),
    expires_at=None,
    notify=True,
)
ISSUE = next(CREDLY.issue(ORGANIZATION, AWARD))


async def ask(http: Http, url: str, key: str = KEY, call: Call[Any] = ISSUE) -> Answer | NoAnswer:
    return await http.call(
        url, call.request, {**call.request.headers, **CREDLY.headers(key, call.request, EPOCH)}
    )


def outcome_of(answer: Answer | NoAnswer) -> outcomes.Outcome:
    return ISSUE.outcome(answer, EPOCH)


@asynccontextmanager
async def served(*faults: Fault, seconds: float = 30.0) -> AsyncIterator[tuple[CredlySimulator, Http, str]]:
    simulated, http = CredlySimulator(), Http(seconds)
    simulated.add_organization(ORGANIZATION, KEY)
    simulated.add_template(ORGANIZATION, TEMPLATE)
    simulated.schedule(faults)
    async with Server(simulated) as server:
        try:
            yield simulated, http, server.url
        finally:
            await http.close()


async def test_a_request_arrives_with_its_key_and_its_answer_comes_back() -> None:
    async with served() as (simulated, http, url):
        answer = await ask(http, url)
    assert isinstance(answer, Answer)
    assert isinstance(outcome_of(answer), outcomes.Issued)
    assert [badge.earner for badge in simulated.held()] == ["1"]


async def test_a_wrong_key_is_refused() -> None:
    async with served() as (_, http, url):
        answer = await ask(http, url, "another")
    assert isinstance(outcome_of(answer), outcomes.KeyRefused)


async def test_an_e_mail_with_signs_arrives_in_a_look_up_as_it_is() -> None:
    email = "ada+tag&x=1%40@example.org"
    async with served() as (_, http, url):
        who = recipient(1, email=email)
        await ask(http, url, call=next(CREDLY.issue(ORGANIZATION, replace(AWARD, recipient=who))))

        async def asked_by_email(call: Call[Any]) -> outcomes.Outcome:
            if "issuer_earner_id" in call.request.path:
                return outcomes.Absent()
            return call.outcome(await ask(http, url, call=call), EPOCH)

        steps = CREDLY.look_up(ORGANIZATION, Wanted(TEMPLATE, ("1",), addresses=(email,)))
        found = await drive(steps, asked_by_email)
    assert isinstance(found, outcomes.Found)


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_a_connection_that_breaks_may_have_done_its_work(kind: str) -> None:
    async with served(Fault(kind)) as (simulated, http, url):  # type: ignore[arg-type]
        answer = await ask(http, url)
    assert isinstance(answer, NoAnswer)
    assert answer.sent
    assert len(simulated.badges) == (kind == "reset_after")


async def test_a_call_that_takes_too_long_may_have_done_its_work() -> None:
    async with served(Fault("slow", seconds=30), seconds=0.2) as (simulated, http, url):
        answer = await ask(http, url)
    assert answer == NoAnswer("TimeoutError", sent=True)
    assert len(simulated.badges) == 1


async def test_a_connection_that_is_refused_has_done_nothing() -> None:
    async with served() as (_, _, url):
        pass
    http = Http()
    answer = await ask(http, url)
    await http.close()
    assert answer == NoAnswer("ClientConnectorError", sent=False)


async def test_an_address_that_is_none_has_done_nothing() -> None:
    http = Http()
    for base in ("http://localhost:84430", "http://localhost:port", "http://a..example.org", "http://[x"):
        answer = await ask(http, base)
        assert isinstance(answer, NoAnswer), base
    await http.close()


async def test_a_redirection_is_not_followed_with_the_key() -> None:
    async with served(Fault("error", status=302)) as (simulated, http, url):
        answer = await ask(http, url)
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert len(simulated.journal) == 1


@asynccontextmanager
async def raw(answer: bytes, *, drips: bool = False) -> AsyncIterator[tuple[list[bytes], str]]:
    """A server that says the same to everything and hangs up; `drips`: byte by byte, and never to an end."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            while drips:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield heads, f"http://{host}:{port}"


HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"", outcomes.Deferred),
        (b"SSH-2.0-OpenSSH_9.6\r\n", outcomes.Deferred),
        (b"HTTP/1.1 201 Created\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n", outcomes.Deferred),
        (HEAD % b"201 Created" + b"Content-Length: 99\r\n\r\n" + b'{"data":', outcomes.Deferred),
        (HEAD % b"201 Created" + CHUNKED + b"zz\r\n", outcomes.Deferred),
        (
            HEAD % b"201 Created" + b"Content-Encoding: gzip\r\n" + CHUNKED + b"3\r\nabc\r\n",
            outcomes.Deferred,
        ),
        (HEAD % b"201 Created" + b"Content-Length: 0\r\n\r\n", outcomes.Deferred),
        (HEAD % b"100 Continue" + b"\r\n" + HEAD % b"102 Processing" + b"\r\n", outcomes.Deferred),
        (HEAD % b"304 Not Modified" + b"\r\n", outcomes.Deferred),
        (HEAD % b"422 No" + b"Content-Length: 99\r\n\r\n" + b'{"da', outcomes.Deferred),
        (HEAD % b"422 No" + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", outcomes.Deferred),
        (HEAD % b"422 No" + b"Content-Length: 2\r\n\r\n{}", outcomes.Refused),
        (HEAD % b"401 No" + CHUNKED, outcomes.KeyRefused),
    ],
)
async def test_an_answer_that_is_none_is_survived(said: bytes, outcome: type) -> None:
    http = Http(seconds=2)
    async with raw(said) as (_, url):
        answer = await ask(http, url)
        await http.close()
    assert isinstance(outcome_of(answer), outcome)


@pytest.mark.parametrize(
    "said", [HEAD % b"201 Created" + b"Content-Length: 100000\r\n\r\n", b"HTTP/1.1 201 Created\r\nX: "]
)
async def test_an_answer_that_drips_is_given_up_in_time_and_left_ambiguous(said: bytes) -> None:
    http, loop = Http(seconds=0.5), asyncio.get_running_loop()
    async with raw(said, drips=True) as (_, url):
        began = loop.time()
        answer = await ask(http, url)
        took = loop.time() - began
        await http.close()
    outcome = outcome_of(answer)
    assert isinstance(outcome, outcomes.Deferred)
    assert outcome.ambiguous
    assert took < 5


async def test_a_body_that_is_too_long_is_not_read_to_its_end() -> None:
    http, zeros = Http(seconds=10), gzip.compress(bytes(64 * 1024 * 1024))
    head = HEAD % b"500 No" + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zeros)
    async with raw(head + zeros) as (_, url):
        answer = await ask(http, url)
        await http.close()
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (500, b"")


async def test_no_cookie_of_one_organization_goes_with_a_call_of_another() -> None:
    said = (
        HEAD % b"401 No"
        + b"Set-Cookie: session=mine; Path=/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
    http = Http()
    async with raw(said) as (heads, url):
        # A jar takes no cookies of a bare address.
        url = url.replace("127.0.0.1", "localhost")
        for key in (KEY, "another"):
            await ask(http, url, key)
        await http.close()
    assert len(heads) == 2
    assert b"cookie" not in b"".join(heads).lower()


async def test_the_simulator_runs_as_a_process_and_is_told_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "credly.log"
    command = [sys.executable, "-m", "streams.sandbox.credly", "--organization", f"{ORGANIZATION}={KEY}"]
    process = Process(command, log=log)
    http = Http()
    try:
        await until(lambda: log.exists() and log.read_text().startswith("http"), 20)
        url = log.read_text().strip()
        async with aiohttp.ClientSession() as session:

            async def tell(what: str, *told: dict[str, object]) -> None:
                async with session.post(f"{url}/_sandbox/{what}", json=list(told)) as response:
                    assert response.status == 200

            await tell("templates", {"organization": ORGANIZATION, "template": TEMPLATE})
            await tell("tokens", {"organization": ORGANIZATION, "value": KEY, "delete_enabled": False})
            await tell("accounts", {"emails": ["user1@example.org", "home@example.org"]})
            await tell("manners", {"list_lag": 1.5})
            await tell("faults", {"kind": "error", "status": 503, "body": "html", "last": 1})
            first = await ask(http, url)
            second = await ask(http, url)
            async with session.get(f"{url}/_sandbox/badges") as response:
                [badge] = await response.json()
            await tell("badges", {"badge": badge["id"], "state": "rejected"})
            await tell("replacements", {"badge": badge["id"], "template": TEMPLATE})
            async with session.get(f"{url}/_sandbox/journal") as response:
                journal = await response.json()
    finally:
        await http.close()
        await asyncio.to_thread(process.stop)
    assert [getattr(answer, "status", 0) for answer in (first, second)] == [503, 201]
    assert [(entry["call"], entry["status"], entry["done"]) for entry in journal] == [
        ("issue", 503, False),
        ("issue", 201, True),
    ]


async def test_the_simulator_is_started_as_unkind_as_its_options_say(tmp_path: Path) -> None:
    log = tmp_path / "credly.log"
    process = Process(
        [
            *(sys.executable, "-m", "streams.sandbox.credly", "--rights", "rw"),
            *("--organization", f"{ORGANIZATION}={KEY}", "--template", f"{ORGANIZATION}/{TEMPLATE}"),
            *("--account", "user1@example.org,home@example.org", "--refuse", "<script>"),
            *("--list-lag", "3600", "--not-held", "409", "--rate", "0.001", "--burst", "6"),
            *("--retry-after", "7"),
        ],
        log=log,
    )
    http = Http()
    hostile = Award(
        Wanted(TEMPLATE, ("2",)), recipient(2, name="<script>"), Cause(EPOCH), expires_at=None, notify=True
    )
    try:
        await until(lambda: log.exists() and log.read_text().startswith("http"), 20)
        url = log.read_text().strip()
        refused = await ask(http, url, call=next(CREDLY.issue(ORGANIZATION, hostile)))
        issued = await ask(http, url)
        assert isinstance(issued, Answer)
        badge = orjson.loads(issued.body)["data"]
        mine = Wanted(TEMPLATE, ("1",), badge=badge["id"])
        calls = [
            next(CREDLY.look_up(ORGANIZATION, Wanted(TEMPLATE, ("1",)))),
            next(CREDLY.erase(ORGANIZATION, mine, Cause(EPOCH))),
            *[next(CREDLY.revoke(ORGANIZATION, Revocation(mine, Cause(EPOCH), notify=False)))] * 2,
            *[next(CREDLY.template(ORGANIZATION, TEMPLATE))] * 2,
        ]
        answers = [await ask(http, url, call=call) for call in calls]
    finally:
        await http.close()
        await asyncio.to_thread(process.stop)
    assert getattr(refused, "status", 0) == 403
    assert badge["user"]["email"] == "user1@example.org"
    assert [getattr(answer, "status", 0) for answer in answers] == [200, 403, 200, 409, 200, 429]
    listed, *_, throttled = answers
    assert isinstance(listed, Answer)
    assert isinstance(throttled, Answer)
    assert orjson.loads(listed.body)["data"] == []
    assert throttled.headers["Retry-After"] == "7"


@pytest.mark.parametrize("proxy", ["http://me:p%40ss@{}", "{}"])
async def test_a_call_goes_through_the_proxy_of_the_environment_and_keeps_its_key_from_it(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    async with raw(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n") as (heads, url):
        monkeypatch.setenv("HTTPS_PROXY", proxy.format(url.removeprefix("http://")))
        monkeypatch.setenv("NO_PROXY", "elsewhere.example.org")
        http = Http()
        answer = await ask(http, "https://api.example.org")
        await http.close()

    assert answer == NoAnswer("ClientHttpProxyError", sent=False)
    [head] = heads
    assert head.startswith(b"CONNECT api.example.org:443 ")
    assert (b"Proxy-Authorization: Basic bWU6cEBzcw==" in head) == ("me:" in proxy)
    assert b"\r\nAuthorization" not in head


async def test_this_machine_and_what_the_environment_excepts_are_called_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with raw(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n") as (heads, url):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("NO_PROXY", "localhost")
        http = Http()
        async with served() as (simulated, _, simulator):
            await ask(http, simulator)
        await ask(http, "https://localhost:1")
        await http.close()

    assert heads == []
    assert len(simulated.journal) == 1
